/**
 * What a file says otherwise than by an attribute: by how many outputs a node has, by an input that is there or is not, by
 * a default that another operator set changed. Drawn nodes are read as onnxruntime reads them, or refused by name.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Choose } from '../../src/check/choose.ts';
import { FrostlineError } from '../../src/errors.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { bindInputs, type GivenTensor } from '../../src/models/infer.ts';
import { inferShapes } from '../../src/models/shapes.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { Random } from '../../src/random.ts';
import { choices, choicesOf } from '../support/choices.ts';
import { expectClose } from '../support/compare.ts';
import { testRuns, testSeed } from '../support/gpu.ts';
import { hasOnnxruntime, runOnnxruntime } from '../support/onnxruntime.ts';
import { interpret } from './interpret.ts';
import { float, GraphBuilder, int, ints } from './zoo-graphs.ts';

/** A file of a few nodes in one of the forms that its operator has, and the values of its input x. */
interface Drawn {
  readonly model: OnnxModel;
  readonly x: OnnxTensor;
}

type Draw = (choose: Choose, random: Random) => Drawn;

const text = (value: string): Attribute => ({ type: 'string', value });
const pick = <T>(choose: Choose, ...values: T[]): T => values[choose(0, values.length - 1)];
const maybe = <T extends object>(choose: Choose, value: T): T | Record<string, never> =>
  choose(0, 1) === 1 ? value : {};
const list = (choose: Choose, length: number, low: number, high: number) =>
  Array.from({ length }, () => choose(low, high));

function valuesOf(random: Random, dims: readonly number[]): OnnxTensor {
  const count = dims.reduce((a, b) => a * b, 1);
  return OnnxTensor.of(
    'x',
    dims,
    'float32',
    Float32Array.from({ length: count }, () => random.normal()),
  );
}

/** The graph's x may have any batch. */
function fileOf(g: GraphBuilder, opset: number, x: OnnxTensor, output: string, more: readonly string[] = []): Drawn {
  const model = g.model(opset, { name: 'x', dims: ['n', ...x.dims.slice(1)] }, output);
  const outputs = [output, ...more].map((name) => ({ name, dataType: 'float32' as const, dims: undefined }));
  return { x, model: { ...model, graph: { ...model.graph, outputs } } };
}

const image = (choose: Choose, random: Random) =>
  valuesOf(random, [choose(1, 2), choose(1, 3), choose(4, 8), choose(4, 8)]);

const pool =
  (opType: 'MaxPool' | 'AveragePool'): Draw =>
  (choose, random) => {
    const max = opType === 'MaxPool';
    const opset = pick(choose, 7, 8, 10, 11, 12, 13, 19, 21, 22);
    const x = image(choose, random);
    const kernel = list(choose, 2, 1, 3);
    const padded = pick<Record<string, Attribute>>(
      choose,
      {},
      { pads: ints(...[0, 1, 0, 1].map((axis) => choose(0, kernel[axis] - 1))) },
      { auto_pad: text(pick(choose, 'VALID', 'SAME_UPPER', 'SAME_LOWER', 'NOTSET')) },
    );
    const attributes: Record<string, Attribute> = {
      kernel_shape: ints(...kernel),
      ...maybe(choose, { strides: ints(...list(choose, 2, 1, 3)) }),
      ...padded,
      ...(opset >= 10 && maybe(choose, { ceil_mode: int(choose(0, 1)) })),
      // With dilations onnxruntime's SAME_UPPER is not as ONNX has it: the output is smaller than the input by stride 1.
      ...(!('auto_pad' in padded) &&
        opset >= (max ? 10 : 19) &&
        maybe(choose, { dilations: ints(...list(choose, 2, 1, 2)) })),
      ...(!max && maybe(choose, { count_include_pad: int(choose(0, 1)) })),
    };
    const g = new GraphBuilder();
    const places = max && opset >= 8 && choose(0, 3) === 3;
    const y = g.node(opType, ['x'], places ? ['y', 'places'] : ['y'], attributes);
    return fileOf(g, opset, x, y);
  };

const batchNormalization: Draw = (choose, random) => {
  const opset = choose(7, 15);
  const x = choose(0, 1) ? image(choose, random) : valuesOf(random, [choose(2, 3), choose(1, 4)]);
  const [, channels] = x.dims;
  const g = new GraphBuilder(choose(1, 9));
  const parameters = ['scale', 'shift', 'mean'].map((name) => g.weight(name, channels));
  parameters.push(g.floats('variance', [channels], list(choose, channels, 1, 9)));
  const most = opset < 14 ? 5 : 3;
  const training = opset >= 14 ? maybe(choose, { training_mode: int(choose(0, 1)) }) : {};
  const says = 'training_mode' in training && training.training_mode?.type === 'int' && training.training_mode.value;
  const outputs = ['y', 'mean2', 'variance2', 'saved_mean', 'saved_variance'].slice(
    0,
    (opset < 14 ? choose(0, 1) : says) ? most : 1,
  );
  const y = g.node('BatchNormalization', ['x', ...parameters], outputs, {
    ...maybe(choose, { epsilon: float(Math.fround(choose(1, 9) / 10)) }),
    ...maybe(choose, { momentum: float(0.5) }),
    ...training,
  });
  return fileOf(g, opset, x, y);
};

const softmax: Draw = (choose, random) => {
  const opset = pick(choose, 7, 11, 12, 13, 18);
  const x = valuesOf(random, [choose(1, 2), ...list(choose, choose(1, 3), 1, 4)]);
  const rank = x.dims.length;
  const axis = choose(opset < 11 ? 0 : -rank, rank - 1);
  const g = new GraphBuilder();
  return fileOf(
    g,
    opset,
    x,
    g.node(pick(choose, 'Softmax', 'LogSoftmax'), ['x'], 'y', maybe(choose, { axis: int(axis) })),
  );
};

const clip: Draw = (choose, random) => {
  const opset = pick(choose, 7, 11, 12, 13);
  const x = image(choose, random);
  const g = new GraphBuilder();
  if (opset < 11) {
    const bounds = { ...maybe(choose, { min: float(-0.5) }), ...maybe(choose, { max: float(0.25) }) };
    return fileOf(g, opset, x, g.node('Clip', ['x'], 'y', bounds));
  }
  const bound = (name: string, value: number) => (choose(0, 1) ? g.floats(name, [], [value]) : '');
  const inputs = ['x', bound('low', -0.5), bound('high', 0.25)].slice(0, choose(1, 3));
  return fileOf(g, opset, x, g.node('Clip', inputs, 'y'));
};

const pad: Draw = (choose, random) => {
  const opset = pick(choose, 7, 11, 13, 18, 19);
  const x = image(choose, random);
  const g = new GraphBuilder();
  const mode = maybe(choose, { mode: text(pick(choose, 'constant', 'edge', 'reflect', 'wrap')) });
  const axes = opset >= 18 && choose(0, 1) ? pick(choose, [3], [-1, 2], [2, 3], [1]) : undefined;
  const pads = axes
    ? list(choose, 2 * axes.length, 0, 2)
    : [0, 0, ...list(choose, 2, 0, 2), choose(0, 9) === 9 ? 1 : 0, choose(0, 1), ...list(choose, 2, -1, 2)];
  if (opset < 11) {
    return fileOf(
      g,
      opset,
      x,
      g.node('Pad', ['x'], 'y', { pads: ints(...pads), ...mode, ...maybe(choose, { value: float(2) }) }),
    );
  }
  const value = choose(0, 1) ? g.floats('value', [], [2]) : '';
  const inputs = ['x', g.integers('pads', ...pads), value, ...(axes ? [g.integers('axes', ...axes)] : [])];
  return fileOf(g, opset, x, g.node('Pad', value === '' && !axes ? inputs.slice(0, 2) : inputs, 'y', mode));
};

const shapes: Draw = (choose, random) => {
  const opset = pick(choose, 7, 9, 11, 13, 14, 18);
  const x = valuesOf(random, [choose(2, 3), ...list(choose, 3, 1, 3)]);
  const [batch, a, b, c] = x.dims;
  const g = new GraphBuilder();
  const negative = opset >= 11;
  const axesOf = (...axes: number[]): [string[], Record<string, Attribute>] =>
    opset < 13 ? [[], { axes: ints(...axes) }] : [[g.integers('axes', ...axes)], {}];
  switch (choose(0, 4)) {
    case 0: {
      const target = pick(
        choose,
        [0, -1],
        [-1, a * b, c],
        [0, 0, -1],
        [batch, a * b * c],
        [0, c, b, a],
        [-1, 0, b * c],
      );
      const zero = opset >= 14 ? maybe(choose, { allowzero: int(choose(0, 1)) }) : {};
      return fileOf(g, opset, x, g.node('Reshape', ['x', g.integers('shape', ...target)], 'y', zero));
    }
    case 1:
      return fileOf(
        g,
        opset,
        x,
        g.node('Flatten', ['x'], 'y', maybe(choose, { axis: int(choose(negative ? -4 : 0, 4)) })),
      );
    case 2: {
      const ones = [1, 2, 3].filter((axis) => x.dims[axis] === 1);
      const chosen = ones.slice(0, choose(0, ones.length)).map((axis) => (negative && choose(0, 1) ? axis - 4 : axis));
      const [more, attributes] = chosen.length > 0 ? axesOf(...chosen) : [[], {}];
      return fileOf(g, opset, x, g.node('Squeeze', ['x', ...more], 'y', attributes));
    }
    case 3: {
      const [more, attributes] = axesOf(...pick(choose, [1], [4], [2, 3], [1, 5], [0], ...(negative ? [[-1]] : [])));
      return fileOf(g, opset, x, g.node('Unsqueeze', ['x', ...more], 'y', attributes));
    }
    default: {
      const perm = pick(choose, undefined, [0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [1, 0, 2, 3]);
      return fileOf(g, opset, x, g.node('Transpose', ['x'], 'y', perm ? { perm: ints(...perm) } : {}));
    }
  }
};

const gemm: Draw = (choose, random) => {
  const opset = pick(choose, 7, 9, 11, 13);
  const [batch, width, out] = [choose(1, 3), choose(1, 4), choose(1, 4)];
  const x = valuesOf(random, [batch, width]);
  const g = new GraphBuilder(choose(1, 9));
  const transB = choose(0, 1);
  const weight = transB ? g.weight('w', out, width) : g.weight('w', width, out);
  const dims = pick(choose, [out], [1, out], [1], [], [1, 1], [batch, out], [batch, 1]);
  const count = dims.reduce((a, b) => a * b, 1);
  const bias =
    opset < 11 || choose(0, 2) > 0 ? [g.floats('c', dims, list(choose, count, -3, 3))] : choose(0, 1) ? [''] : [];
  const factors = { ...maybe(choose, { alpha: float(0.5) }), ...maybe(choose, { beta: float(pick(choose, 0, 2)) }) };
  const y = g.node('Gemm', ['x', weight, ...bias], 'y', { ...factors, ...(transB ? { transB: int(1) } : {}) });
  return fileOf(g, opset, x, y);
};

/** A constant on either side, of any shape that broadcasts, before and behind a convolution. */
const arithmetic: Draw = (choose, random) => {
  const opset = pick(choose, 7, 13, 14);
  const x = image(choose, random);
  const [, c, h, w] = x.dims;
  const g = new GraphBuilder(choose(1, 9));
  const once = (value: string, name: string, channels: number, plane: readonly number[]) => {
    const dims = pick(
      choose,
      [],
      [1],
      [channels, 1, 1],
      [1, channels, 1, 1],
      [plane[1]],
      [1, 1, ...plane],
      [channels, ...plane],
    );
    const constant = g.weight(`${name} c`, ...dims);
    const opType = pick(choose, 'Add', 'Sub', 'Mul', 'Div', 'Sum');
    return g.node(opType, choose(0, 1) ? [constant, value] : [value, constant], name);
  };
  const before = once('x', 'before', c, [h, w]);
  const conv = g.node(
    'Conv',
    [before, g.weight('w', 2, c, 3, 3), ...pick(choose, [], [''], [g.weight('b', 2)])],
    'conv',
    {
      ...maybe(choose, { kernel_shape: ints(3, 3) }),
      ...pick<Record<string, Attribute>>(choose, {}, { auto_pad: text('VALID') }),
    },
  );
  return fileOf(g, opset, x, once(conv, 'y', 2, [h - 2, w - 2]));
};

const others: Draw = (choose, random) => {
  const opset = pick(choose, 7, 8, 11, 13, 14, 16);
  const x = image(choose, random);
  const g = new GraphBuilder(choose(1, 9));
  const node = (opType: string, inputs: string[], attributes: Record<string, Attribute> = {}) =>
    fileOf(g, opset, x, g.node(opType, inputs, 'y', attributes));
  switch (choose(0, 6)) {
    case 0: {
      const optional = { ...maybe(choose, { alpha: float(0.5) }), ...maybe(choose, { beta: float(0.5) }) };
      return node('LRN', ['x'], { size: int(choose(1, 4)), ...optional, ...maybe(choose, { bias: float(2) }) });
    }
    case 1:
      return node('LeakyRelu', ['x'], maybe(choose, { alpha: float(0.25) }));
    case 2: {
      // The axis counts from the end since operator set 11.
      const axis = choose(opset < 11 ? 0 : -4, 3);
      return node('Concat', ['x', g.node('Relu', ['x'], 'r')].slice(0, choose(1, 2)), { axis: int(axis) });
    }
    case 3:
      return node('Sum', ['x', g.node('Relu', ['x'], 'r'), g.node('Sigmoid', ['x'], 's')].slice(0, choose(1, 3)));
    case 4:
      return node('Cast', ['x'], { to: int(pick(choose, 1, 7)) });
    case 5: {
      const dropped = opset < 12 ? maybe(choose, { ratio: float(0.3) }) : {};
      const inputs = opset < 12 ? [] : [choose(0, 1) ? g.floats('ratio', [], [pick(choose, 0, 0.3)]) : ''];
      const mode = opset < 12 ? [] : pick(choose, [], [''], [mask(g, 'mode', false)]);
      const outputs = choose(0, 1) ? ['y', 'mask'] : ['y'];
      g.node('Dropout', ['x', ...inputs, ...mode], outputs, dropped);
      return fileOf(g, opset, x, 'y');
    }
    default: {
      const side = pick(choose, [x.dims[3], 2], [3, x.dims[2]]);
      const m = g.weight('m', ...side);
      return node('MatMul', side[1] === 2 ? ['x', m] : [m, 'x']);
    }
  }
};

function mask(g: GraphBuilder, name: string, value: boolean): string {
  g.initializers.set(name, OnnxTensor.of(name, [], 'bool', Uint8Array.of(value ? 1 : 0)));
  return name;
}

const draws: Record<string, Draw> = {
  MaxPool: pool('MaxPool'),
  AveragePool: pool('AveragePool'),
  BatchNormalization: batchNormalization,
  'Softmax and LogSoftmax': softmax,
  Clip: clip,
  Pad: pad,
  'Reshape, Flatten, Squeeze, Unsqueeze, Transpose': shapes,
  Gemm: gemm,
  'arithmetic with constants': arithmetic,
  others,
};

const given = (x: OnnxTensor) => new Map<string, GivenTensor>([['x', { tensor: x, source: 'x' }]]);

/** By the operators' float64 references: what is under test is how the file is read. */
function computed({ model, x }: Drawn) {
  const { network, batch, oneItem } = bindInputs(model, given(x));
  const shapes = inferShapes(network, batch);
  const results = interpret(network, { x: x.toFloat32() }, batch);
  return network.outputs.map((name, i) => {
    const dims = shapes.get(name)!;
    return { name, dims: oneItem ? dims.slice(1) : dims, values: results[i] };
  });
}

/** The file's nodes in a line, for messages. */
const shown = ({ model, x }: Drawn) =>
  `operator set ${model.opsets.get('')}, x [${x.dims}]: ${model.graph.nodes
    .map(({ opType, inputs, outputs, attributes }) => {
      const given = inputs.map((name) => {
        const tensor = model.graph.initializers.get(name);
        return tensor ? `[${tensor.dims}]${tensor.size < 9 ? `(${tensor.toFloat32()})` : ''}` : name || '-';
      });
      const told = [...attributes].map(([name, one]) => `${name}=${'value' in one ? one.value : '?'}`);
      return `${outputs} = ${opType}(${[...given, ...told].join(' ')})`;
    })
    .join('; ')}`;

const count = { same: 0, refused: 0, 'refused there': 0 };
const reasons = new Map<string, number>();
afterAll(() => {
  const lines = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, times]) => `  ${times} ${reason}`);
  console.log([`drawn files against onnxruntime: ${JSON.stringify(count)}`, ...lines].join('\n'));
});

describe.skipIf(!hasOnnxruntime)('as onnxruntime reads it, or refused (needs onnxruntime-node)', () => {
  it.each(Object.entries(draws))('%s', async (what, draw) => {
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), async (chosen, seed) => {
        const drawn = draw(choicesOf(chosen) as Choose, new Random(seed));
        let expected: Awaited<ReturnType<typeof runOnnxruntime>>;
        try {
          expected = await runOnnxruntime(drawn.model, new Map([['x', drawn.x]]));
        } catch (error) {
          // What it cannot compare, or does not know, is refused here too or an extension: no oracle.
          if (!(error instanceof FrostlineError)) throw error;
          count['refused there']++;
          return;
        }
        let found: ReturnType<typeof computed>;
        try {
          found = computed(drawn);
        } catch (error) {
          if (!(error instanceof FrostlineError)) throw error;
          count.refused++;
          const reason = `${what}: ${error.message.replaceAll(/\d+/g, '#').slice(0, 110)}`;
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          return;
        }
        count.same++;
        for (const { name, dims, values } of found) {
          expect(dims, `${name} of ${shown(drawn)}`).toEqual(expected.get(name)!.dims);
          const tolerance = { absolute: 2e-5, relative: 1e-4 };
          expectClose(values, expected.get(name)!.data, tolerance, `${name} of ${shown(drawn)}`);
        }
      }),
      { seed: testSeed, numRuns: 40 * testRuns },
    );
  });
});

/** One node, of x [2, 3, 4, 4] and constants, as a file of this operator set. */
function single(
  opset: number,
  opType: string,
  {
    inputs = ['x'],
    outputs = ['y'],
    attributes = {},
    graph = new GraphBuilder(),
  }: {
    inputs?: string[];
    outputs?: string[];
    attributes?: Record<string, Attribute>;
    graph?: GraphBuilder;
  } = {},
): Drawn {
  const y = graph.node(opType, inputs, outputs, attributes, 'it');
  return fileOf(graph, opset, valuesOf(new Random(3), [2, 3, 4, 4]), y);
}

describe('training', () => {
  const normalised = (opset: number, outputs: number, attributes: Record<string, Attribute> = {}) => {
    const graph = new GraphBuilder();
    const inputs = ['x', ...['scale', 'shift', 'mean', 'variance'].map((name) => graph.floats(name, [3], [1, 2, 3]))];
    const names = ['y', 'mean2', '', 'saved_mean', 'saved_variance'].slice(0, outputs);
    return () => importOnnx(single(opset, 'BatchNormalization', { inputs, outputs: names, attributes, graph }).model);
  };

  it.each([
    [1, 1, {}, 'no is_test = 1'],
    [6, 5, {}, 'no is_test = 1'],
    [7, 5, {}, 'it has 4 outputs'],
    [9, 2, {}, 'it has 2 outputs'],
    [13, 5, {}, 'it has 4 outputs'],
    [14, 1, { training_mode: int(1) }, 'training_mode = 1'],
    [15, 2, { training_mode: int(1) }, 'training_mode = 1'],
  ] as const)(
    'BatchNormalization of operator set %i with %i outputs and %j normalises by the batch: refused',
    (opset, outputs, attributes, how) => {
      expect(normalised(opset, outputs, attributes)).toThrow(
        `node 'it' (BatchNormalization) normalises by the statistics of the batch (${how}). Export the model for inference.`,
      );
    },
  );

  it.each([
    [6, 5, { is_test: int(1) }],
    [1, 1, { is_test: int(1) }],
    [7, 1, {}],
    [9, 1, {}],
    [14, 1, { training_mode: int(0) }],
    // An output without a name is none.
    [13, 1, {}],
  ] as const)('of operator set %i with %i outputs and %j by the running statistics', (opset, outputs, attributes) => {
    expect(normalised(opset, outputs, attributes)).not.toThrow();
  });

  const dropping = (opset: number, attributes: Record<string, Attribute>, mode?: boolean, ratio = 0.5) => {
    const graph = new GraphBuilder();
    const more =
      opset < 12 ? [] : [graph.floats('ratio', [], [ratio]), mode === undefined ? '' : mask(graph, 'mode', mode)];
    return single(opset, 'Dropout', { inputs: ['x', ...more], attributes, graph });
  };

  it.each([
    ['6, by default', dropping(6, { ratio: float(0.5) }), 'has no is_test = 1'],
    ['1, is_test 0', dropping(1, { is_test: int(0) }), 'has no is_test = 1'],
    ['13, training_mode', dropping(13, {}, true), "is told to train: 'mode' is true"],
  ])('dropout of operator set %s is random as the file stands, and draws in training alone', (_, drawn, how) => {
    expect(() => computed(drawn)).toThrow(
      `node 'it' (Dropout) ${how}, which makes the outputs random. Inference drops nothing: export the model for inference`,
    );
    expect(importOnnx(drawn.model).nodes.map(({ op }) => op)).toEqual([{ kind: 'dropout', ratio: 0.5 }]);
  });

  it.each([
    ['6, is_test', dropping(6, { is_test: int(1) })],
    ['7', dropping(7, {})],
    ['12, without a mode', dropping(12, {})],
    ['13, training_mode false', dropping(13, {}, false)],
    ['13, training_mode with ratio 0', dropping(13, {}, true, 0)],
  ])('dropout of operator set %s hands on its input', (_, drawn) => {
    expect([...computed(drawn)[0].values]).toEqual([...drawn.x.toFloat32()]);
  });
});

describe('an input that is the only one', () => {
  const operators = ['Add', 'Sub', 'Mul', 'Div', 'Sum'];
  const sides = operators.flatMap((opType) => [
    [`${opType}(x, c)`, opType, ['x', 'c']] as const,
    [`${opType}(c, x)`, opType, ['c', 'x']] as const,
  ]);

  it.each(sides)('%s before a convolution is no constant', (what, opType, inputs) => {
    const g = new GraphBuilder();
    g.floats('c', [3, 1, 1], [1, 2, 4]);
    g.node(opType, [...inputs], 'scaled');
    const y = g.node('Conv', ['scaled', g.weight('w', 2, 3, 1, 1)], 'y');
    const drawn = fileOf(g, 13, valuesOf(new Random(3), [2, 3, 4, 4]), y);
    if (what === 'Div(c, x)') {
      expect(() => computed(drawn)).toThrow('divides a constant by an activation. Only division by a constant');
      return;
    }
    const x = drawn.x.toFloat32();
    const weight = g.initializers.get('w')!.toFloat32();
    const change: Record<string, (a: number, b: number) => number> = {
      Add: (a, b) => a + b,
      Sum: (a, b) => a + b,
      Sub: (a, b) => a - b,
      Mul: (a, b) => a * b,
      Div: (a, b) => a / b,
    };
    const scaled = (n: number, c: number, i: number) => {
      const operands = [x[(n * 3 + c) * 16 + i], 2 ** c];
      const [a, b] = inputs[0] === 'x' ? operands : operands.reverse();
      return change[opType](a, b);
    };
    const expected = Float64Array.from({ length: 64 }, (_, at) => {
      const [n, f, i] = [Math.floor(at / 32), Math.floor(at / 16) % 2, at % 16];
      return [0, 1, 2].reduce((sum, c) => sum + weight[f * 3 + c] * scaled(n, c, i), 0);
    });
    const [found] = computed(drawn);
    expect(found.dims).toEqual([2, 2, 4, 4]);
    expectClose(found.values, expected);
  });

  /** Two inputs, of which y is given these dimensions, in an operator of both. */
  const withSecond = (opType: string, inputs: string[], dims: readonly number[], convolved: boolean) => {
    const g = new GraphBuilder();
    if (convolved) g.node('Conv', ['x', g.weight('w', 3, 3, 1, 1)], 'conv');
    g.node(opType, inputs, 'z', opType === 'Concat' ? { axis: int(1) } : {});
    const { model, x } = fileOf(g, 13, valuesOf(new Random(3), [2, 3, 4, 4]), 'z');
    const y = { name: 'y', dataType: 'float32' as const, dims: undefined };
    const second = valuesOf(new Random(4), dims);
    const graph = { ...model.graph, inputs: [...model.graph.inputs, y] };
    return { model: { ...model, graph }, values: new Map([...given(x), ['y', { tensor: second, source: 'y' }]]) };
  };

  it.each([[[3, 1, 1]], [[1, 3, 1, 1]], [[4]], [[1]], [[]]])(
    'one of %j beside it, on either side, is the same for all images',
    (dims) => {
      for (const [opType, convolved] of ['Add', 'Sub', 'Mul'].flatMap(
        (one) =>
          [
            [one, true],
            [one, false],
          ] as const,
      )) {
        const first = convolved ? 'conv' : 'x';
        for (const inputs of [
          [first, 'y'],
          ['y', first],
        ]) {
          const { model, values } = withSecond(opType, inputs, dims, convolved);
          const { network, batch } = bindInputs(model, values);
          expect([network.inputs.map(({ name }) => name), batch]).toEqual([['x'], 2]);
        }
      }
    },
  );

  it('one with a batch of its own is an activation, on either side', () => {
    for (const opType of ['Add', 'Sub', 'Mul', 'Div', 'Concat']) {
      for (const [convolved, first] of [
        [true, 'conv'],
        [false, 'x'],
      ] as const) {
        for (const inputs of [
          [first, 'y'],
          ['y', first],
        ]) {
          const { model, values } = withSecond(opType, inputs, [2, 3, 4, 4], convolved);
          expect(bindInputs(model, values).network.inputs.map(({ name }) => name)).toEqual(['x', 'y']);
        }
      }
    }
  });
});

describe('types', () => {
  it('a cast says its type by name before operator set 6', () => {
    expect(importOnnx(single(1, 'Cast', { attributes: { to: text('FLOAT') } }).model).nodes[0].op.kind).toBe(
      'identity',
    );
    expect(() => importOnnx(single(1, 'Cast', { attributes: { to: text('INT64') } }).model)).toThrow(
      'casts to another',
    );
  });

  it('sizes that become numbers with a fraction are no longer sizes', () => {
    const graph = new GraphBuilder();
    const sizes = graph.node('Cast', [graph.node('Shape', ['x'], 'shape')], 'sizes', { to: int(1) });
    const target = graph.node('Cast', [sizes], 'target', { to: int(7) });
    expect(() => importOnnx(single(13, 'Reshape', { inputs: ['x', target], graph }).model)).toThrow(
      "the Cast node that makes 'sizes' reads the constant 'shape' where an activation is expected",
    );
  });
});
