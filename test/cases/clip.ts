import { clipBackward, clipForward } from '../../src/kernels/clip/clip.ts';
import { type KernelCase, normals, Random } from './case.ts';

export function clipCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const bounds = [
    [0, 6],
    [-0.5, 0.25],
    [Number.NEGATIVE_INFINITY, 0.125],
    [-0.75, Number.POSITIVE_INFINITY],
    // Bounds that cross: the upper one wins.
    [0.5, -0.5],
  ];
  return bounds.flatMap(([low, high], i): KernelCase[] => {
    const count = [1, 7, 64, 1009, 130][i];
    const x = normals(random, count);
    x[0] = low;
    const dy = normals(random, count);
    const params = { count, low, high };
    return [
      {
        name: `clip/forward n=${count} [${low}, ${high}]`,
        kernel: clipForward,
        params,
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: Array.from(x, (value) => Math.min(Math.max(value, low), high)) }),
      },
      {
        name: `clip/backward n=${count} [${low}, ${high}]`,
        kernel: clipBackward,
        params,
        inputs: { x, dy },
        outputs: { dx: count },
        reference: () => ({ dx: Array.from(x, (value, i) => (low <= value && value <= high ? dy[i] : 0)) }),
      },
    ];
  });
}
