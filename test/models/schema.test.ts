/** The schemas of operators against onnx's own, and what does not follow them, which onnxruntime refuses as well. */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { schemaNames, schemaOf } from '../../src/operators/onnx/schema.ts';
import { hasOnnxruntime, runOnnxruntime } from '../support/onnxruntime.ts';
import { hasPython, python } from '../support/oracle.ts';
import { float, GraphBuilder, int, ints } from './zoo-graphs.ts';

interface Schema {
  readonly inputs: readonly [number, number];
  readonly outputs: readonly [number, number];
  /** type and whether it must be there, by name */
  readonly attributes: Readonly<Record<string, readonly [string, boolean]>>;
}

const script = `
import json, sys, onnx
names = json.load(sys.stdin)
newest = onnx.defs.onnx_opset_version()
made = {}
for opset in range(1, newest + 1):
    for name in names:
        try:
            s = onnx.defs.get_schema(name, opset, '')
        except Exception:
            continue
        made['%s %d' % (name, opset)] = {
            'inputs': [s.min_input, s.max_input], 'outputs': [s.min_output, s.max_output],
            'attributes': {a.name: [str(a.type).split('.')[-1], bool(a.required)] for a in s.attributes.values()}}
json.dump({'newest': newest, 'made': made}, sys.stdout)
`;

const letters: Readonly<Record<string, string>> = {
  ...{ f: 'FLOAT', i: 'INT', s: 'STRING', t: 'TENSOR', g: 'GRAPH', F: 'FLOATS', I: 'INTS', S: 'STRINGS' },
  x: 'SPARSE_TENSOR',
};

function ours(name: string, opset: number): Schema | undefined {
  const schema = schemaOf(name, opset);
  if (schema === undefined) return undefined;
  const most = ([low, high]: readonly [number, number]) => [low, Math.min(high, 2 ** 31 - 1)] as const;
  const named = [...schema.attributes].map(([key, { type, required }]) => [key, [letters[type], required]] as const);
  return { inputs: most(schema.inputs), outputs: most(schema.outputs), attributes: Object.fromEntries(named) };
}

describe.skipIf(!hasPython('onnx'))("onnx's schemas (needs python's onnx)", () => {
  const { newest, made } = python<{ newest: number; made: Record<string, Schema> }>(script, schemaNames, 'onnx');

  it('are ours in every operator set', () => {
    expect(Object.keys(made).length).toBeGreaterThan(1000);
    const compared = Array.from({ length: newest }, (_, i) => i + 1).flatMap((opset) =>
      schemaNames.map((name) => [`${name} ${opset}`, ours(name, opset)] as const),
    );
    for (const [key, schema] of compared) expect(schema, key).toEqual(made[key]);
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

describe('what does not follow its schema', () => {
  it.each(refused)('%s is refused by name', (_, bad, message) => {
    expect(() => importOnnx(bad)).toThrow(message);
  });

  // onnxruntime takes a dimension that is named twice for one.
  const alike = refused.filter(([name]) => name !== 'Squeeze twice');
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
