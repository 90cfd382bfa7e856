/** The schemas of operators against onnx's own, and what does not follow them, which onnxruntime refuses as well. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { type DataType, dataTypeInfo, dataTypes } from '../../src/onnx/data-types.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { type Formal, schemaNames, schemaOf } from '../../src/operators/onnx/schema-table.ts';
import { hasOnnxruntime, runOnnxruntime } from '../support/onnxruntime.ts';
import { hasPython, python } from '../support/oracle.ts';
import { float, GraphBuilder, int, ints } from './zoo-graphs.ts';

interface Schema {
  /** Of each, the variable it is of, its types sorted, and whether one, optional or many. */
  readonly inputs: readonly (readonly [string, readonly string[], string])[];
  readonly outputs: Schema['inputs'];
  /** type and whether it must be there, by name */
  readonly attributes: Readonly<Record<string, readonly [string, boolean]>>;
}

const script = `
import json, re, sys, onnx
names, known = json.load(sys.stdin)
newest = onnx.defs.onnx_opset_version()
same = {'float': 'float32', 'double': 'float64'}
def types(texts):
    found = [re.fullmatch(r'tensor[(](\\w+)[)]', text) for text in texts]
    return sorted(set(same.get(one[1], one[1]) for one in found if one) & set(known))
def formals(all, variables):
    made = []
    for one in all:
        text = getattr(one, 'typeStr', None) or one.type_str
        form = {'Single': 'one', 'Optional': 'optional', 'Variadic': 'many'}[str(one.option).split('.')[-1]]
        made.append([text if text in variables else '', variables.get(text) or types([text]), form])
    return made
made = {}
for opset in range(1, newest + 1):
    for name in names:
        try:
            s = onnx.defs.get_schema(name, opset, '')
        except Exception:
            continue
        variables = {one.type_param_str: types(one.allowed_type_strs) for one in s.type_constraints}
        made['%s %d' % (name, opset)] = {
            'inputs': formals(s.inputs, variables), 'outputs': formals(s.outputs, variables),
            'attributes': {a.name: [str(a.type).split('.')[-1], bool(a.required)] for a in s.attributes.values()}}
        low, high = s.min_input, s.max_input
        many = any(str(one.option).split('.')[-1] == 'Variadic' for one in s.inputs)
        single = [one for one in s.inputs if str(one.option).split('.')[-1] != 'Optional']
        assert low == len(single) and high == (2 ** 31 - 1 if many else len(s.inputs)), name
json.dump({'newest': newest, 'made': made}, sys.stdout)
`;

const protobufType = (type: string) => (type === 'opaque' ? 'SPARSE_TENSOR' : type.toUpperCase());

const formals = (all: readonly Formal[]): Schema['inputs'] =>
  all.map(({ variable = '', types, form }) => [variable, [...types].sort(), form]);

function ours(name: string, opset: number): Schema | undefined {
  const schema = schemaOf(name, opset);
  if (schema === undefined) return undefined;
  const named = [...schema.attributes].map(
    ([key, { type, required }]) => [key, [protobufType(type), required]] as const,
  );
  return {
    inputs: formals(schema.inputs),
    outputs: formals(schema.outputs),
    attributes: Object.fromEntries(named),
  };
}

describe.skipIf(!hasPython('onnx'))("onnx's schemas (needs python's onnx)", () => {
  const { newest, made } = python<{ newest: number; made: Record<string, Schema> }>(
    script,
    [schemaNames, Object.keys(dataTypes)],
    'onnx',
  );

  const erf = [['T', ['bfloat16', 'float16', 'float32', 'float64'], 'one']] as const;

  it('are ours in every operator set', () => {
    expect(Object.keys(made).length).toBeGreaterThan(1000);
    const compared = Array.from({ length: newest }, (_, i) => i + 1).flatMap((opset) =>
      schemaNames.map((name) => [`${name} ${opset}`, ours(name, opset)] as const),
    );
    for (const [key, schema] of compared) {
      // onnx took the integers out of set 13 afterwards, which computed none of them.
      if (/^Erf 1[3-9]/.test(key)) made[key] = { ...made[key], ...{ inputs: erf, outputs: erf } };
      expect(schema, key).toEqual(made[key]);
    }
  });
});

/** x [1, 3, 6, 6] through one node, or what the builder makes of it. */
function model(build: (g: GraphBuilder) => void, opset = 17, dims = [1, 3, 6, 6]): OnnxModel {
  const g = new GraphBuilder();
  build(g);
  return g.model(opset, { name: 'x', dims }, 'y');
}

const refused: readonly [string, OnnxModel, RegExp][] = [
  ...['Add', 'Sub', 'Mul', 'Div'].map((name): [string, OnnxModel, RegExp] => [
    `${name} of one input`,
    model((g) => g.node(name, ['x'], 'y')),
    new RegExp(`^the ${name} node that makes 'y' has 1 inputs\\. Operator set 17 has 2 inputs`),
  ]),
  ['Relu of two inputs', model((g) => g.node('Relu', ['x', 'x'], 'y')), /has 2 inputs\. Operator set 17 has 1 input\./],
  [
    'Conv without weights',
    model((g) => g.node('Conv', ['x'], 'y')),
    /has 1 inputs\. Operator set 17 has 2 to 3 inputs/,
  ],
  [
    'Conv that leaves out its weight',
    model((g) => g.node('Conv', ['x', '', g.weight('b', 3)], 'y')),
    /leaves out input 2\. Operator set 17 has 2 to 3 inputs/,
  ],
  ['Concat of nothing', model((g) => g.node('Concat', [], 'y', { axis: int(1) })), /has 0 inputs.*1 or more inputs/],
  ['Concat without its axis', model((g) => g.node('Concat', ['x', 'x'], 'y')), /has no axis\. Operator set 17 has it/],
  [
    'two outputs of Relu',
    model((g) => g.node('Relu', ['x'], ['y', 'z'])),
    /has 2 outputs\. Operator set 17 has 1 output/,
  ],
  [
    'an attribute of another',
    model((g) => g.node('Relu', ['x'], 'y', { alpha: float(1) })),
    /has an attribute 'alpha'/,
  ],
  [
    'an attribute of another operator set',
    model((g) => g.node('Clip', ['x'], 'y', { min: float(0) })),
    /has an attribute 'min'\. Operator set 17 has none/,
  ],
  [
    'an attribute of another type',
    model((g) => g.node('Softmax', ['x'], 'y', { axis: float(1) })),
    /attribute 'axis' is of type float, int is expected/,
  ],
  [
    'perm of fewer dimensions',
    model((g) => g.node('Transpose', ['x'], 'y', { perm: ints(0, 1) })),
    /has perm \[0,1\] for 4 dimensions\. Each dimension is expected once/,
  ],
  ['perm twice', model((g) => g.node('Transpose', ['x'], 'y', { perm: ints(0, 1, 1, 3) })), /has perm \[0,1,1,3\]/],
  ...[4, -5].map((axis): [string, OnnxModel, RegExp] => [
    `Softmax along ${axis}`,
    model((g) => g.node('Softmax', ['x'], 'y', { axis: int(axis) })),
    new RegExp(`has axis ${axis} for 4 dimensions\\. From -4 to 3 is expected`),
  ]),
  [
    'Concat of vectors along 2',
    model((g) => g.node('Concat', ['x', 'x'], 'y', { axis: int(2) }), 17, [1, 5]),
    /has axis 2 for 2 dimensions/,
  ],
  ['Flatten beyond', model((g) => g.node('Flatten', ['x'], 'y', { axis: int(5) })), /has axis 5 for 4 dimensions/],
  [
    'Squeeze twice',
    model((g) => g.node('Squeeze', ['x', g.integers('a', 2, -2)], 'y'), 17, [1, 3, 1, 6]),
    /has axes \[2,-2\] for 4 dimensions\. From -4 to 3, each once/,
  ],
  [
    'Unsqueeze beyond',
    model((g) => g.node('Unsqueeze', ['x', g.integers('a', 6)], 'y')),
    /has axes \[6\] for 5 dimensions/,
  ],
  ['ReduceMean beyond', model((g) => g.node('ReduceMean', ['x'], 'y', { axes: ints(1, 4) })), /has axes \[1,4\]/],
  ['an operator before its set', model((g) => g.node('HardSwish', ['x'], 'y'), 13), /is of operator set 14 or later/],
  [
    'constants that do not fit each other',
    model((g) => g.node('Add', ['x', g.node('Add', [g.weight('a', 3, 1), g.weight('b', 2, 2)], 'c')], 'y')),
    /combines shapes \[3, 1\] and \[2, 2\]\. Each dimension must be equal/,
  ],
  [
    'unequal parts of a Split into equal ones',
    model((g) => g.node('Add', ['x', g.node('Split', [g.weight('a', 5)], ['c', 'd'])], 'y')),
    /divides 5 into 2 equal parts/,
  ],
];

/** An initialiser of another type. */
function typed(g: GraphBuilder, dataType: DataType, dims: number[], ...values: number[]): string {
  const { array } = dataTypeInfo(dataType);
  const data = new array!(values.length);
  for (const [i, value] of values.entries()) data[i] = data instanceof BigInt64Array ? BigInt(value) : value;
  g.initializers.set(dataType, OnnxTensor.of(dataType, dims, dataType, data));
  return dataType;
}

function saidToBe(dataType: DataType, made: OnnxModel): OnnxModel {
  return { ...made, graph: { ...made.graph, outputs: [{ name: 'y', dataType }] } };
}

const window = { kernel_shape: ints(2, 2) };
const refusedTypes: readonly [string, OnnxModel, RegExp][] = [
  ...(['int64', 'int32', 'float64', 'float16', 'uint8'] as const).flatMap((type) =>
    ['Add', 'Sub', 'Mul', 'Div', 'Max', 'MatMul'].map((name): [string, OnnxModel, RegExp] => [
      `${name} of float32 and ${type}`,
      model((g) => g.node(name, ['x', typed(g, type, [1, 1], 1)], 'y'), 17, [1, 1]),
      new RegExp(
        name === 'MatMul' && type === 'uint8'
          ? "reads 'uint8' of uint8 as its input 2\\. Operator set 17 takes"
          : ['Max', 'MatMul'].includes(name) || type !== 'uint8'
            ? `reads 'x' of float32 and '${type}' of ${type}\\. Operator set 17 asks for one type of both: put a Cast`
            : `of uint8`,
      ),
    ]),
  ),
  [
    'Clip to int64',
    model((g) => g.node('Clip', ['x', typed(g, 'int64', [], 0)], 'y')),
    /reads 'x' of float32 and 'int64' of int64/,
  ],
  [
    'Conv with a weight of float64',
    model((g) => g.node('Conv', ['x', typed(g, 'float64', [1, 3, 1, 1], 1, 2, 3)], 'y')),
    /reads 'x' of float32 and 'float64' of float64/,
  ],
  [
    'Reshape to int32',
    model((g) => g.node('Reshape', ['x', typed(g, 'int32', [2], 1, -1)], 'y')),
    /reads 'int32' of int32 as its input 2\. Operator set 17 takes int64 there: put a Cast before it/,
  ],
  ['axes of int32', model((g) => g.node('ReduceSum', ['x', typed(g, 'int32', [1], 2)], 'y')), /takes int64 there/],
  [
    'a type that was computed',
    model((g) => g.node('Add', ['x', g.node('Shape', ['x'], 's')], 'y')),
    /reads 'x' of float32 and 's' of int64/,
  ],
  [
    'an operator before it took the type',
    model(
      (g) =>
        g.node(
          'Add',
          ['x', g.node('Cast', [g.node('Relu', [typed(g, 'int32', [], 1)], 'r')], 'c', { to: int(1) })],
          'y',
        ),
      13,
    ),
    /reads 'int32' of int32 as its input 1\. Operator set 13 takes/,
  ],
  [
    'a type within constants alone',
    model((g) => g.node('Add', ['x', g.node('Mul', [g.weight('a', 1), typed(g, 'float64', [], 1)], 'c')], 'y')),
    /reads 'a' of float32 and 'float64' of float64/,
  ],
  [
    'a condition that is a number',
    model((g) => g.node('Where', [typed(g, 'int64', [], 1), 'x', 'x'], 'y')),
    /takes bool there/,
  ],
  [
    'an output of another type than is said',
    saidToBe(
      'int64',
      model((g) => g.node('Relu', ['x'], 'y')),
    ),
    /output 'y' is said to be int64, its nodes make float32/,
  ],
];

const refusedValues: readonly [string, OnnxModel, RegExp][] = [
  [
    'a flag of 3: ceil_mode',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, ceil_mode: int(3) })),
    /has ceil_mode 3\. 0 or 1 is expected/,
  ],
  [
    'a flag of 2: keepdims',
    model((g) => g.node('ReduceMean', ['x'], 'y', { axes: ints(2), keepdims: int(2) })),
    /keepdims 2/,
  ],
  [
    'storage_order',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, storage_order: int(7) })),
    /storage_order 7/,
  ],
  [
    'count_include_pad',
    model((g) => g.node('AveragePool', ['x'], 'y', { ...window, count_include_pad: int(-1) })),
    /count_include_pad -1/,
  ],
  ['transB', model((g) => g.node('Gemm', ['x', g.weight('w', 4, 4)], 'y', { transB: int(2) }), 17, [1, 4]), /transB 2/],
  [
    'strides of 0',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, strides: ints(0, 1) })),
    /has strides \[0,1\]\. 1 or more each is expected/,
  ],
  [
    'dilations of 0',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, dilations: ints(1, 0) })),
    /dilations \[1,0\]/,
  ],
  [
    'pads below 0',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, pads: ints(0, 0, -1, 0) })),
    /has pads \[0,0,-1,0\]/,
  ],
  [
    'another auto_pad',
    model((g) => g.node('MaxPool', ['x'], 'y', { ...window, auto_pad: { type: 'string', value: 'SAME' } })),
    /has auto_pad 'SAME'\. NOTSET, VALID, SAME_UPPER, SAME_LOWER is expected/,
  ],
  [
    'pads beside auto_pad',
    model((g) =>
      g.node('Conv', ['x', g.weight('w', 2, 3, 3, 3)], 'y', {
        auto_pad: { type: 'string', value: 'SAME_UPPER' },
        pads: ints(1, 1, 1, 1),
      }),
    ),
    /has pads \[1,1,1,1\] beside auto_pad 'SAME_UPPER'/,
  ],
  [
    'Reshape with two open sizes',
    model((g) => g.node('Reshape', ['x', g.integers('s', -1, -1)], 'y')),
    /reshapes.*\[-1, -1\]/,
  ],
  [
    'Reshape to no items',
    model((g) => g.node('Reshape', ['x', g.integers('s', 0, 108)], 'y', { allowzero: int(1) })),
    /reshapes.*\[0, 108\]/,
  ],
  [
    'Reshape to what is left of nothing',
    model((g) => g.node('Reshape', ['x', g.integers('s', 1, 0, -1)], 'y', { allowzero: int(1) })),
    /reshapes.*\[1, 0, -1\]/,
  ],
  [
    'Reshape to a size below -1',
    model((g) => g.node('Reshape', ['x', g.integers('s', -2, 108)], 'y')),
    /reshapes.*\[-2, 108\]/,
  ],
  [
    'Reshape of a constant with two open sizes',
    model((g) => g.node('Add', ['x', g.node('Reshape', [g.weight('a', 1, 1), g.integers('s', -1, -1)], 'c')], 'y')),
    /reshapes \[1,1\] to \[-1,-1\]/,
  ],
  [
    'two outputs of Sum',
    model((g) => g.node('Sum', ['x', 'x'], ['y', 'z'])),
    /has 2 outputs\. Operator set 17 has 1 output/,
  ],
  [
    'two outputs of an operator of constants',
    model((g) => g.node('Add', ['x', g.node('Exp', [g.weight('a', 1)], ['c', 'd'])], 'y')),
    /has 2 outputs/,
  ],
  [
    'a shape without dimensions',
    model((g) => g.node('Reshape', ['x', typed(g, 'int64', [], -1)], 'y')),
    /reads 'int64' of shape \[\] as its input 2\. A list is expected/,
  ],
  ...(['ReduceSum', 'Squeeze'] as const).map((name): [string, OnnxModel, RegExp] => [
    `axes without dimensions: ${name}`,
    model((g) => g.node(name, ['x', typed(g, 'int64', [], 2)], 'y'), 17, [1, 3, 1, 6]),
    /reads 'int64' of shape \[\] as its input 2/,
  ]),
  [
    'bounds without dimensions, of constants alone',
    model((g) => {
      const bound = typed(g, 'int64', [], 1);
      g.node('Add', ['x', g.node('Slice', [g.weight('a', 3), bound, bound], 'c')], 'y');
    }),
    /reads 'int64' of shape \[\] as its input 2/,
  ],
  [
    'pads as a table',
    model((g) => g.node('Pad', ['x', typed(g, 'int64', [1, 8], 0, 0, 1, 0, 0, 0, 0, 0)], 'y')),
    /\[1,8\]/,
  ],
  ['strides of no size', model((g) => g.node('MaxPool', ['x'], 'y', { ...window, strides: ints() })), /strides \[\]/],
  [
    'LRN of beta below 0',
    model((g) => g.node('LRN', ['x'], 'y', { size: int(3), beta: float(-0.75) })),
    /beta -0.75\./,
  ],
  [
    'OneHot of two depths',
    model((g) => {
      const operands = [g.integers('i', 1), g.integers('depth', 3, 4), g.weight('pair', 2)];
      g.node('Add', ['x', g.node('ReduceSum', [g.node('OneHot', operands, 'h')], 'c')], 'y');
    }),
    /OneHot node.*\. A number of 1 or more is expected/,
  ],
];

/** Operands that old operator sets do not lay along each other. onnxruntime computes no Add before set 7. */
const refusedLaying: readonly [string, OnnxModel, RegExp | undefined][] = [
  ...[1, 6].flatMap((opset): [string, OnnxModel, RegExp | undefined][] => {
    const add = (name: string, dims: number[], attributes: Record<string, Attribute>) =>
      model((g) => g.node(name, ['x', g.weight('c', ...dims)], 'y', attributes), opset);
    const without = /without broadcast=1\. Operator set \d does not\. Convert the model: onnx\.version_converter/;
    return [
      [`Add without broadcast in ${opset}`, add('Add', [3, 1, 1], {}), without],
      [`Mul without broadcast in ${opset}`, add('Mul', [1], { broadcast: int(0) }), without],
      [`Sub of one shape in ${opset}`, add('Sub', [1, 3, 6, 6], {}), undefined],
      [`Add along axis 1 in ${opset}`, add('Add', [3], { broadcast: int(1), axis: int(1) }), undefined],
      [`Add along another axis in ${opset}`, add('Add', [3], { broadcast: int(1), axis: int(2) }), /combines/],
      [
        `the first laid along the second in ${opset}`,
        model((g) => g.node('Add', [g.weight('c', 3, 1, 1), 'x'], 'y', { broadcast: int(1) }), opset),
        /combines \[3, 1, 1\] with \[batch, 3, 6, 6\]/,
      ],
      [
        `Sum of unequal shapes in ${opset}`,
        model((g) => g.node('Sum', ['x', g.weight('c', 3, 1, 1)], 'y'), opset),
        /combines \[batch, 3, 6, 6\] with \[3, 1, 1\]/,
      ],
      [
        `Mean of equal shapes in ${opset}`,
        model((g) => g.node('Mean', ['x', g.node('Relu', ['x'], 'r')], 'y'), opset),
        undefined,
      ],
      [
        `Gemm without broadcast in ${opset}`,
        model((g) => g.node('Gemm', ['x', g.weight('w', 4, 3), g.weight('b', 3)], 'y'), opset, [1, 4]),
        /combines \[batch, 4\] with \[3\] without broadcast=1/,
      ],
      [
        `Gemm with broadcast in ${opset}`,
        model(
          (g) => g.node('Gemm', ['x', g.weight('w', 4, 3), g.weight('b', 3)], 'y', { broadcast: int(1) }),
          opset,
          [1, 4],
        ),
        undefined,
      ],
    ];
  }),
  ['Sum of unequal shapes in 7', model((g) => g.node('Sum', ['x', g.weight('c', 3, 1, 1)], 'y'), 7), /combines/],
  ['Sum of unequal shapes in 8', model((g) => g.node('Sum', ['x', g.weight('c', 3, 1, 1)], 'y'), 8), undefined],
];

describe('what does not follow its schema', () => {
  it.each(refused)('%s is refused by name', (_, bad, message) => {
    expect(() => importOnnx(bad)).toThrow(message);
  });

  it.each(refusedTypes)('%s is refused by name', (_, bad, message) => {
    expect(() => importOnnx(bad)).toThrow(message);
  });

  it.each(refusedValues)('%s is refused by name', (_, bad, message) => {
    expect(() => importOnnx(bad)).toThrow(message);
  });

  it.each(refusedLaying)('%s', (_, one, message) => {
    if (message === undefined) expect(importOnnx(one).outputs).toEqual(['y']);
    else expect(() => importOnnx(one)).toThrow(message);
  });

  // onnxruntime takes a dimension that is named twice for one.
  // Flags that are neither 0 nor 1 are true to some of its operators, and false to others.
  const alike = [...refused, ...refusedTypes, ...refusedValues].filter(
    ([name]) => !/^(Squeeze twice|a flag of|transB|count_include_pad)/.test(name),
  );
  it.skipIf(!hasOnnxruntime).each(alike)('%s is refused by onnxruntime too', async (_, bad) => {
    const dims = bad.graph.inputs[0].dims as number[];
    const size = dims.reduce((a, b) => a * b, 1);
    const x = OnnxTensor.of('x', dims, 'float32', new Float32Array(size));
    await expect(runOnnxruntime(bad, new Map([['x', x]]))).rejects.toThrow(/onnxruntime refuses/);
  });

  it('what tools put beside is passed over', () => {
    const g = model((g) => g.node('Relu', ['x'], 'y', { __hint: int(1), consumed_inputs: ints(0) }), 1);
    expect(importOnnx(g).nodes.map(({ op }) => op.kind)).toEqual(['relu']);
  });

  it('an operator set that is not known is refused with one that is', () => {
    expect(() => importOnnx(model((g) => g.node('Relu', ['x'], 'y'), 99))).toThrow(/operator set 99.*opset_version=28/);
  });
});
