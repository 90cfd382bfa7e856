/** Cases of the kernels whose formula is one line: bias, affine, add, fill. */
import { addAccumulate } from '../../src/kernels/add/add.ts';
import { affineBackward, affineForward } from '../../src/kernels/affine/affine.ts';
import { biasForward, biasGradient } from '../../src/kernels/bias/bias.ts';
import { fillConstant } from '../../src/kernels/fill/fill.ts';
import { type KernelCase, normals, Random } from './case.ts';

const shapes = [
  { batch: 1, channels: 1, plane: 1 },
  { batch: 10, channels: 67, plane: 1 },
  { batch: 3, channels: 5, plane: 13 },
  { batch: 2, channels: 7, plane: 1009 },
];

type Shape = (typeof shapes)[number];
const size = (s: Shape) => s.batch * s.channels * s.plane;
const channelOf = (s: Shape, at: number) => Math.floor(at / s.plane) % s.channels;
const label = (s: Shape) => `[${s.batch},${s.channels},${s.plane}]`;

export function biasCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return shapes.flatMap((shape): KernelCase[] => {
    const x = normals(random, size(shape));
    const b = normals(random, shape.channels);
    const gradient = (accumulate: number): KernelCase => ({
      name: `bias/gradient ${label(shape)}${accumulate ? ' accumulated' : ''}`,
      kernel: biasGradient,
      params: { ...shape, accumulate },
      inputs: { dy: x },
      outputs: { db: accumulate ? b : b.length },
      // A sum of n values of size 1 may come out near 0.
      tolerance: { absolute: 1e-6 * Math.max(10, shape.batch * shape.plane), relative: 1e-5 },
      reference: () => {
        const db = Array.from(b, (value) => accumulate * value);
        x.forEach((value, at) => {
          db[channelOf(shape, at)] += value;
        });
        return { db };
      },
    });
    return [
      {
        name: `bias/forward ${label(shape)}`,
        kernel: biasForward,
        params: shape,
        inputs: { x, b },
        outputs: { y: x.length },
        reference: () => ({ y: Array.from(x, (value, at) => value + b[channelOf(shape, at)]) }),
      },
      gradient(0),
      gradient(1),
    ];
  });
}

export function affineCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return shapes.flatMap((shape, i): KernelCase[] => {
    const [scale_step, shift_step] = [i % 2, (i >> 1) % 2];
    const x = normals(random, size(shape));
    const scale = normals(random, scale_step ? shape.channels : 1);
    const shift = normals(random, shift_step ? shape.channels : 1);
    const scaleOf = (at: number) => scale[scale_step ? channelOf(shape, at) : 0];
    const shiftOf = (at: number) => shift[shift_step ? channelOf(shape, at) : 0];
    return [
      {
        name: `affine/forward ${label(shape)} steps ${scale_step}, ${shift_step}`,
        kernel: affineForward,
        params: { ...shape, scale_step, shift_step },
        inputs: { x, scale, shift },
        outputs: { y: x.length },
        reference: () => ({ y: Array.from(x, (value, at) => value * scaleOf(at) + shiftOf(at)) }),
      },
      {
        name: `affine/backward ${label(shape)} step ${scale_step}`,
        kernel: affineBackward,
        params: { ...shape, scale_step },
        inputs: { dy: x, scale },
        outputs: { dx: x.length },
        reference: () => ({ dx: Array.from(x, (value, at) => value * scaleOf(at)) }),
      },
    ];
  });
}

export function addCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return [1, 67, 1009].flatMap((count): KernelCase[] => {
    const [a, b] = [normals(random, count), normals(random, count)];
    const sum = () => ({ y: Array.from(a, (value, i) => value + b[i]) });
    return [
      {
        name: `add/accumulate n=${count}`,
        kernel: addAccumulate,
        params: { count },
        inputs: { a },
        outputs: { y: b },
        reference: sum,
      },
      {
        name: `fill/constant n=${count}`,
        kernel: fillConstant,
        params: { count, value: -2.5 },
        inputs: {},
        outputs: { y: count },
        reference: () => ({ y: new Array(count).fill(-2.5) }),
      },
    ];
  });
}
