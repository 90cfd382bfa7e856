import { contraction } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit } from '../../kernels/contraction/split.ts';
import { gemm } from '../../kernels/gemm/gemm.ts';
import { type PackParams, packedSize, packMatrix } from '../../kernels/gemm/pack.ts';
import { packedGemm, packedTiles } from '../../kernels/gemm/packed.ts';
import { LANES } from '../../kernels/rasteriser.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { activationOf } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts } from '../choose.ts';
import { exactly, sumsOf } from '../expected.ts';
import { valuesOf } from '../values.ts';

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** of A and of B */
  readonly transposes: 'NN' | 'NT' | 'TN' | 'TT';
  readonly accumulate: boolean;
  /** `after` only where it is not accumulated */
  readonly relu: Relu;
  /** elements between the rows of C */
  readonly gap: number;
}

type Values = ArrayLike<number>;

const TRANSPOSES = ['NN', 'NT', 'TN', 'TT'] as const;
const RELUS = Object.values(RELU);

/** From the definition: every value looks for its place. */
function pack(w: Values, p: PackParams): Float32Array<ArrayBuffer> {
  const panels = new Float32Array(packedSize(p));
  for (let m = 0; m < p.rows; m++)
    for (let k = 0; k < p.inner; k++) {
      panels[(Math.floor(m / p.tile) * p.inner + k) * p.tile + (m % p.tile)] = w[m * p.row + k * p.column];
    }
  return panels;
}

/** C = A B + bias, or C += A B: fully connected layers, forward and both gradients, are these with other transposes. */
export const gemmFamily = defineFamily<Shape>({
  names: ['gemm/product', 'contraction/sum', 'gemm/packed', 'gemm/pack'],
  examples: [
    [1, 1, 1],
    [10, 67, 129],
    [17, 64, 31],
    [64, 128, 64],
    [70, 131, 9],
  ].flatMap(([m, n, k], i) =>
    TRANSPOSES.map((transposes, j) => ({
      m,
      n,
      k,
      transposes,
      accumulate: transposes === 'TN',
      relu: RELUS[(i + j) % 3],
      gap: i,
    })),
  ),
  shape: (choose) => ({
    m: choose(0, 5) === 5 ? choose(18, 71) : choose(1, 17),
    n: choose(0, 5) === 5 ? choose(38, 151) : choose(1, 37),
    k: choose(1, 67),
    transposes: TRANSPOSES[choose(0, 3)],
    accumulate: choose(0, 1) === 1,
    relu: RELUS[choose(0, 2)],
    gap: choose(0, 3),
  }),
  cases({ m, n, k, transposes, accumulate, gap, ...shape }, kind, random): KernelCase[] {
    const relu = accumulate && shape.relu === RELU.after ? RELU.none : shape.relu;
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const row = n + gap;
    const [a, b, bias, start] = [values(m * k), values(k * n), values(n), values((m - 1) * row + n)];
    const aux = relu === RELU.before ? activationOf(random, start.length) : undefined;
    const aStrides = transposes[0] === 'N' ? { row: k, column: 1 } : { row: 1, column: m };
    const bStrides = transposes[1] === 'N' ? { row: n, column: 1 } : { row: 1, column: k };
    /** C in rows of `row`; what lies between them stays. */
    const product = (a: Values, b: Values, bias: Values, start: Values) => {
      const c = Float64Array.from(start);
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          const place = i * row + j;
          let sum = accumulate ? start[place] : bias[j];
          for (let l = 0; l < (aux === undefined || aux.output[place] > 0 ? k : 0); l++) {
            sum += a[i * aStrides.row + l * aStrides.column] * b[l * bStrides.row + j * bStrides.column];
          }
          c[place] = relu === RELU.after ? Math.max(sum, 0) : sum;
        }
      return c;
    };
    const reference = () => ({ c: sumsOf((...v) => product(v[0], v[1], v[2], v[3]), [a, b, bias, start], k + 1) });
    const description = `${transposes} m=${m} n=${n} k=${k}${accumulate ? ' accumulated' : ''}${['', ' relu', ' after relu'][relu]}`;
    const flags = { accumulate: accumulate ? 1 : 0, relu };
    const others = { bias, aux: aux?.output ?? bias };

    const onePanel = { groups: 1, inner: k, taps: 1, group: 0, flip: 0 };
    const packing = (rows: number, tile: number, row: number, column: number) => ({
      ...onePanel,
      rows,
      tile,
      row,
      column,
    });
    // Tiles are as wide as the adapter's subgroup allows; each is right.
    const panels = LANES.flatMap(packedTiles).map((tile): KernelCase => {
      const packA = packing(m, tile.rows, aStrides.row, aStrides.column);
      const packB = packing(n, tile.columns, bStrides.column, bStrides.row);
      return {
        name: 'gemm/packed',
        description: `${description} panels of ${tile.rows} x ${tile.columns}`,
        kernel: packedGemm,
        params: {
          ...flags,
          rows: m,
          columns: n,
          depth: k,
          tile_rows: tile.rows,
          tile_columns: tile.columns,
          c_row: row,
          has_bias: accumulate ? 0 : 1,
        },
        inputs: { a: pack(a, packA), b: pack(b, packB), ...others },
        outputs: { c: start },
        reference,
      };
    });
    const packA = packing(m, 32, aStrides.row, aStrides.column);
    const whole = { ...gemm({ m, n, k, a: aStrides, b: bStrides, cRow: row, bias: !accumulate }), ...flags };
    const parts = drawParts(random, k, Math.max(m, 4) * n);
    const split = planSplit(whole, k / parts);
    const sums = values(parts * m * n);
    /** The sums over k / parts values each, [parts, m, n]. */
    const inParts = (a: Values, b: Values) =>
      Float64Array.from({ length: parts * m * n }, (_, at) => {
        const [part, i, j] = [Math.floor(at / m / n), Math.floor(at / n) % m, at % n];
        let sum = 0;
        for (let l = (part * k) / parts; l < ((part + 1) * k) / parts; l++) {
          sum += a[i * aStrides.row + l * aStrides.column] * b[l * bStrides.row + j * bStrides.column];
        }
        return sum;
      });
    return [
      {
        name: 'gemm/product',
        description: `${description} in ${parts} parts`,
        kernel: contraction,
        params: split.run,
        inputs: { a, b, ...others },
        outputs: { c: parts * m * n },
        reference: () => ({ c: sumsOf(inParts, [a, b], k / parts) }),
      },
      {
        name: 'contraction/sum',
        description: `${description} in ${parts} parts`,
        kernel: contractionSum,
        params: split.sum,
        inputs: { sums, ...others },
        outputs: { c: start },
        reference: () => ({
          c: sumsOf(
            (sums, bias, start) => {
              const c = Float64Array.from(start);
              for (let at = 0; at < m * n; at++) {
                const [i, j] = [Math.floor(at / n), at % n];
                let sum = 0;
                for (let part = 0; part < parts; part++) sum += sums[part * m * n + at];
                if (aux !== undefined && !(aux.output[i * row + j] > 0)) sum = 0;
                sum += accumulate ? start[i * row + j] : bias[j];
                c[i * row + j] = relu === RELU.after ? Math.max(sum, 0) : sum;
              }
              return c;
            },
            [sums, bias, start],
            parts + 1,
          ),
        }),
      },
      {
        name: 'gemm/product',
        description,
        kernel: contraction,
        params: whole,
        inputs: { a, b, ...others },
        outputs: { c: start },
        reference,
      },
      ...panels,
      {
        name: 'gemm/pack',
        description: `${description} A`,
        kernel: packMatrix,
        params: { ...packA },
        inputs: { w: a },
        outputs: { panels: packedSize(packA) },
        reference: () => ({ panels: exactly(pack(a, packA)) }),
      },
    ];
  },
});
