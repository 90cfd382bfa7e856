import { lrnBackward, lrnForward } from '../../src/kernels/lrn/lrn.ts';
import * as reference from '../reference/lrn.ts';
import { type KernelCase, normals, Random } from './case.ts';

export function lrnCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const shapes = [
    { batch: 1, channels: 1, plane: 1, size: 5 },
    { batch: 2, channels: 7, plane: 13, size: 1 },
    { batch: 2, channels: 7, plane: 13, size: 2 },
    { batch: 1, channels: 11, plane: 5, size: 3 },
    { batch: 3, channels: 6, plane: 67, size: 4 },
    { batch: 2, channels: 17, plane: 31, size: 5 },
    { batch: 2, channels: 9, plane: 7, size: 6 },
    { batch: 2, channels: 13, plane: 3, size: 7 },
    { batch: 1, channels: 3, plane: 10, size: 8 },
    { batch: 1, channels: 4, plane: 9, size: 9 },
    { batch: 2, channels: 5, plane: 4, size: 12 },
    { batch: 1, channels: 3, plane: 2, size: 31 },
  ];
  return shapes.flatMap((shape, i): KernelCase[] => {
    // alpha = 1 makes the neighbours count; the zoo's 1e-4 would hide a wrong window.
    const beta = i % 3 === 0 ? 0.6 : 0.75;
    const params = { ...shape, alpha: 1, beta, bias: i % 2 === 0 ? 1 : 2 };
    const exact = { ...params, beta: Math.fround(beta) };
    const count = shape.batch * shape.channels * shape.plane;
    const x = normals(random, count);
    const dy = normals(random, count);
    const name = `[${shape.batch},${shape.channels},${shape.plane}] size ${shape.size} beta ${beta}`;
    return [
      {
        name: `lrn/forward ${name}`,
        kernel: lrnForward,
        params,
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: reference.lrn(exact, x) }),
      },
      {
        name: `lrn/backward ${name}`,
        kernel: lrnBackward,
        params,
        inputs: { x, dy },
        outputs: { dx: count },
        reference: () => ({ dx: reference.lrnBackward(exact, x, dy) }),
      },
    ];
  });
}
