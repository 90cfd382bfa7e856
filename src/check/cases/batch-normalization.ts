/** Cases of batch normalisation's kernels: the statistics, the map that they make, and its derivatives. */
import { normalizationCoefficients } from '../../kernels/batch-normalization/coefficients.ts';
import { batchInputGradient, scaleGradient } from '../../kernels/batch-normalization/gradient.ts';
import { batchMean, batchVariance, runningStatistics } from '../../kernels/batch-normalization/statistics.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Choose, fittingBatch } from '../choose.ts';
import { type Expected, sumsOf } from '../expected.ts';
import {
  channelOf,
  channelSums,
  moments,
  normalizedByBatch,
  type Planes,
  planesSize,
} from '../reference/batch-normalization.ts';
import { type Kind, SMALLEST_NORMAL, valuesOf } from '../values.ts';

type Values = ArrayLike<number>;

interface Shape extends Planes {
  readonly epsilon: number;
}

const EXAMPLES: readonly Shape[] = [
  { batch: 2, channels: 1, plane: 1, epsilon: 0.5 },
  { batch: 10, channels: 67, plane: 1, epsilon: 1e-3 },
  { batch: 3, channels: 5, plane: 13, epsilon: Math.fround(1e-5) },
  { batch: 2, channels: 7, plane: 1009, epsilon: 0.125 },
];

const choosePlanes = (choose: Choose): Shape => {
  const channels = choose(1, 13);
  const plane = choose(0, 5) === 5 ? choose(40, 300) : choose(1, 40);
  return {
    batch: Math.max(plane === 1 ? 2 : 1, fittingBatch(choose(1, 17), channels * plane)),
    channels,
    plane,
    epsilon: Math.fround(10 ** -choose(0, 5)),
  };
};

const describePlanes = ({ batch, channels, plane, epsilon }: Shape) =>
  `[${batch},${channels},${plane}] epsilon ${epsilon}`;

/** 2 units in the last place of WGSL's inverseSqrt, 4 roundings, and half of that of the sum under the root. */
const ROOT = 5;

/** Terms that may be flushed, each, and what a denormal that is taken for 0 moves. */
const flushedBy = (count: number, size: number) => SMALLEST_NORMAL * (2 + count) * Math.max(1, size);

/** Around a mean: sums of differences. `around` is what is summed, of one element; the sizes of its terms, `size`. */
function sumsAround(shape: Planes, factor: Values | number, around: (at: number, c: number) => number): Expected {
  const of = (c: number) => (typeof factor === 'number' ? factor : factor[c]);
  const count = shape.batch * shape.plane;
  const values = channelSums(shape, around).map((sum, c) => sum * of(c));
  const magnitudes = channelSums(shape, (at, c) => Math.abs(around(at, c))).map((sum, c) => sum * of(c));
  return { values, magnitudes, units: count + 8 + ROOT };
}

export const batchNormalizationFamily = defineFamily<Shape>({
  names: [
    ...['mean', 'variance', 'running', 'coefficients'].map((name) => `batch-normalization/${name}`),
    ...['scale-gradient', 'input-gradient'].map((name) => `batch-normalization/${name}`),
  ],
  examples: EXAMPLES,
  shape: choosePlanes,
  cases(shape, kind, random): KernelCase[] {
    const values = (count: number, decades = 9) => valuesOf(random, kind, count, { decades, instead: 'tiny' });
    const given: Given = {
      x: values(planesSize(shape)),
      dy: values(planesSize(shape)),
      scale: values(shape.channels),
      shift: values(shape.channels),
      start: values(shape.channels),
      momentum: Math.fround(random.uniform()),
    };
    const { mean, variance } = moments(shape, given.x);
    const single = { mean: Float32Array.from(mean), variance: Float32Array.from(variance) };
    return [
      ...[0, 1].flatMap((accumulate) => sumCases(shape, given, single, { accumulate: accumulate as 0 | 1, kind })),
      running(shape, given, single),
      coefficients(shape, given, single),
      inputGradient(shape, given, single, kind),
    ];
  },
});

interface Given {
  readonly x: Float32Array<ArrayBuffer>;
  readonly dy: Float32Array<ArrayBuffer>;
  readonly scale: Float32Array<ArrayBuffer>;
  readonly shift: Float32Array<ArrayBuffer>;
  readonly start: Float32Array<ArrayBuffer>;
  readonly momentum: number;
}

interface Single {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly variance: Float32Array<ArrayBuffer>;
}

const inverse = ({ variance }: Single, epsilon: number) =>
  Float64Array.from(variance, (v) => 1 / Math.sqrt(v + epsilon));

/** Mean, variance and the scale's gradient, each from nothing or added to what is there. */
function sumCases(
  shape: Shape,
  { x, dy, start, scale, shift }: Given,
  { mean, variance }: Single,
  { accumulate, kind }: { readonly accumulate: 0 | 1; readonly kind: Kind },
): KernelCase[] {
  const { epsilon, ...planes } = shape;
  const count = shape.batch * shape.plane;
  const share = Math.fround(1 / count);
  const description = `${describePlanes(shape)}${accumulate ? ' accumulated' : ''}`;
  const output = accumulate ? start : start.length;
  const onto = ({ values, magnitudes, units }: Expected, size: (c: number) => number): Expected => ({
    values: Float64Array.from(values, (value, c) => value + (accumulate ? start[c] : 0)),
    magnitudes: Float64Array.from(magnitudes!, (value, c) => value + (accumulate ? Math.abs(start[c]) : 0)),
    units: units + 1,
    flushed: Float64Array.from(values, (_, c) => flushedBy(count, size(c))),
  });
  const largest = (of: Values) => Math.max(...Array.from(of, Math.abs));
  const reach = 2 * (largest(x) + largest(mean));
  const root = inverse({ mean, variance }, epsilon);
  return [
    {
      name: 'batch-normalization/mean',
      description,
      kernel: batchMean,
      params: { ...planes, share, accumulate },
      inputs: { x },
      outputs: { mean: output },
      reference: () => ({
        mean: sumsOf(
          (...v) => {
            const sums = channelSums(shape, (at) => share * v[0][at]);
            return accumulate ? sums.map((sum, c) => sum + v[1][c]) : sums;
          },
          [x, start],
          count + 2,
        ),
      }),
    },
    {
      name: 'batch-normalization/variance',
      description,
      kernel: batchVariance,
      params: { ...planes, share, accumulate },
      inputs: { x, mean },
      outputs: { variance: output },
      reference: () => ({
        variance: onto(
          sumsAround(shape, share, (at, c) => (x[at] - mean[c]) ** 2),
          () => reach,
        ),
      }),
    },
    {
      name: 'batch-normalization/scale-gradient',
      description,
      kernel: scaleGradient,
      params: { ...planes, epsilon, accumulate },
      inputs: { x, dy, mean, variance },
      outputs: { dscale: output },
      reference: () => ({
        dscale: onto(
          sumsAround(shape, root, (at, c) => dy[at] * (x[at] - mean[c])),
          (c) => (1 + root[c]) * (reach + largest(dy)),
        ),
      }),
      derivative:
        kind === 'normal'
          ? {
              at: scale,
              upstream: dy,
              forward: (scales) =>
                Float64Array.from(x, (value, at) => {
                  const c = channelOf(shape, at);
                  return scales[c] * (value - mean[c]) * root[c] + shift[c];
                }),
              gradient: () => channelSums(shape, (at, c) => dy[at] * (x[at] - mean[c]) * root[c]),
            }
          : undefined,
    },
  ];
}

function running(shape: Shape, { scale, start, momentum }: Given, { mean, variance }: Single): KernelCase {
  const correction = Math.fround((shape.batch * shape.plane) / (shape.batch * shape.plane - 1));
  const rest = Math.fround(1 - momentum);
  const kept = (factor: number) => (old: Values, now: Values) =>
    Array.from(old, (value, c) => momentum * value + rest * factor * now[c]);
  return {
    name: 'batch-normalization/running',
    description: `${describePlanes(shape)} momentum ${momentum}`,
    kernel: runningStatistics,
    params: { channels: shape.channels, momentum, correction },
    inputs: { mean, variance },
    outputs: { running_mean: start, running_variance: scale },
    reference: () => ({
      running_mean: sumsOf((...v) => kept(1)(v[0], v[1]), [start, mean], 3),
      running_variance: sumsOf((...v) => kept(correction)(v[0], v[1]), [scale, variance], 4),
    }),
  };
}

function coefficients(shape: Shape, { scale, shift }: Given, single: Single): KernelCase {
  const { mean, variance } = single;
  const { channels, epsilon } = shape;
  const root = inverse(single, epsilon);
  const factor = Float64Array.from(scale, (value, c) => value * root[c]);
  const sizes = factor.map((value, c) => Math.abs(shift[c]) + Math.abs(mean[c] * value));
  const flushed = root.map((value, c) => flushedBy(4, (1 + value) * (1 + Math.abs(mean[c]))));
  return {
    name: 'batch-normalization/coefficients',
    description: describePlanes(shape),
    kernel: normalizationCoefficients,
    params: { channels, epsilon },
    inputs: { scale, shift, mean, variance },
    outputs: { factor: channels, offset: channels },
    reference: () => ({
      factor: { values: factor, units: ROOT + 1, flushed },
      offset: {
        values: factor.map((value, c) => shift[c] - mean[c] * value),
        magnitudes: sizes,
        units: ROOT + 3,
        flushed,
      },
    }),
  };
}

/** The whole derivative by the batch, of sums that are given; it is checked where all of them are of this x. */
function inputGradient(shape: Shape, { x, dy, scale, shift }: Given, single: Single, kind: Kind): KernelCase {
  const { epsilon, ...planes } = shape;
  const share = 1 / (shape.batch * shape.plane);
  const sumsOfBatch = ({ mean, root }: { mean: Values; root: Values }) => ({
    dscale: channelSums(shape, (at, c) => dy[at] * (x[at] - mean[c]) * root[c]),
    dshift: channelSums(shape, (at) => dy[at]),
  });
  const { mean, variance } = single;
  const root = inverse(single, epsilon);
  const single32 = sumsOfBatch({ mean, root });
  const [dscale, dshift] = [Float32Array.from(single32.dscale), Float32Array.from(single32.dshift)];
  const factor = Float32Array.from(scale, (value, c) => value * root[c]);
  const terms = (at: number, size: (value: number) => number, by: Sums) => {
    const c = channelOf(shape, at);
    const z = by.root[c] * (size(x[at]) + (size === Math.abs ? Math.abs(by.mean[c]) : -by.mean[c]));
    const common = share * (size(by.dshift[c]) + z * size(by.dscale[c]));
    return size(by.factor[c]) * (size(dy[at]) + (size === Math.abs ? common : -common));
  };
  const given: Sums = { mean, root, dscale, dshift, factor };
  const exact = (): Sums => {
    const { mean, variance } = moments(shape, x);
    const root = variance.map((v) => 1 / Math.sqrt(v + epsilon));
    return { mean, root, ...sumsOfBatch({ mean, root }), factor: root.map((value, c) => value * scale[c]) };
  };
  return {
    name: 'batch-normalization/input-gradient',
    description: describePlanes(shape),
    kernel: batchInputGradient,
    params: { ...planes, share, epsilon },
    inputs: { x, dy, mean, variance, factor, dscale, dshift },
    outputs: { dx: x.length },
    reference: () => ({
      dx: {
        values: Float64Array.from(x, (_, at) => terms(at, (value) => value, given)),
        magnitudes: Float64Array.from(x, (_, at) => terms(at, Math.abs, given)),
        units: ROOT + 10,
        flushed: Float64Array.from(x, (_, at) => {
          const c = channelOf(shape, at);
          const sizes = [1, factor[c], root[c] * dscale[c], root[c], dscale[c]].map((v) => 1 + Math.abs(v));
          return flushedBy(
            4,
            sizes.reduce((a, b) => a * b, 1),
          );
        }),
      },
    }),
    derivative:
      kind === 'normal'
        ? {
            at: x,
            upstream: dy,
            forward: (at) => normalizedByBatch(shape, at, { epsilon, scale, shift }),
            gradient: () => {
              const sums = exact();
              return Float64Array.from(x, (_, at) => terms(at, (value) => value, sums));
            },
          }
        : undefined,
  };
}

interface Sums {
  readonly mean: Values;
  readonly root: Values;
  readonly dscale: Values;
  readonly dshift: Values;
  readonly factor: Values;
}
