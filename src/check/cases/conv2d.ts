/** The kernels of convolution as a contraction: forward, at once and in parts, and both gradients. */
import { contraction } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit } from '../../kernels/contraction/split.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../kernels/conv2d/conv2d.ts';
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { RELU } from '../../kernels/relu/rule.ts';
import { type Activation, activationOf } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts, fittingBatch, four, pair } from '../choose.ts';
import { sumsOf } from '../expected.ts';
import { conv2dReference } from '../reference/conv2d.ts';
import { normals, valuesOf } from '../values.ts';
import {
  base,
  channelsOfGroup,
  expectedFilterGradient,
  expectedInputGradient,
  expectedOutputs,
  filterGradientClaim,
  inputGradientClaim,
  inputsOf,
  type Operands,
  outputsOf,
  planeOf,
  tapsOf,
  weightsOf,
} from './convolution.ts';

const describe = (s: Conv2dShape) =>
  `x=[${s.batch},${s.channels},${s.height},${s.width}] w=[${s.filters},${s.channels / s.groups},${s.kernel}] ` +
  `s=${s.strides} p=${s.pads} d=${s.dilations} g=${s.groups}`;

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
    const { filters, groups } = shape;
    // Products of two values, so half of the decades each.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [x, w, bias] = [values(inputsOf(shape)), values(weightsOf(shape)), values(filters)];
    const [dy, start] = [values(outputsOf(shape)), values(w.length)];
    const given: Operands = { x, w, bias, dy };
    // The narrowest tile has 16 columns, and more rows than there may be filters in a group.
    const perPart = shape.batch * planeOf(shape) * Math.max(filters, 4 * groups);
    const parts = drawParts(random, channelsOfGroup(shape), perPart);
    const sums = values(parts * outputsOf(shape));
    return [
      partsCase(shape, given, parts),
      sumCase(shape, sums, bias, parts),
      forwardCase(shape, given),
      ...[undefined, activationOf(random, x.length)].map((aux) => ({
        ...inputGradientCase(shape, given, normals(random, 1), aux),
        derivative: kind === 'normal' ? inputGradientClaim(shape, given, aux) : undefined,
      })),
      filterGradientCase(shape, given, normals(random, 1)),
      {
        ...filterGradientCase(shape, given, normals(random, 1), start),
        derivative: kind === 'normal' ? filterGradientClaim(shape, given) : undefined,
      },
    ];
  },
});

type Values = ArrayLike<number>;
type Numbers = Float32Array<ArrayBuffer>;

function forwardCase(shape: Conv2dShape, given: Operands): KernelCase {
  const { x, w, bias } = given;
  return {
    name: 'conv2d/forward',
    description: describe(shape),
    kernel: contraction,
    params: conv2dForward(shape, true),
    inputs: { a: w, b: x, bias, aux: bias },
    outputs: { c: outputsOf(shape) },
    reference: () => ({ c: expectedOutputs(shape, given) }),
  };
}

const splitOf = (shape: Conv2dShape, parts: number) =>
  planSplit(conv2dForward(shape, true), (channelsOfGroup(shape) * tapsOf(shape)) / parts);

/** Where the output at `at` of [batch, filters, plane] is in [filters, batch, plane], as a part is stored. */
function byFilters(shape: Conv2dShape, at: number): number {
  const { batch, filters } = shape;
  const plane = planeOf(shape);
  const [item, filter] = [Math.floor(at / plane / filters), Math.floor(at / plane) % filters];
  return (filter * batch + item) * plane + (at % plane);
}

/** Over some channels of each group at a time: [parts, filters, batch, plane]. */
function partsCase(shape: Conv2dShape, { x, w, bias }: Operands, parts: number): KernelCase {
  const perGroup = channelsOfGroup(shape);
  const outputs = outputsOf(shape);
  const inParts = (x: Values, w: Values) => {
    const all = new Float64Array(parts * outputs);
    for (let part = 0; part < parts; part++) {
      const own = Float64Array.from(x, (value, at) => {
        const channel = Math.floor(at / shape.height / shape.width) % perGroup;
        return Math.floor((channel * parts) / perGroup) === part ? value : 0;
      });
      Array.from(conv2dReference(shape, own, w, undefined, outputs)).forEach((value, at) => {
        all[part * outputs + byFilters(shape, at)] = value;
      });
    }
    return all;
  };
  return {
    name: 'conv2d/forward',
    description: `${describe(shape)} in ${parts} parts`,
    kernel: contraction,
    params: splitOf(shape, parts).run,
    inputs: { a: w, b: x, bias, aux: bias },
    outputs: { c: parts * outputs },
    reference: () => ({ c: sumsOf(inParts, [x, w], (perGroup / parts) * tapsOf(shape)) }),
  };
}

/** The sum of the parts, and the bias. */
function sumCase(shape: Conv2dShape, sums: Numbers, bias: Numbers, parts: number): KernelCase {
  const outputs = outputsOf(shape);
  const sum = (sums: Values, bias: Values) =>
    Float64Array.from({ length: outputs }, (_, at) => {
      let sum = bias[Math.floor(at / planeOf(shape)) % shape.filters];
      for (let part = 0; part < parts; part++) sum += sums[part * outputs + byFilters(shape, at)];
      return sum;
    });
  return {
    name: 'contraction/sum',
    description: `${describe(shape)} in ${parts} parts`,
    kernel: contractionSum,
    params: splitOf(shape, parts).sum,
    inputs: { sums, bias, aux: bias },
    outputs: { c: outputs },
    reference: () => ({ c: sumsOf(sum, [sums, bias], parts + 1) }),
  };
}

/** @param unread for a binding that nothing reads; @param aux the ReLU before, whose outputs the images are */
function inputGradientCase(shape: Conv2dShape, given: Operands, unread: Numbers, aux?: Activation): KernelCase {
  const { x, w, bias, dy } = given;
  return {
    name: 'conv2d/input-gradient',
    description: describe(shape) + (aux ? ' after relu' : ''),
    kernel: contraction,
    params: { ...conv2dInputGradient(shape), relu: aux ? RELU.before : RELU.none },
    inputs: { a: w, b: dy, bias: unread, aux: aux?.output ?? bias },
    outputs: { c: x.length },
    reference: () => ({ c: expectedInputGradient(shape, given, aux) }),
  };
}

/** @param onto what the gradient is added to */
function filterGradientCase(shape: Conv2dShape, given: Operands, unread: Numbers, onto?: Numbers): KernelCase {
  const { x, w, bias, dy } = given;
  return {
    name: 'conv2d/filter-gradient',
    description: describe(shape) + (onto ? ' accumulated' : ''),
    kernel: contraction,
    params: conv2dFilterGradient(shape, onto !== undefined),
    inputs: { a: dy, b: x, bias: unread, aux: bias },
    outputs: { c: onto ?? w.length },
    reference: () => ({ c: expectedFilterGradient(shape, given, onto) }),
  };
}
