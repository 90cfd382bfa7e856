import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { gemm } from '../../src/kernels/gemm/gemm.ts';
import { type KernelCase, normals, Random } from './case.ts';

export function gemmCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const shapes = [
    [1, 1, 1],
    [10, 67, 129],
    [17, 64, 31],
    [64, 128, 64],
    ...Array.from({ length: 6 }, () => [1 + random.integer(70), 1 + random.integer(150), 1 + random.integer(90)]),
  ];
  return shapes.flatMap(([m, n, k]) =>
    ['NN', 'NT', 'TN', 'TT'].map((transposes): KernelCase => {
      const a = normals(random, m * k);
      const b = normals(random, k * n);
      const bias = normals(random, n);
      const aStrides = transposes[0] === 'N' ? { row: k, column: 1 } : { row: 1, column: m };
      const bStrides = transposes[1] === 'N' ? { row: n, column: 1 } : { row: 1, column: k };
      return {
        name: `gemm ${transposes} m=${m} n=${n} k=${k}`,
        kernel: contraction,
        params: gemm({ m, n, k, a: aStrides, b: bStrides, cRow: n, bias: true }),
        inputs: { a, b, bias },
        outputs: { c: m * n },
        reference: () => {
          const c = new Float64Array(m * n);
          for (let i = 0; i < m; i++)
            for (let j = 0; j < n; j++) {
              let sum = bias[j];
              for (let l = 0; l < k; l++) {
                sum += a[i * aStrides.row + l * aStrides.column] * b[l * bStrides.row + j * bStrides.column];
              }
              c[i * n + j] = sum;
            }
          return { c };
        },
      };
    }),
  );
}
