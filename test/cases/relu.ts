import { reluBackward, reluForward } from '../../src/kernels/relu/relu.ts';
import { type KernelCase, normals, Random } from './case.ts';

export function reluCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return [1, 7, 64, 1009].flatMap((count): KernelCase[] => {
    const x = normals(random, count);
    x[0] = 0;
    const y = x.map((value) => Math.max(value, 0));
    const dy = normals(random, count);
    return [
      {
        name: `relu/forward n=${count}`,
        kernel: reluForward,
        params: { count },
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: Array.from(x, (value) => Math.max(value, 0)) }),
      },
      {
        name: `relu/backward n=${count}`,
        kernel: reluBackward,
        params: { count },
        inputs: { y, dy },
        outputs: { dx: count },
        reference: () => ({ dx: Array.from(x, (value, i) => (value > 0 ? dy[i] : 0)) }),
      },
    ];
  });
}
