import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../src/kernels/conv2d/conv2d.ts';
import { type Conv2dShape, conv2dOutput } from '../../src/kernels/conv2d/shape.ts';
import { conv2dFilterGradientReference, conv2dInputGradientReference, conv2dReference } from '../reference/conv2d.ts';
import { type KernelCase, normals, Random } from './case.ts';

export const shapeName = (s: Conv2dShape) =>
  `x=[${s.batch},${s.channels},${s.height},${s.width}] w=[${s.filters},${s.channels / s.groups},${s.kernel}] ` +
  `s=${s.strides} p=${s.pads} d=${s.dilations} g=${s.groups}`;

/** A random convolution that has an output: odd sizes, any stride, asymmetric pads, dilation, groups. */
export function randomConv2d(random: Random): Conv2dShape {
  for (;;) {
    const groups = 1 + random.integer(3);
    const pair = (n: number): [number, number] => [1 + random.integer(n), 1 + random.integer(n)];
    const shape: Conv2dShape = {
      batch: 1 + random.integer(4),
      channels: groups * (1 + random.integer(5)),
      height: 1 + random.integer(13),
      width: 1 + random.integer(13),
      filters: groups * (1 + random.integer(37)),
      kernel: pair(5),
      strides: pair(3),
      pads: [random.integer(3), random.integer(3), random.integer(3), random.integer(3)],
      dilations: pair(2),
      groups,
    };
    const [height, width] = conv2dOutput(shape);
    if (height >= 1 && width >= 1) return shape;
  }
}

export function conv2dCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const fixed: Conv2dShape[] = [
    // AlexNet's conv1 and conv2 in small: no pads with stride 4; groups with pads.
    {
      batch: 2,
      channels: 3,
      height: 23,
      width: 23,
      filters: 9,
      kernel: [11, 11],
      strides: [4, 4],
      pads: [0, 0, 0, 0],
      dilations: [1, 1],
      groups: 1,
    },
    {
      batch: 3,
      channels: 6,
      height: 9,
      width: 9,
      filters: 34,
      kernel: [5, 5],
      strides: [1, 1],
      pads: [2, 2, 2, 2],
      dilations: [1, 1],
      groups: 2,
    },
    {
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
    },
  ];
  return [...fixed, ...Array.from({ length: 12 }, () => randomConv2d(random))].flatMap((shape): KernelCase[] => {
    const { batch, channels, height, width, filters, kernel, groups } = shape;
    const [outHeight, outWidth] = conv2dOutput(shape);
    const outputs = batch * filters * outHeight * outWidth;
    const weights = (filters * channels * kernel[0] * kernel[1]) / groups;
    const x = normals(random, batch * channels * height * width);
    const w = normals(random, weights);
    const bias = normals(random, filters);
    const dy = normals(random, outputs);
    const start = normals(random, weights);
    return [
      {
        name: `conv2d/forward ${shapeName(shape)}`,
        kernel: contraction,
        params: conv2dForward(shape, true),
        inputs: { a: w, b: x, bias },
        outputs: { c: outputs },
        reference: () => ({ c: conv2dReference(shape, x, w, bias, outputs) }),
      },
      {
        name: `conv2d/input-gradient ${shapeName(shape)}`,
        kernel: contraction,
        params: conv2dInputGradient(shape),
        inputs: { a: w, b: dy, bias: w },
        outputs: { c: x.length },
        reference: () => ({ c: conv2dInputGradientReference(shape, dy, w) }),
      },
      {
        name: `conv2d/filter-gradient, accumulating ${shapeName(shape)}`,
        kernel: contraction,
        params: conv2dFilterGradient(shape, true),
        inputs: { a: dy, b: x, bias: dy },
        outputs: { c: start },
        reference: () => ({
          c: conv2dFilterGradientReference(shape, dy, x, weights).map((value, i) => value + start[i]),
        }),
      },
    ];
  });
}
