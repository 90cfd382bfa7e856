/** Cases of the kernels that work by strides: broadcasting arithmetic, transposition, padding. */
import {
  type BinaryOperator,
  binaryKernels,
  binaryParams,
  broadcastGradient,
  broadcastGradientParams,
} from '../../kernels/binary/binary.ts';
import { type PadMode, padBackward, padForward, padModes } from '../../kernels/pad/pad.ts';
import { sixExtents } from '../../kernels/strided.ts';
import { transposeForward, transposeParams } from '../../kernels/transpose/transpose.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import type { Choose } from '../choose.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
import * as reference from '../reference/tensors.ts';
import { valuesOf } from '../values.ts';

type Values = ArrayLike<number>;

const six = (shape: readonly number[]) => sixExtents('case', shape);

/** Up to six dimensions; the fewer, the longer. */
function chooseExtents(choose: Choose): number[] {
  const rank = choose(1, 6);
  return Array.from({ length: rank }, () => choose(1, rank < 3 ? 40 : 5));
}

interface Broadcast {
  /** shapes of the result and of both operands */
  readonly y: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
}

export const binaryFamily = defineFamily<Broadcast>({
  names: [...Object.keys(binaryKernels).map((operator) => `binary/${operator}`), 'binary/broadcast-gradient'],
  examples: [
    { y: [1], a: [1], b: [1] },
    { y: [4099], a: [4099], b: [4099] },
    { y: [3, 5, 7], a: [3, 5, 7], b: [3, 1, 7] },
    { y: [2, 3, 5, 4], a: [2, 3, 5, 4], b: [2, 3, 1, 1] },
    { y: [2, 3, 5, 4], a: [2, 1, 1, 4], b: [2, 3, 5, 1] },
    { y: [2, 3, 2, 3, 2, 5], a: [2, 3, 1, 3, 1, 5], b: [1, 3, 2, 1, 2, 1] },
  ],
  shape(choose) {
    const y = chooseExtents(choose);
    const operand = () => y.map((extent) => (choose(0, 3) === 3 ? 1 : extent));
    return { y, a: operand(), b: operand() };
  },
  cases({ y: yShape, a: aShape, b: bShape }, kind, random): KernelCase[] {
    const values = (shape: readonly number[]) =>
      valuesOf(random, kind, reference.sizeOf(shape), { decades: 15, instead: 'tiny' });
    const [a, b, g] = [values(aShape), values(bShape), values(yShape)];
    // Divisors keep away from 0, and have both signs.
    const divisor = b.map((value) => (kind === 'wide' ? value : value + (value < 0 ? -1 : 1)));
    const of = (operator: BinaryOperator) => (a: Values, b: Values) =>
      reference.binary(operator, yShape, [a, aShape], [b, bShape]);
    const expected: Record<BinaryOperator, () => Expected> = {
      add: () => sumsOf((...v) => of('add')(v[0], v[1]), [a, b], 1),
      subtract: () => sumsOf((...v) => of('add')(v[0], v[1]), [a, b.map((value) => -value)], 1),
      multiply: () => sumsOf((...v) => of('multiply')(v[0], v[1]), [a, b], 1),
      // WGSL: 2.5 units in the last place, which is twice u.
      divide: () => ({ values: of('divide')(a, divisor), units: 5 }),
    };
    const shapes = `[${yShape}] from [${aShape}] and [${bShape}]`;
    const sums = (g: Values) => reference.unbroadcast(yShape, bShape, g);
    const repeats = g.length / b.length;
    const scale = random.between(0.25, 2);
    return [
      ...(Object.keys(binaryKernels) as BinaryOperator[]).map(
        (operator): KernelCase => ({
          name: `binary/${operator}`,
          description: shapes,
          kernel: binaryKernels[operator],
          params: binaryParams(six(yShape), six(aShape), six(bShape)),
          inputs: { a, b: operator === 'divide' ? divisor : b },
          outputs: { y: g.length },
          reference: () => ({ y: expected[operator]() }),
        }),
      ),
      ...[false, true].map(
        (accumulate): KernelCase => ({
          name: 'binary/broadcast-gradient',
          description: `[${yShape}] to [${bShape}]${accumulate ? ' accumulated' : ''}`,
          kernel: broadcastGradient,
          params: broadcastGradientParams(six(yShape), six(bShape), { scale, accumulate }),
          inputs: { g },
          outputs: { dx: accumulate ? b : b.length },
          reference: () => ({
            dx: sumsOf(
              (...v) => sums(v[0]).map((sum, i) => Math.fround(scale) * sum + (accumulate ? v[1][i] : 0)),
              [g, b],
              repeats + 2,
            ),
          }),
          derivative:
            kind === 'normal'
              ? {
                  at: b,
                  upstream: g,
                  forward: (at) => reference.reads(yShape, bShape).map((place) => scale * at[place]),
                  gradient: () => sums(g).map((sum) => scale * sum),
                }
              : undefined,
        }),
      ),
    ];
  },
});

interface Transposition {
  readonly shape: readonly number[];
  readonly perm: readonly number[];
}

export const transposeFamily = defineFamily<Transposition>({
  names: ['transpose/forward'],
  examples: [
    { shape: [1], perm: [0] },
    { shape: [71, 67], perm: [1, 0] },
    { shape: [3, 5, 7], perm: [0, 2, 1] },
    { shape: [2, 3, 4, 5], perm: [3, 1, 0, 2] },
    { shape: [2, 1, 3, 3, 4, 5], perm: [0, 1, 4, 2, 5, 3] },
  ],
  shape(choose) {
    const shape = chooseExtents(choose);
    const perm = shape.map((_, axis) => axis);
    for (let axis = perm.length - 1; axis > 0; axis--) {
      const other = choose(0, axis);
      [perm[axis], perm[other]] = [perm[other], perm[axis]];
    }
    return { shape, perm };
  },
  cases({ shape, perm }, kind, random): KernelCase[] {
    const x = valuesOf(random, kind, reference.sizeOf(shape));
    const lead = 6 - shape.length;
    const all = [...Array(lead).keys(), ...perm.map((axis) => axis + lead)];
    return [
      {
        name: 'transpose/forward',
        description: `[${shape}] by [${perm}]`,
        kernel: transposeForward,
        params: transposeParams(six(shape), all),
        inputs: { x },
        outputs: { y: x.length },
        reference: () => ({ y: exactly(reference.transpose(shape, perm, x)) }),
      },
    ];
  },
});

interface Padding {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  readonly before: number;
  readonly after: number;
  readonly mode: PadMode;
}

export const padFamily = defineFamily<Padding>({
  names: ['pad/forward', 'pad/backward'],
  examples: [
    [1, 1, 1, 0, 0],
    [3, 5, 1, 2, 1],
    [2, 7, 3, 6, 6],
    [5, 4, 211, 0, 3],
    [2, 6, 5, -2, 3],
    [3, 8, 2, 1, -3],
    [2, 9, 3, -4, -4],
  ].flatMap(([outer, size, inner, before, after]) =>
    padModes.map((mode) => ({ outer, size, inner, before, after, mode })),
  ),
  shape(choose) {
    const size = choose(1, 11);
    const mode = padModes[choose(0, padModes.length - 1)];
    const most = mode === 'reflect' ? size - 1 : 7;
    // Something must be left.
    const before = choose(-Math.min(3, size - 1), most);
    const after = choose(-Math.min(3, size - 1 + Math.min(before, 0)), most);
    return { outer: choose(1, 5), size, inner: choose(1, 9), before, after, mode };
  },
  cases({ outer, size, inner, before, after, mode }, kind, random): KernelCase[] {
    const line = reference.paddedLine(size, before, after, mode);
    const x = valuesOf(random, kind, outer * size * inner);
    const dy = valuesOf(random, kind, outer * line.length * inner, { instead: 'tiny' });
    const value = random.normal();
    /** The element of x at each place of y, or -1. */
    const source = Array.from(dy, (_, i) => {
      const k = line[Math.floor(i / inner) % line.length];
      return k < 0 ? -1 : (Math.floor(i / inner / line.length) * size + k) * inner + (i % inner);
    });
    const forward = (x: Values) => source.map((at) => (at < 0 ? Math.fround(value) : x[at]));
    const backward = (dy: Values) => {
      const dx = new Array<number>(x.length).fill(0);
      source.forEach((at, i) => {
        if (at >= 0) dx[at] += dy[i];
      });
      return dx;
    };
    const params = { outer, size, padded: line.length, inner, before, mode: padModes.indexOf(mode) };
    const description = `[${outer},${size},${inner}] by ${before}, ${after} ${mode}`;
    return [
      {
        name: 'pad/forward',
        description,
        kernel: padForward,
        params: { ...params, value },
        inputs: { x },
        outputs: { y: dy.length },
        reference: () => ({ y: exactly(forward(x)) }),
      },
      {
        name: 'pad/backward',
        description,
        kernel: padBackward,
        params,
        inputs: { dy },
        outputs: { dx: x.length },
        reference: () => ({ dx: sumsOf((...v) => backward(v[0]), [dy], line.length) }),
        derivative: kind === 'normal' ? { at: x, upstream: dy, forward, gradient: () => backward(dy) } : undefined,
      },
    ];
  },
});
