/** What a graph computes of constants alone, operator by operator, against onnxruntime. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { constantOperators } from '../../src/models/constant-operators/index.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { Constants } from '../../src/models/onnx-constants.ts';
import { loadOnnxruntime } from '../../src/models/onnxruntime.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import { drawn, expectAsOnnxruntime } from '../support/as-onnxruntime.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';
import { hasOnnxruntime, runOnnxruntime } from '../support/onnxruntime.ts';
import { float, GraphBuilder, int, ints } from './zoo-graphs.ts';

const text = (value: string): Attribute => ({ type: 'string', value });
const FLOAT = int(1);

/** A graph of constants; what it makes is called 'c'. */
class Draw extends GraphBuilder {
  readonly draw: Random;
  constructor(seed: number) {
    super(seed);
    this.draw = new Random(seed);
  }
  size = (most = 4) => 1 + this.draw.integer(most);
  dims = (rank: number) => Array.from({ length: rank }, () => this.size());
  values(name: string, ...dims: number[]): string {
    return this.floats(name, dims, Array.from(drawn(this.draw, ...dims)));
  }
  /** Whole numbers of 64 bits in any shape. */
  whole(name: string, dims: number[], low: number, high: number): string {
    const count = dims.reduce((a, b) => a * b, 1);
    const data = BigInt64Array.from({ length: count }, () => BigInt(low + this.draw.integer(high - low + 1)));
    this.initializers.set(name, OnnxTensor.of(name, dims, 'int64', data));
    return name;
  }
  flags(name: string, ...dims: number[]): string {
    const zero = this.floats(`${name}/zero`, [], [0]);
    return this.node('Greater', [this.values(`${name}/values`, ...dims), zero], name);
  }
}

type Build = (g: Draw) => void;
interface Case {
  readonly opset: number;
  readonly build: Build;
}
const at = (opset: number, build: Build): Case => ({ opset, build });

/** Of one operand: in 3 dimensions. */
const one = (opType: string, attributes: Record<string, Attribute> = {}, opset = 17): Case =>
  at(opset, (g) => g.node(opType, [g.values('x', ...g.dims(3))], 'c', attributes));

/** Of two operands that are broadcast either way. */
const two = (opType: string, attributes: Record<string, Attribute> = {}): Case =>
  at(17, (g) => {
    const [a, b, c] = g.dims(3);
    g.node(opType, [g.values('x', a, 1, c), g.values('y', b, c)], 'c', attributes);
  });

const logic = (opType: string): Case =>
  at(17, (g) => {
    const [a, b] = g.dims(2);
    g.node(opType, [g.flags('x', a, b), g.flags('y', b)], 'c');
  });

/** Axes as an attribute, and as an input. */
const reduced = (opType: string, since: number): Case[] => [
  at(since - 1, (g) =>
    g.node(opType, [g.values('x', ...g.dims(4))], 'c', { axes: ints(-1, 1), keepdims: int(g.draw.integer(2)) }),
  ),
  at(since, (g) => {
    const axes = g.integers('axes', 2, -4);
    g.node(opType, [g.values('x', ...g.dims(4)), axes], 'c', { keepdims: int(g.draw.integer(2)) });
  }),
  at(since, (g) => g.node(opType, [g.values('x', ...g.dims(2))], 'c', { keepdims: int(0) })),
];

const small = [
  ...['Abs', 'Neg', 'Sqrt', 'Reciprocal', 'Exp', 'Log', 'Floor', 'Ceil', 'Round', 'Sign', 'Sin', 'Cos', 'Tan', 'Asin'],
  ...['Acos', 'Atan', 'Sinh', 'Cosh', 'Tanh', 'Asinh', 'Acosh', 'Atanh', 'Erf', 'Relu', 'Sigmoid', 'Softplus'],
  ...['Softsign', 'HardSwish', 'Identity', 'Dropout'],
];
const reductions = [
  ...['ReduceMean', 'ReduceProd', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceLogSum'],
  ...['ReduceLogSumExp', 'ReduceSumSquare'],
];

const cases: Readonly<Record<string, readonly Case[]>> = {
  ...Object.fromEntries(small.map((name) => [name, [one(name)]])),
  ...Object.fromEntries(reductions.map((name) => [name, reduced(name, 18)])),
  ...Object.fromEntries(['Add', 'Sub', 'Mul', 'Div'].map((name) => [name, [two(name), integerPair(name)]])),
  ...Object.fromEntries(
    ['Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual'].map((name) => [name, [two(name), integerPair(name)]]),
  ),
  ...Object.fromEntries(['And', 'Or', 'Xor'].map((name) => [name, [logic(name)]])),
  ...Object.fromEntries(
    ['Sum', 'Mean', 'Max', 'Min'].map((name) => [
      name,
      [
        one(name),
        two(name),
        at(17, (g) => {
          const [a, b] = g.dims(2);
          g.node(name, [g.values('x', a, b), g.values('y', b), g.values('z', a, 1)], 'c');
        }),
      ],
    ]),
  ),
  ReduceSum: reduced('ReduceSum', 13),
  LeakyRelu: [one('LeakyRelu'), one('LeakyRelu', { alpha: float(0.3) })],
  Elu: [one('Elu'), one('Elu', { alpha: float(0.3) })],
  Selu: [one('Selu'), one('Selu', { alpha: float(1.5), gamma: float(1.25) })],
  HardSigmoid: [one('HardSigmoid'), one('HardSigmoid', { alpha: float(0.25), beta: float(0.75) })],
  ThresholdedRelu: [one('ThresholdedRelu'), one('ThresholdedRelu', { alpha: float(0.5) })],
  Not: [at(17, (g) => g.node('Not', [g.flags('x', ...g.dims(2))], 'c'))],
  IsNaN: [at(17, (g) => g.node('IsNaN', [special(g)], 'c'))],
  IsInf: [
    at(17, (g) => g.node('IsInf', [special(g)], 'c')),
    at(17, (g) => g.node('IsInf', [special(g)], 'c', { detect_negative: int(0) })),
    at(17, (g) => g.node('IsInf', [special(g)], 'c', { detect_positive: int(0) })),
  ],
  Mod: [two('Mod', { fmod: int(1) }), integerPair('Mod'), integerPair('Mod', { fmod: int(1) })],
  Pow: [
    at(17, (g) => g.node('Pow', [g.values('x', ...g.dims(2)), g.floats('p', [], [1 + g.draw.integer(4)])], 'c')),
    two('Pow'),
  ],
  PRelu: [
    at(17, (g) => {
      const [a, b] = g.dims(2);
      g.node('PRelu', [g.values('x', a, b), g.values('slope', b)], 'c');
    }),
  ],
  Where: [
    at(17, (g) => {
      const [a, b] = g.dims(2);
      g.node('Where', [g.flags('if', a, 1), g.values('x', b), g.values('y', a, b)], 'c');
    }),
  ],
  Clip: [
    one('Clip', { min: float(-0.5), max: float(1) }, 9),
    at(17, (g) => g.node('Clip', [g.values('x', ...g.dims(2)), '', g.floats('high', [], [0.25])], 'c')),
    at(17, (g) => g.node('Clip', [g.values('x', ...g.dims(2)), g.floats('low', [], [0.25])], 'c')),
  ],
  DequantizeLinear: [
    at(17, (g) => g.node('DequantizeLinear', [bytes(g, 'x', g.dims(3)), g.floats('s', [], [0.125])], 'c')),
    at(17, (g) => {
      const [a, b, c] = g.dims(3);
      const operands = [bytes(g, 'x', [a, b, c]), g.values('s', b), bytes(g, 'zero', [b])];
      g.node('DequantizeLinear', operands, 'c', { axis: int(-2) });
    }),
  ],
  Reshape: [
    at(17, (g) => g.node('Reshape', [g.values('x', 2, 3, 4), g.integers('to', 0, -1, 2, 3)], 'c')),
    at(17, (g) => g.node('Reshape', [g.values('x', 0, 3), g.integers('to', 3, 0)], 'c', { allowzero: int(1) })),
  ],
  Flatten: [-3, 0, 1, 3].map((axis) => one('Flatten', { axis: int(axis) })),
  Squeeze: [
    at(13, (g) => g.node('Squeeze', [g.values('x', 1, g.size(), 1, 3), g.integers('axes', -2)], 'c')),
    at(11, (g) => g.node('Squeeze', [g.values('x', 1, 3, 1, 3)], 'c', { axes: ints(2, 0) })),
    at(13, (g) => g.node('Squeeze', [g.values('x', 1, 3, 1, g.size())], 'c')),
  ],
  Unsqueeze: [
    at(13, (g) => g.node('Unsqueeze', [g.values('x', ...g.dims(2)), g.integers('axes', -1, 0)], 'c')),
    at(11, (g) => g.node('Unsqueeze', [g.values('x', ...g.dims(2))], 'c', { axes: ints(3, 1) })),
  ],
  Transpose: [
    one('Transpose'),
    at(17, (g) => g.node('Transpose', [g.values('x', ...g.dims(5))], 'c', { perm: ints(...g.draw.permutation(5)) })),
  ],
  Expand: [at(17, (g) => g.node('Expand', [g.values('x', g.size(), 1, 3), g.integers('to', 2, 1, 4, 1)], 'c'))],
  Tile: [at(17, (g) => g.node('Tile', [g.values('x', ...g.dims(3)), g.integers('by', 2, 1, 3)], 'c'))],
  Slice: [
    at(17, (g) => {
      const bounds = [
        [-1, 1],
        [-(2 ** 40), 2 ** 40],
        [2, 0],
        [-2, 2],
      ].map((one, i) => g.integers(`b${i}`, ...one));
      g.node('Slice', [g.values('x', 7, 2, g.size(9) + 1), ...bounds], 'c');
    }),
    at(9, (g) => g.node('Slice', [g.values('x', ...g.dims(2))], 'c', { starts: ints(-3), ends: ints(99) })),
    at(17, (g) => g.node('Slice', [g.values('x', 5, 3), g.integers('from', 1), g.integers('to', -1)], 'c')),
  ],
  Split: [
    at(17, (g) => g.node('Split', [g.values('x', 6, g.size())], ['a', 'c'])),
    at(13, (g) =>
      g.node('Split', [g.values('x', 2, 7), g.integers('by', 1, 4, 2)], ['a', 'c', 'd'], { axis: int(-1) }),
    ),
    at(11, (g) => g.node('Split', [g.values('x', 5, 2)], ['a', 'c'], { split: ints(2, 3) })),
    at(18, (g) => g.node('Split', [g.values('x', 7, 2)], ['a', 'b', 'c'], { num_outputs: int(3) })),
  ],
  Gather: [
    at(17, (g) => g.node('Gather', [g.values('x', 3, ...g.dims(2)), g.whole('i', [2, 2], -3, 2)], 'c')),
    at(17, (g) => g.node('Gather', [g.values('x', 2, 3, g.size()), g.whole('i', [], -3, 2)], 'c', { axis: int(1) })),
  ],
  GatherElements: [
    at(17, (g) => g.node('GatherElements', [g.values('x', 3, 4), g.whole('i', [2, 5], -4, 3)], 'c', { axis: int(-1) })),
  ],
  DepthToSpace: ['DCR', 'CRD'].map((mode) =>
    at(17, (g) => {
      const [n, h, w] = g.dims(3);
      g.node('DepthToSpace', [g.values('x', n, 12, h, w)], 'c', { blocksize: int(2), mode: text(mode) });
    }),
  ),
  SpaceToDepth: [
    at(17, (g) => {
      const [n, h, w] = g.dims(3);
      g.node('SpaceToDepth', [g.values('x', n, 3, 2 * h, 2 * w)], 'c', { blocksize: int(2) });
    }),
  ],
  Concat: [-1, 0, 1].map((axis) =>
    at(17, (g) => {
      const [a, b, c] = g.dims(3);
      const other = axis === 0 ? [c, b] : [a, c];
      const last = axis === 0 ? [1, b] : [a, 1];
      g.node('Concat', [g.values('x', a, b), g.values('y', ...other), g.values('z', ...last)], 'c', {
        axis: int(axis),
      });
    }),
  ),
  ArgMax: [equals('ArgMax', {}), equals('ArgMax', { axis: int(-1), keepdims: int(0), select_last_index: int(1) })],
  ArgMin: [equals('ArgMin', { axis: int(1) }), equals('ArgMin', { axis: int(-2), select_last_index: int(1) })],
  CumSum: [0, 1, 2, 3].map((way) =>
    at(17, (g) => {
      const attributes = { exclusive: int(way & 1), reverse: int(way >> 1) };
      g.node('CumSum', [g.values('x', ...g.dims(3)), g.whole('axis', [], -2, -2)], 'c', attributes);
    }),
  ),
  MatMul: [
    at(17, (g) => {
      const [a, b, c, d] = g.dims(4);
      g.node('MatMul', [g.values('x', a, 1, b, c), g.values('y', 3, c, d)], 'c');
    }),
    at(17, (g) => g.node('MatMul', [g.values('x', 3), g.values('y', g.size(), 3, 2)], 'c')),
    at(17, (g) => g.node('MatMul', [g.values('x', 2, g.size(), 3), g.values('y', 3)], 'c')),
  ],
  Constant: [
    at(17, (g) =>
      g.node('Constant', [], 'c', {
        value: { type: 'tensor', value: OnnxTensor.of('', [2], 'int8', Int8Array.of(-5, 9)) },
      }),
    ),
    at(17, (g) => g.node('Constant', [], 'c', { value_float: float(0.75) })),
    at(17, (g) => g.node('Constant', [], 'c', { value_floats: { type: 'floats', value: [0.5, -2] } })),
    at(17, (g) => g.node('Constant', [], 'c', { value_int: int(-7) })),
    at(17, (g) => g.node('Constant', [], 'c', { value_ints: ints(1, -2, 3) })),
  ],
  ConstantOfShape: [
    at(17, (g) => g.node('ConstantOfShape', [g.integers('to', ...g.dims(3))], 'c')),
    at(17, (g) =>
      g.node('ConstantOfShape', [g.integers('to', 0, 3, 2)], 'c', {
        value: { type: 'tensor', value: OnnxTensor.of('', [1], 'int64', BigInt64Array.of(6n)) },
      }),
    ),
  ],
  Cast: [
    at(17, (g) => g.node('Cast', [g.values('x', ...g.dims(2))], 'c', { to: int(6) })),
    at(17, (g) => g.node('Cast', [g.values('x', ...g.dims(2))], 'c', { to: int(9) })),
    at(17, (g) => g.node('Cast', [g.node('Cast', [g.values('x', 9)], 'half', { to: int(10) })], 'c', { to: FLOAT })),
    at(17, (g) => {
      const half = g.node('Cast', [g.values('x', 9)], 'half', { to: int(10) });
      g.node('Mul', [half, half], 'c');
    }),
  ],
  CastLike: [at(17, (g) => g.node('CastLike', [g.values('x', 5), g.integers('like', 1)], 'c'))],
  Range: [
    at(17, (g) =>
      g.node('Range', [g.floats('a', [], [1.5]), g.floats('b', [], [-4]), g.floats('d', [], [-0.75])], 'c'),
    ),
    at(17, (g) =>
      g.node(
        'Range',
        ['a', 'b', 'd'].map((name, i) => g.whole(name, [], [2, 11, 3][i], [2, 11, 3][i])),
        'c',
      ),
    ),
  ],
  EyeLike: [one2('EyeLike', { k: int(1) }), one2('EyeLike', { k: int(-2), dtype: int(7) }), one2('EyeLike')],
  Trilu: [
    one('Trilu', { upper: int(0) }),
    at(17, (g) => g.node('Trilu', [g.values('x', 2, ...g.dims(2)), g.whole('k', [], -1, 1)], 'c')),
  ],
  OneHot: [-1, 0, 1].map((axis) =>
    at(17, (g) => {
      const operands = [g.whole('i', g.dims(2), -4, 5), g.whole('depth', [], 4, 4), g.values('pair', 2)];
      g.node('OneHot', operands, 'c', { axis: int(axis) });
    }),
  ),
  Size: [one('Size')],
  GatherND: [
    at(17, (g) => g.node('GatherND', [g.values('x', 3, g.size(), 2), g.whole('i', [4, 1], -3, 2)], 'c')),
    at(17, (g) => g.node('GatherND', [g.values('x', 3, 3, 2), g.whole('i', [2, 2, 2], -3, 2)], 'c')),
    at(13, (g) =>
      g.node('GatherND', [g.values('x', 2, 3, g.size()), g.whole('i', [2, 2, 1], -3, 2)], 'c', { batch_dims: int(1) }),
    ),
  ],
  Compress: [
    at(17, (g) => g.node('Compress', [g.values('x', g.size(), 5, 2), g.flags('if', 4)], 'c', { axis: int(1) })),
    at(17, (g) => g.node('Compress', [g.values('x', 3, 5), g.flags('if', 11)], 'c')),
  ],
  ScatterND: ['none', 'add', 'mul'].map((reduction, i) =>
    at(i === 0 ? 13 : 16, (g) => {
      const n = g.size();
      const operands = [g.values('x', 4, 3, n), g.whole('i', [2, 1, 2], -3, 2), g.values('new', 2, 1, n)];
      g.node('ScatterND', operands, 'c', i === 0 ? {} : { reduction: text(reduction) });
    }),
  ),
  ScatterElements: ['none', 'add', 'mul', 'max', 'min'].map((reduction, i) =>
    at(i === 0 ? 13 : 18, (g) => {
      // Without a reduction no place is given twice: which of them stays is not said.
      const order = BigInt64Array.from([...g.draw.permutation(4), ...g.draw.permutation(4)], BigInt);
      g.initializers.set('i', OnnxTensor.of('i', [2, 4], 'int64', order));
      const attributes = { axis: int(-1), ...(i > 0 && { reduction: text(reduction) }) };
      g.node('ScatterElements', [g.values('x', 3, 4), 'i', g.values('new', 2, 4)], 'c', attributes);
    }),
  ),
  TopK: [
    at(17, (g) => g.node('TopK', [g.values('x', g.size(), 5), g.integers('k', 3)], ['c', 'at'])),
    at(17, (g) => g.node('TopK', [equalValues(g), g.integers('k', 4)], ['v', 'c'], { axis: int(0) })),
    at(17, (g) => g.node('TopK', [equalValues(g), g.integers('k', 2)], ['v', 'c'], { axis: int(1), largest: int(0) })),
    at(9, (g) => g.node('TopK', [g.values('x', 4, g.size())], ['c', 'at'], { axis: int(0), k: int(2) })),
  ],
  NonZero: [at(17, (g) => g.node('NonZero', [equalValues(g)], 'c'))],
  LpNormalization: [1, 2].flatMap((p) =>
    [-1, 0].map((axis) =>
      at(17, (g) => {
        const x = g.node('Mul', [g.values('x', ...g.dims(3)), g.floats('mask', [], [g.draw.integer(2)])], 'masked');
        g.node('LpNormalization', [x], 'c', { p: int(p), axis: int(axis) });
      }),
    ),
  ),
  Einsum: [
    ...[
      'ij,jk->ik',
      'ij,jk',
      ' bij , bjk -> bki',
      'ij,kj->',
      'i,j->ji',
      'ij,ij->j',
      'iij->ji',
      'ii',
      'ij,jk,kl->il',
    ].map((equation) =>
      at(17, (g) => {
        const sizes = new Map([...'bijkl'].map((letter) => [letter, g.size()]));
        const terms = equation.replaceAll(' ', '').split('->')[0].split(',');
        const operands = terms.map((term, t) => g.values(`x${t}`, ...[...term].map((one) => sizes.get(one)!)));
        g.node('Einsum', operands, 'c', { equation: text(equation) });
      }),
    ),
  ],
};

function one2(opType: string, attributes: Record<string, Attribute> = {}): Case {
  return at(17, (g) => g.node(opType, [g.values('x', ...g.dims(2))], 'c', attributes));
}

function equalValues(g: Draw): string {
  return g.floats(
    'x',
    [5, 4, 3],
    Array.from({ length: 60 }, () => g.draw.integer(3)),
  );
}

/** With several values alike along each axis. */
function equals(opType: string, attributes: Record<string, Attribute>): Case {
  return at(17, (g) => {
    const data = Array.from({ length: 60 }, () => g.draw.integer(3));
    g.node(opType, [g.floats('x', [5, 4, 3], data)], 'c', attributes);
  });
}

function integerPair(opType: string, attributes: Record<string, Attribute> = {}): Case {
  return at(17, (g) => {
    const [a, b] = g.dims(2);
    const signs = g.floats('signs', [2], [-1, 1]);
    const divisor = g.node('Cast', [signs], 'sign', { to: int(7) });
    const y = g.node('Mul', [g.whole('size', [b, 1], 1, 5), divisor], 'y');
    g.node(opType, [g.whole('x', [a, b, 1], -9, 9), y], 'c', attributes);
  });
}

function special(g: Draw): string {
  const { POSITIVE_INFINITY: most, NEGATIVE_INFINITY: least, NaN: none } = Number;
  return g.floats('x', [5], [none, most, 0, least, 1]);
}

function bytes(g: Draw, name: string, dims: number[]): string {
  const data = Int8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => g.draw.integer(256) - 128);
  g.initializers.set(name, OnnxTensor.of(name, dims, 'int8', data));
  return name;
}

const nothing = () => undefined;

function folded({ nodes, initializers }: GraphBuilder, opset: number): OnnxTensor {
  const constants = new Constants(initializers);
  for (const node of nodes) expect(constants.fold(node, opset, nothing), node.opType).toBe(true);
  return constants.tensor('c')!;
}

/** The constant as float32, by onnxruntime, which asks for an input. */
async function unfolded(g: GraphBuilder, opset: number) {
  g.node('Cast', ['c'], 'result', { to: FLOAT });
  const unused = OnnxTensor.of('unused', [1], 'float32', Float32Array.of(0));
  const model = g.model(opset, { name: 'unused', dims: [1] }, 'result');
  return (await runOnnxruntime(model, new Map([['unused', unused]]))).get('result')!;
}

describe('constants', () => {
  it('has a case for every operator', () => {
    expect(Object.keys(cases).sort()).toEqual(constantOperators);
  });

  it('are listed in the documentation', () => {
    const text = fs.readFileSync(new URL('../../docs/robustness.md', import.meta.url), 'utf8');
    const [, list] = /Of constants alone these are computed: ([^.]*)\./.exec(text)!;
    expect(list.split(', ')).toEqual(constantOperators);
  });

  describe.skipIf(!hasOnnxruntime)('as onnxruntime computes them (needs onnxruntime-node)', () => {
    it.each(Object.entries(cases))('%s', async (_, variants) => {
      for (const [i, { opset, build }] of variants.entries()) {
        const seed = testSeed + i;
        const g = new Draw(seed);
        build(g);
        const actual = folded(g, opset);
        const expected = await unfolded(g, opset);
        expect(actual.dims, `variant ${i}, seed ${seed}`).toEqual([...expected.dims]);
        expectClose(actual.toFloat32(), expected.data, undefined, `variant ${i}, seed ${seed}`);
      }
    });
  });

  /** A Resize of constants beside a layer: not computed here. */
  function resized(): OnnxModel {
    const g = new GraphBuilder();
    const scales = g.floats('scales', [4], [1, 1, 2, 2]);
    g.node('Resize', [g.weight('c', 1, 2, 3, 3), '', scales], 'r', { mode: text('linear') });
    g.node('Add', [g.node('Conv', ['x', g.weight('w', 2, 3, 1, 1)], 'v'), 'r'], 'y');
    return g.model(17, { name: 'x', dims: [1, 3, 6, 6] }, 'y');
  }

  it('that are not computed are refused with what computes them', () => {
    const remedy =
      /^the Resize node.* of constants, which is not done here\. Have onnxruntime compute.* python -c "import/;
    expect(() => importOnnx(resized())).toThrow(remedy);
    const g = new GraphBuilder();
    g.node('Add', ['x', g.node('Einsum', [g.weight('a', 2, 2)], 'c', { equation: text('...i->...') })], 'y');
    expect(() => importOnnx(g.model(17, { name: 'x', dims: [1, 2] }, 'y'))).toThrow(
      /ij,jk->ik are computed here\. Have onnx/,
    );
  });

  it.skipIf(!hasOnnxruntime)('that onnxruntime has computed are read as it computes them', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-folded-'));
    const [file, optimizedModelFilePath] = ['model.onnx', 'folded.onnx'].map((name) => path.join(folder, name));
    fs.writeFileSync(file, writeModel(resized()));
    const options = { optimizedModelFilePath, graphOptimizationLevel: 'basic' };
    await (await loadOnnxruntime().InferenceSession.create(file, options)).release();
    const folded = readModel(fs.readFileSync(optimizedModelFilePath));
    fs.rmSync(folder, { recursive: true });
    const network = await expectAsOnnxruntime(folded, [1, 3, 6, 6], testSeed);
    expect(network.nodes.map(({ op }) => op.kind)).toEqual(['conv2d', 'affine']);
  });

  it('slopes before operator set 7 are of channels', () => {
    const g = new GraphBuilder();
    g.floats('x', [1, 2, 2], [-1, -1, -1, -1]);
    g.node('PRelu', ['x', g.floats('slope', [2], [2, 3])], 'c');
    expect(folded(g, 6).toFloat32()).toEqual(Float32Array.of(-2, -2, -3, -3));
  });

  it('sums of exponentials beyond all numbers are numbers', () => {
    const g = new GraphBuilder();
    g.floats('x', [2], [1000, 1000]);
    g.node('ReduceLogSumExp', ['x'], 'c', { keepdims: int(0) });
    expectClose(folded(g, 17).toFloat32(), [1000 + Math.LN2]);
  });

  it('a weight behind many steps is computed when it is asked for, from its source each time it was let go', () => {
    const g = new GraphBuilder();
    g.floats(
      'x',
      [5000],
      Array.from({ length: 5000 }, (_, i) => i),
    );
    g.floats('one', [], [1]);
    let last = 'x';
    // More than are let wait for each other.
    for (let i = 0; i < 300; i++) last = g.node('Add', [last, 'one'], i === 299 ? 'c' : `v${i}`);
    expect(folded(g, 17).toFloat32()[4999]).toBe(4999 + 300);
  });
});
