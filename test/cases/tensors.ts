/** Cases of the kernels that work by strides: broadcasting arithmetic, transposition, padding. */
import {
  type BinaryOperator,
  binaryKernels,
  binaryParams,
  broadcastGradient,
  broadcastGradientParams,
} from '../../src/kernels/binary/binary.ts';
import { padBackward, padForward, padModes } from '../../src/kernels/pad/pad.ts';
import { sixExtents } from '../../src/kernels/strided.ts';
import { transposeForward, transposeParams } from '../../src/kernels/transpose/transpose.ts';
import * as reference from '../reference/tensors.ts';
import { type KernelCase, normals, Random } from './case.ts';

/** Shapes of result, first and second operand. */
const broadcasts = [
  [[1], [1], [1]],
  [[1009], [1009], [1009]],
  [
    [3, 5, 7],
    [3, 5, 7],
    [3, 1, 7],
  ],
  [
    [2, 3, 5, 4],
    [2, 3, 5, 4],
    [2, 3, 1, 1],
  ],
  [
    [2, 3, 5, 4],
    [2, 1, 1, 4],
    [2, 3, 5, 1],
  ],
  [
    [2, 3, 2, 3, 2, 5],
    [2, 3, 1, 3, 1, 5],
    [1, 3, 2, 1, 2, 1],
  ],
];

export function binaryCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return broadcasts.flatMap(([yShape, aShape, bShape]): KernelCase[] => {
    const a = normals(random, reference.sizeOf(aShape));
    // Divisors keep away from 0, and have both signs.
    const b = normals(random, reference.sizeOf(bShape)).map((value) => value + Math.sign(value));
    const g = normals(random, reference.sizeOf(yShape));
    const six = (shape: number[]) => sixExtents('case', shape);
    const label = `[${yShape}] from [${aShape}] and [${bShape}]`;
    const forward = Object.keys(binaryKernels).map((key): KernelCase => {
      const operator = key as BinaryOperator;
      return {
        name: `binary/${operator} ${label}`,
        kernel: binaryKernels[operator],
        params: binaryParams(six(yShape), six(aShape), six(bShape)),
        inputs: { a, b },
        outputs: { y: g.length },
        reference: () => ({ y: reference.binary(operator, yShape, [a, aShape], [b, bShape]) }),
      };
    });
    const gradient = (accumulate: boolean): KernelCase => ({
      name: `binary/broadcast-gradient [${yShape}] to [${bShape}]${accumulate ? ' accumulated' : ''}`,
      kernel: broadcastGradient,
      params: broadcastGradientParams(six(yShape), six(bShape), { scale: -0.5, accumulate }),
      inputs: { g },
      outputs: { dx: accumulate ? b : b.length },
      reference: () => ({
        dx: reference.unbroadcast(yShape, bShape, g).map((sum, i) => (accumulate ? b[i] : 0) - 0.5 * sum),
      }),
    });
    return [...forward, gradient(false), gradient(true)];
  });
}

export function transposeCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return [
    { shape: [1], perm: [0] },
    { shape: [31, 37], perm: [1, 0] },
    { shape: [3, 5, 7], perm: [0, 2, 1] },
    { shape: [2, 3, 4, 5], perm: [3, 1, 0, 2] },
    { shape: [2, 1, 3, 3, 4, 5], perm: [0, 1, 4, 2, 5, 3] },
  ].map(({ shape, perm }): KernelCase => {
    const x = normals(random, reference.sizeOf(shape));
    const lead = 6 - shape.length;
    const all = [...Array(lead).keys(), ...perm.map((axis) => axis + lead)];
    return {
      name: `transpose/forward [${shape}] by [${perm}]`,
      kernel: transposeForward,
      params: transposeParams(sixExtents('case', shape), all),
      inputs: { x },
      outputs: { y: x.length },
      reference: () => ({ y: reference.transpose(shape, perm, x) }),
    };
  });
}

export function padCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const lines = [
    [1, 1, 1, 0, 0],
    [3, 5, 1, 2, 1],
    [2, 7, 3, 6, 6],
    [5, 4, 11, 0, 3],
    [2, 6, 5, -2, 3],
    [3, 8, 2, 1, -3],
    [2, 9, 3, -4, -4],
  ];
  return lines.flatMap(([outer, size, inner, before, after]) =>
    padModes.flatMap((mode, index): KernelCase[] => {
      const line = reference.paddedLine(size, before, after, mode);
      const x = normals(random, outer * size * inner);
      const dy = normals(random, outer * line.length * inner);
      /** The element of x at each place of y, or -1. */
      const source = Array.from(dy, (_, i) => {
        const k = line[Math.floor(i / inner) % line.length];
        return k < 0 ? -1 : (Math.floor(i / inner / line.length) * size + k) * inner + (i % inner);
      });
      const params = { outer, size, padded: line.length, inner, before, mode: index };
      const name = `[${outer},${size},${inner}] by ${before}, ${after} ${mode}`;
      return [
        {
          name: `pad/forward ${name}`,
          kernel: padForward,
          params: { ...params, value: 2.5 },
          inputs: { x },
          outputs: { y: dy.length },
          reference: () => ({ y: source.map((at) => (at < 0 ? 2.5 : x[at])) }),
        },
        {
          name: `pad/backward ${name}`,
          kernel: padBackward,
          params,
          inputs: { dy },
          outputs: { dx: x.length },
          reference: () => {
            const dx = new Array<number>(x.length).fill(0);
            source.forEach((at, i) => {
              if (at >= 0) dx[at] += dy[i];
            });
            return { dx };
          },
        },
      ];
    }),
  );
}
