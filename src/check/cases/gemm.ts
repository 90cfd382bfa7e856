import { contraction } from '../../kernels/contraction/contraction.ts';
import { gemm } from '../../kernels/gemm/gemm.ts';
import { defineFamily } from '../case.ts';
import { sumsOf } from '../expected.ts';
import { valuesOf } from '../values.ts';

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** of A and of B */
  readonly transposes: 'NN' | 'NT' | 'TN' | 'TT';
  readonly accumulate: boolean;
}

const TRANSPOSES = ['NN', 'NT', 'TN', 'TT'] as const;

/** C = A B + bias, or C += A B: fully connected layers, forward and both gradients, are these with other transposes. */
export const gemmFamily = defineFamily<Shape>({
  names: ['gemm/product'],
  examples: [
    [1, 1, 1],
    [10, 67, 129],
    [17, 64, 31],
    [64, 128, 64],
    [70, 131, 9],
  ].flatMap(([m, n, k]) => TRANSPOSES.map((transposes) => ({ m, n, k, transposes, accumulate: transposes === 'TN' }))),
  shape: (choose) => ({
    m: choose(0, 5) === 5 ? choose(18, 71) : choose(1, 17),
    n: choose(0, 5) === 5 ? choose(38, 151) : choose(1, 37),
    k: choose(1, 67),
    transposes: TRANSPOSES[choose(0, 3)],
    accumulate: choose(0, 1) === 1,
  }),
  cases({ m, n, k, transposes, accumulate }, kind, random) {
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const [a, b, bias, start] = [values(m * k), values(k * n), values(n), values(m * n)];
    const aStrides = transposes[0] === 'N' ? { row: k, column: 1 } : { row: 1, column: m };
    const bStrides = transposes[1] === 'N' ? { row: n, column: 1 } : { row: 1, column: k };
    const product = (a: ArrayLike<number>, b: ArrayLike<number>, bias: ArrayLike<number>, start: ArrayLike<number>) => {
      const c = new Float64Array(m * n);
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = accumulate ? start[i * n + j] : bias[j];
          for (let l = 0; l < k; l++) {
            sum += a[i * aStrides.row + l * aStrides.column] * b[l * bStrides.row + j * bStrides.column];
          }
          c[i * n + j] = sum;
        }
      return c;
    };
    return [
      {
        name: 'gemm/product',
        description: `${transposes} m=${m} n=${n} k=${k}${accumulate ? ' accumulated' : ''}`,
        kernel: contraction,
        params: gemm({ m, n, k, a: aStrides, b: bStrides, cRow: n, bias: !accumulate, accumulate }),
        inputs: { a, b, bias },
        outputs: { c: accumulate ? start : m * n },
        reference: () => ({ c: sumsOf((...v) => product(v[0], v[1], v[2], v[3]), [a, b, bias, start], k + 1) }),
      },
    ];
  },
});
