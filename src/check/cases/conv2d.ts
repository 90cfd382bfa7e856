import { contraction } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit } from '../../kernels/contraction/split.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../kernels/conv2d/conv2d.ts';
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { RELU } from '../../kernels/relu/rule.ts';
import { activationOf, rectify, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts, fittingBatch, four, pair } from '../choose.ts';
import { sumsOf } from '../expected.ts';
import { conv2dFilterGradientReference, conv2dInputGradientReference, conv2dReference } from '../reference/conv2d.ts';
import { normals, valuesOf } from '../values.ts';

const describe = (s: Conv2dShape) =>
  `x=[${s.batch},${s.channels},${s.height},${s.width}] w=[${s.filters},${s.channels / s.groups},${s.kernel}] ` +
  `s=${s.strides} p=${s.pads} d=${s.dilations} g=${s.groups}`;

/** One filter of one tap over one value: what examples of convolutions differ from. */
export const base: Conv2dShape = {
  batch: 1,
  channels: 1,
  height: 1,
  width: 1,
  filters: 1,
  kernel: [1, 1],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  dilations: [1, 1],
  groups: 1,
};

export const conv2dFamily = defineFamily<Conv2dShape>({
  names: ['conv2d/forward', 'conv2d/input-gradient', 'conv2d/filter-gradient', 'contraction/sum'],
  examples: [
    base,
    // AlexNet's conv1 and conv2 in small: no pads with stride 4; groups with pads.
    { ...base, batch: 2, channels: 3, height: 23, width: 23, filters: 9, kernel: [11, 11], strides: [4, 4] },
    { ...base, batch: 3, channels: 6, height: 9, width: 9, filters: 34, kernel: [5, 5], pads: [2, 2, 2, 2], groups: 2 },
    // A tile and a bit of every variant.
    { ...base, batch: 2, channels: 5, height: 9, width: 8, filters: 69, kernel: [3, 3], pads: [1, 1, 1, 1] },
    { ...base, batch: 2, channels: 10, height: 5, width: 7, filters: 6, kernel: [2, 3], strides: [3, 2], groups: 2 },
  ],
  shape(choose) {
    const groups = choose(1, 3);
    const kernel = pair(choose, 1, 5);
    const dilations = pair(choose, 1, 3);
    // The image is at least what the kernel spans, so that something is left of it.
    const [height, width] = kernel.map((size, i) => dilations[i] * (size - 1) + choose(1, 6));
    const batch = choose(0, 5) === 5 ? choose(5, 17) : choose(1, 4);
    const channels = groups * choose(1, 5);
    const shape = {
      batch,
      channels,
      height,
      width,
      filters: groups * (choose(0, 5) === 5 ? choose(8, 23) : choose(1, 7)),
      kernel,
      strides: pair(choose, 1, 4),
      pads: four(choose, 0, 3),
      dilations,
      groups,
    };
    const [outHeight, outWidth] = conv2dOutput(shape);
    const plane = Math.max(height * width, outHeight * outWidth);
    // The narrowest tile has 16 columns, and more rows than there may be channels in a group.
    const image = Math.max(channels * height * width, shape.filters * outHeight * outWidth, 4 * groups * plane);
    return { ...shape, batch: fittingBatch(shape.batch, image) };
  },
  cases(shape, kind, random): KernelCase[] {
    const { batch, channels, height, width, filters, kernel, groups } = shape;
    const [outHeight, outWidth] = conv2dOutput(shape);
    const outputs = batch * filters * outHeight * outWidth;
    const taps = kernel[0] * kernel[1];
    const weights = (filters * channels * taps) / groups;
    // Products of two values, so half of the decades each.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [x, w, bias] = [values(batch * channels * height * width), values(weights), values(filters)];
    const [dy, start] = [values(outputs), values(weights)];
    const description = describe(shape);
    const smooth = kind === 'normal';
    const forwardOf = (at: ArrayLike<number>, by: ArrayLike<number>) =>
      conv2dReference(shape, at, by, undefined, outputs);
    const perGroup = channels / groups;
    const plane = outHeight * outWidth;
    // The narrowest tile has 16 columns, and more rows than there may be filters in a group.
    const parts = drawParts(random, perGroup, batch * plane * Math.max(filters, 4 * groups));
    const split = planSplit(conv2dForward(shape, true), (perGroup * taps) / parts);
    const sums = values(parts * outputs);
    /** Where the output at `at` of [batch, filters, plane] is in [filters, batch, plane]. */
    const byFilters = (at: number) => {
      const [item, filter] = [Math.floor(at / plane / filters), Math.floor(at / plane) % filters];
      return (filter * batch + item) * plane + (at % plane);
    };
    /** Over some channels of each group at a time, [parts, filters, batch, plane]. */
    const inParts = (x: ArrayLike<number>, w: ArrayLike<number>) => {
      const all = new Float64Array(parts * outputs);
      for (let part = 0; part < parts; part++) {
        const own = Float64Array.from(x, (value, at) => {
          const channel = Math.floor(at / height / width) % perGroup;
          return Math.floor((channel * parts) / perGroup) === part ? value : 0;
        });
        Array.from(forwardOf(own, w)).forEach((value, at) => {
          all[part * outputs + byFilters(at)] = value;
        });
      }
      return all;
    };
    return [
      {
        name: 'conv2d/forward',
        description: `${description} in ${parts} parts`,
        kernel: contraction,
        params: split.run,
        inputs: { a: w, b: x, bias, aux: bias },
        outputs: { c: parts * outputs },
        reference: () => ({ c: sumsOf(inParts, [x, w], (perGroup / parts) * taps) }),
      },
      {
        name: 'contraction/sum',
        description: `${description} in ${parts} parts`,
        kernel: contractionSum,
        params: split.sum,
        inputs: { sums, bias, aux: bias },
        outputs: { c: outputs },
        reference: () => ({
          c: sumsOf(
            (sums, bias) =>
              Float64Array.from({ length: outputs }, (_, at) => {
                let sum = bias[Math.floor(at / plane) % filters];
                for (let part = 0; part < parts; part++) sum += sums[part * outputs + byFilters(at)];
                return sum;
              }),
            [sums, bias],
            parts + 1,
          ),
        }),
      },
      {
        name: 'conv2d/forward',
        description,
        kernel: contraction,
        params: conv2dForward(shape, true),
        inputs: { a: w, b: x, bias, aux: bias },
        outputs: { c: outputs },
        reference: () => ({
          c: sumsOf(
            (...v) => conv2dReference(shape, v[0], v[1], v[2], outputs),
            [x, w, bias],
            (channels / groups) * taps + 1,
          ),
        }),
      },
      ...[undefined, activationOf(random, x.length)].map((aux): KernelCase => {
        const gradient = (...v: ArrayLike<number>[]) => through(aux, conv2dInputGradientReference(shape, v[0], v[1]));
        return {
          name: 'conv2d/input-gradient',
          description: description + (aux ? ' after relu' : ''),
          kernel: contraction,
          params: { ...conv2dInputGradient(shape), relu: aux ? RELU.before : RELU.none },
          inputs: { a: w, b: dy, bias: normals(random, 1), aux: aux?.output ?? bias },
          outputs: { c: x.length },
          reference: () => ({ c: sumsOf(gradient, [dy, w], (filters / groups) * taps) }),
          derivative: smooth
            ? {
                at: aux?.argument ?? x,
                upstream: dy,
                forward: (at) => forwardOf(aux ? rectify(at) : at, w),
                gradient: () => gradient(dy, w),
              }
            : undefined,
        };
      }),
      ...[false, true].map(
        (accumulate): KernelCase => ({
          name: 'conv2d/filter-gradient',
          description: description + (accumulate ? ' accumulated' : ''),
          kernel: contraction,
          params: conv2dFilterGradient(shape, accumulate),
          inputs: { a: dy, b: x, bias: normals(random, 1), aux: bias },
          outputs: { c: accumulate ? start : weights },
          reference: () => ({
            c: sumsOf(
              (...v) => {
                const dw = conv2dFilterGradientReference(shape, v[0], v[1], weights);
                return accumulate ? dw.map((value, i) => value + v[2][i]) : dw;
              },
              [dy, x, start],
              batch * outHeight * outWidth + 1,
            ),
          }),
          derivative:
            smooth && accumulate
              ? {
                  at: w,
                  upstream: dy,
                  forward: (at) => forwardOf(x, at),
                  gradient: () => conv2dFilterGradientReference(shape, dy, x, weights),
                }
              : undefined,
        }),
      ),
    ];
  },
});
