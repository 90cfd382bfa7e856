import { concatCopy } from '../../src/kernels/concat/concat.ts';
import { type KernelCase, normals, Random } from './case.ts';

/** Copies that fill y: both sides are one row long, or a row is taken out of a wider one. */
export function concatCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return [
    [1, 1, 1, 0],
    [3, 7, 7, 0],
    [5, 13, 31, 18],
    [17, 64, 65, 1],
  ].map(([rows, length, stride, offset]): KernelCase => {
    const x = normals(random, rows * stride);
    return {
      name: `concat/copy ${rows} rows of ${length} from ${stride} at ${offset}`,
      kernel: concatCopy,
      params: { rows, length, x_stride: stride, x_offset: offset, y_stride: length, y_offset: 0 },
      inputs: { x },
      outputs: { y: rows * length },
      reference: () => ({
        y: Array.from({ length: rows * length }, (_, i) => x[Math.floor(i / length) * stride + offset + (i % length)]),
      }),
    };
  });
}
