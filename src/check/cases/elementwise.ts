/** Cases of the kernels whose formula is one line: add, fill, bias, affine, relu, clip, concat. */
import { addAccumulate } from '../../kernels/add/add.ts';
import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { biasGradient } from '../../kernels/bias/bias.ts';
import { clipBackward, clipForward } from '../../kernels/clip/clip.ts';
import { concatCopy } from '../../kernels/concat/concat.ts';
import { fillConstant } from '../../kernels/fill/fill.ts';
import { reluMap } from '../../kernels/relu/relu.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Choose, fittingBatch } from '../choose.ts';
import { exactly, sumsOf } from '../expected.ts';
import { isDenormal, SMALLEST_NORMAL, valuesOf } from '../values.ts';

type Values = ArrayLike<number>;

const COUNTS = [1, 7, 64, 67, 1009];
const chooseCount = (choose: Choose) => (choose(0, 3) === 3 ? choose(60, 1100) : choose(1, 70));

export const addFamily = defineFamily<number>({
  names: ['add/accumulate', 'fill/constant'],
  examples: COUNTS,
  shape: chooseCount,
  cases(count, kind, random): KernelCase[] {
    const [a, b] = [valuesOf(random, kind, count), valuesOf(random, kind, count)];
    const description = `n=${count}`;
    const params = { count };
    const reference = () => ({ y: sumsOf((...v) => Array.from(v[0], (value, i) => value + v[1][i]), [a, b], 1) });
    const value = valuesOf(random, kind, 1)[0];
    return [
      {
        name: 'add/accumulate',
        description,
        kernel: addAccumulate,
        params,
        inputs: { a },
        outputs: { y: b },
        reference,
      },
      {
        name: 'fill/constant',
        description: `${description} with ${value}`,
        kernel: fillConstant,
        params: { count, value },
        inputs: {},
        outputs: { y: count },
        reference: () => ({ y: exactly(new Array(count).fill(value)) }),
      },
    ];
  },
});

interface Planes {
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
}

const PLANES: readonly Planes[] = [
  { batch: 1, channels: 1, plane: 1 },
  { batch: 10, channels: 67, plane: 1 },
  { batch: 3, channels: 5, plane: 13 },
  { batch: 2, channels: 7, plane: 1009 },
];
const choosePlanes = (choose: Choose): Planes => {
  const channels = choose(1, 13);
  const plane = choose(0, 5) === 5 ? choose(40, 300) : choose(1, 40);
  return { batch: fittingBatch(choose(1, 17), channels * plane), channels, plane };
};
const size = (s: Planes) => s.batch * s.channels * s.plane;
const channelOf = (s: Planes, at: number) => Math.floor(at / s.plane) % s.channels;
const describePlanes = (s: Planes) => `[${s.batch},${s.channels},${s.plane}]`;

export const biasFamily = defineFamily<Planes>({
  names: ['bias/gradient'],
  examples: PLANES,
  shape: choosePlanes,
  cases(shape, kind, random): KernelCase[] {
    const [x, b] = [valuesOf(random, kind, size(shape)), valuesOf(random, kind, shape.channels)];
    // Sums of an infinity and its opposite, and of any with NaN, depend on nothing: NaN. Finite sums must stay finite.
    const dy = valuesOf(random, kind, size(shape), { instead: 'tiny' });
    const start = valuesOf(random, kind, shape.channels, { instead: 'tiny' });
    const forward = (x: Values, b: Values) => Array.from(x, (value, at) => value + b[channelOf(shape, at)]);
    const sums = (dy: Values, start: Values | undefined) => {
      const db = Array.from({ length: shape.channels }, (_, c) => start?.[c] ?? 0);
      for (let at = 0; at < dy.length; at++) db[channelOf(shape, at)] += dy[at];
      return db;
    };
    return [
      ...[0, 1].map(
        (accumulate): KernelCase => ({
          name: 'bias/gradient',
          description: `${describePlanes(shape)}${accumulate ? ' accumulated' : ''}`,
          kernel: biasGradient,
          params: { ...shape, accumulate },
          inputs: { dy },
          outputs: { db: accumulate ? start : start.length },
          reference: () => ({
            db: sumsOf((...v) => sums(v[0], accumulate ? v[1] : undefined), [dy, start], shape.batch * shape.plane + 1),
          }),
          derivative:
            kind === 'normal'
              ? { at: b, upstream: dy, forward: (at) => forward(x, at), gradient: () => sums(dy, undefined) }
              : undefined,
        }),
      ),
    ];
  },
});

interface AffineShape extends Planes {
  readonly scale_step: number;
  readonly shift_step: number;
}

export const affineFamily = defineFamily<AffineShape>({
  names: ['affine/forward', 'affine/backward'],
  examples: PLANES.map((shape, i) => ({ ...shape, scale_step: i & 1, shift_step: i >> 1 })),
  shape: (choose) => ({ ...choosePlanes(choose), scale_step: choose(0, 1), shift_step: choose(0, 1) }),
  cases({ scale_step, shift_step, ...shape }, kind, random): KernelCase[] {
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [x, dy] = [values(size(shape)), values(size(shape))];
    const scale = values(scale_step ? shape.channels : 1);
    const shift = values(shift_step ? shape.channels : 1);
    const scaled = (x: Values, scale: Values) =>
      Array.from(x, (value, at) => value * scale[scale_step ? channelOf(shape, at) : 0]);
    const forward = (x: Values, scale: Values, shift: Values) =>
      scaled(x, scale).map((value, at) => value + shift[shift_step ? channelOf(shape, at) : 0]);
    return [
      {
        name: 'affine/forward',
        description: `${describePlanes(shape)} steps ${scale_step}, ${shift_step}`,
        kernel: affineForward,
        params: { ...shape, scale_step, shift_step },
        inputs: { x, scale, shift },
        outputs: { y: x.length },
        reference: () => ({ y: sumsOf((...v) => forward(v[0], v[1], v[2]), [x, scale, shift], 2) }),
      },
      {
        name: 'affine/backward',
        description: `${describePlanes(shape)} step ${scale_step}`,
        kernel: affineBackward,
        params: { ...shape, scale_step },
        inputs: { dy, scale },
        outputs: { dx: x.length },
        reference: () => ({ dx: sumsOf((...v) => scaled(v[0], v[1]), [dy, scale], 1) }),
        derivative:
          kind === 'normal'
            ? { at: x, upstream: dy, forward: (at) => forward(at, scale, shift), gradient: () => scaled(dy, scale) }
            : undefined,
      },
    ];
  },
});

export const reluFamily = defineFamily<number>({
  names: ['relu/forward', 'relu/backward'],
  examples: COUNTS,
  shape: chooseCount,
  cases(count, kind, random): KernelCase[] {
    const x = valuesOf(random, kind, count);
    if (kind !== 'normal') x[0] = 0;
    const dy = valuesOf(random, kind, count);
    const relu = (x: Values) => Float32Array.from(x, (value) => Math.max(value, 0));
    const y = relu(x);
    const backward = (y: Values) => Array.from(dy, (value, i) => (y[i] > 0 ? value : 0));
    return [
      {
        name: 'relu/forward',
        description: `n=${count}`,
        kernel: reluMap.forward,
        params: { count },
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: exactly(relu(x)) }),
      },
      {
        name: 'relu/backward',
        description: `n=${count}`,
        kernel: reluMap.backward,
        params: { count },
        inputs: { y, dy },
        outputs: { dx: count },
        // A denormal that is taken for 0 is not above 0.
        reference: () => ({
          dx: {
            ...exactly(backward(y)),
            flushed: y.map((value, i) => (isDenormal(value) ? Math.abs(dy[i]) : SMALLEST_NORMAL)),
          },
        }),
        derivative:
          kind === 'normal'
            ? {
                at: x,
                upstream: dy,
                forward: (at) => at.map((value) => Math.max(value, 0)),
                gradient: () => backward(y),
              }
            : undefined,
      },
    ];
  },
});

interface ClipShape {
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

export const clipFamily = defineFamily<ClipShape>({
  names: ['clip/forward', 'clip/backward'],
  examples: [
    { count: 1, low: 0, high: 6 },
    { count: 7, low: -0.5, high: 0.25 },
    { count: 64, low: Number.NEGATIVE_INFINITY, high: 0.125 },
    { count: 1009, low: -0.75, high: Number.POSITIVE_INFINITY },
    // Bounds that cross: the upper one wins.
    { count: 130, low: 0.5, high: -0.5 },
  ],
  shape: (choose) => ({ count: chooseCount(choose), low: choose(-16, 8) / 8, high: choose(0, 24) / 8 }),
  cases({ count, low, high }, kind, random): KernelCase[] {
    // No denormals beside a bound of 0: whether one lies within is the adapter's choice.
    const x = valuesOf(random, kind === 'tiny' ? 'normal' : kind, count);
    const dy = valuesOf(random, kind, count);
    // The bounds themselves, where the derivative is that inside; not where differences look at it.
    if (kind !== 'normal') x.set([low, high].slice(0, count));
    const clip = (x: Values) =>
      Array.from(x, (value) => (Number.isNaN(value) ? value : Math.min(Math.max(value, low), high)));
    const backward = () => Array.from(x, (value, i) => (low <= value && value <= high ? dy[i] : 0));
    const description = `n=${count} [${low}, ${high}]`;
    const params = { count, low, high };
    return [
      {
        name: 'clip/forward',
        description,
        kernel: clipForward,
        params,
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: exactly(clip(x)) }),
      },
      {
        name: 'clip/backward',
        description,
        kernel: clipBackward,
        params,
        inputs: { x, dy },
        outputs: { dx: count },
        reference: () => ({ dx: exactly(backward()) }),
        derivative: kind === 'normal' ? { at: x, upstream: dy, forward: clip, gradient: backward } : undefined,
      },
    ];
  },
});

interface CopyShape {
  readonly rows: number;
  readonly length: number;
  /** elements of x and of y before and after the part that is copied */
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Copies out of wider rows into wider rows; what lies beside the part in y must stay as it was. */
export const concatFamily = defineFamily<CopyShape>({
  names: ['concat/copy'],
  examples: [
    { rows: 1, length: 1, x: [0, 0], y: [0, 0] },
    { rows: 3, length: 7, x: [0, 0], y: [5, 2] },
    { rows: 5, length: 13, x: [18, 0], y: [0, 0] },
    { rows: 17, length: 64, x: [1, 0], y: [0, 3] },
  ],
  shape: (choose) => ({
    rows: choose(1, 17),
    length: choose(1, 90),
    x: [choose(0, 9), choose(0, 9)],
    y: [choose(0, 9), choose(0, 9)],
  }),
  cases({ rows, length, x: [xBefore, xAfter], y: [yBefore, yAfter] }, kind, random) {
    const [xStride, yStride] = [xBefore + length + xAfter, yBefore + length + yAfter];
    const x = valuesOf(random, kind, rows * xStride);
    const y = valuesOf(random, kind, rows * yStride);
    return [
      {
        name: 'concat/copy',
        description: `${rows} rows of ${length}, from ${xStride} at ${xBefore} to ${yStride} at ${yBefore}`,
        kernel: concatCopy,
        params: { rows, length, x_stride: xStride, x_offset: xBefore, y_stride: yStride, y_offset: yBefore },
        inputs: { x },
        outputs: { y },
        reference: () => ({
          y: exactly(
            Array.from(y, (value, at) => {
              const [row, i] = [Math.floor(at / yStride), (at % yStride) - yBefore];
              return i >= 0 && i < length ? x[row * xStride + xBefore + i] : value;
            }),
          ),
        }),
      },
    ];
  },
});
