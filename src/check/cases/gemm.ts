/** The kernels of a product of matrices: at once, in parts, and of packed panels. */
import { contraction } from '../../kernels/contraction/contraction.ts';
import { contractionSum, planSplit } from '../../kernels/contraction/split.ts';
import { gemm } from '../../kernels/gemm/gemm.ts';
import { type PackParams, packedSize, packMatrix } from '../../kernels/gemm/pack.ts';
import { type PackedTile, packedGemm, packedTiles } from '../../kernels/gemm/packed.ts';
import { LANES } from '../../kernels/rasteriser.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { type Activation, activationOf } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { drawParts } from '../choose.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
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
type Numbers = Float32Array<ArrayBuffer>;

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
  cases(shape, kind, random): KernelCase[] {
    const { m, n, k } = shape;
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const layout = layoutOf(shape);
    const [a, b, bias, start] = [values(m * k), values(k * n), values(n), values((m - 1) * layout.row + n)];
    const aux = layout.relu === RELU.before ? activationOf(random, start.length) : undefined;
    const given: Operands = { a, b, bias, start, aux };
    const parts = drawParts(random, k, Math.max(m, 4) * n);
    const sums = values(parts * m * n);
    return [
      partsCase(layout, given, parts),
      sumCase(layout, given, sums, parts),
      productCase(layout, given),
      // Tiles are as wide as the adapter's subgroup allows; each is right.
      ...LANES.flatMap(packedTiles).map((tile) => packedCase(layout, given, tile)),
      packCase(layout, a),
    ];
  },
});

interface Strides {
  readonly row: number;
  readonly column: number;
}

/** How the operands lie, and what becomes of each sum. */
interface Layout extends Shape {
  readonly a: Strides;
  readonly b: Strides;
  /** of C */
  readonly row: number;
}

function layoutOf(shape: Shape): Layout {
  const { m, n, k, transposes, accumulate, gap } = shape;
  return {
    ...shape,
    relu: accumulate && shape.relu === RELU.after ? RELU.none : shape.relu,
    a: transposes[0] === 'N' ? { row: k, column: 1 } : { row: 1, column: m },
    b: transposes[1] === 'N' ? { row: n, column: 1 } : { row: 1, column: k },
    row: n + gap,
  };
}

interface Operands {
  readonly a: Numbers;
  readonly b: Numbers;
  readonly bias: Numbers;
  /** C before, with what lies between its rows */
  readonly start: Numbers;
  /** the ReLU whose derivative is applied */
  readonly aux: Activation | undefined;
}

const describe = ({ m, n, k, transposes, accumulate, relu }: Layout) =>
  `${transposes} m=${m} n=${n} k=${k}${accumulate ? ' accumulated' : ''}${['', ' relu', ' after relu'][relu]}`;

const flagsOf = ({ accumulate, relu }: Layout) => ({ accumulate: accumulate ? 1 : 0, relu });
const othersOf = ({ bias, aux }: Operands) => ({ bias, aux: aux?.output ?? bias });

/** Of row i of A and column j of B, from l = `from` to before `to`. */
function innerProduct(
  { a, b }: Layout,
  [i, j]: readonly [number, number],
  from: number,
  to: number,
  A: Values,
  B: Values,
) {
  let sum = 0;
  for (let l = from; l < to; l++) sum += A[i * a.row + l * a.column] * B[l * b.row + j * b.column];
  return sum;
}

/** C from its sums, in rows of `row`; what lies between them stays. */
function finish(
  { m, n, row, accumulate, relu }: Layout,
  aux: Activation | undefined,
  bias: Values,
  start: Values,
  sumOf: (i: number, j: number) => number,
): Float64Array {
  const c = Float64Array.from(start);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      const place = i * row + j;
      const sum = aux === undefined || aux.output[place] > 0 ? sumOf(i, j) : 0;
      const value = sum + (accumulate ? start[place] : bias[j]);
      c[place] = relu === RELU.after ? Math.max(value, 0) : value;
    }
  return c;
}

const expectedProduct = (layout: Layout, { a, b, bias, start, aux }: Operands): Expected =>
  sumsOf(
    (...v) => finish(layout, aux, v[2], v[3], (i, j) => innerProduct(layout, [i, j], 0, layout.k, v[0], v[1])),
    [a, b, bias, start],
    layout.k + 1,
  );

const contractionOf = (layout: Layout) => {
  const { m, n, k, a, b, row, accumulate } = layout;
  return { ...gemm({ m, n, k, a, b, cRow: row, bias: !accumulate }), ...flagsOf(layout) };
};

function productCase(layout: Layout, given: Operands): KernelCase {
  return {
    name: 'gemm/product',
    description: describe(layout),
    kernel: contraction,
    params: contractionOf(layout),
    inputs: { a: given.a, b: given.b, ...othersOf(given) },
    outputs: { c: given.start },
    reference: () => ({ c: expectedProduct(layout, given) }),
  };
}

/** The sums over k / parts values each: [parts, m, n]. */
function partsCase(layout: Layout, given: Operands, parts: number): KernelCase {
  const { m, n, k } = layout;
  const { a, b } = given;
  const inParts = (a: Values, b: Values) =>
    Float64Array.from({ length: parts * m * n }, (_, at) => {
      const part = Math.floor(at / m / n);
      const place = [Math.floor(at / n) % m, at % n] as const;
      return innerProduct(layout, place, (part * k) / parts, ((part + 1) * k) / parts, a, b);
    });
  return {
    name: 'gemm/product',
    description: `${describe(layout)} in ${parts} parts`,
    kernel: contraction,
    params: planSplit(contractionOf(layout), k / parts).run,
    inputs: { a, b, ...othersOf(given) },
    outputs: { c: parts * m * n },
    reference: () => ({ c: sumsOf(inParts, [a, b], k / parts) }),
  };
}

function sumCase(layout: Layout, given: Operands, sums: Numbers, parts: number): KernelCase {
  const { m, n, k } = layout;
  const { bias, start, aux } = given;
  const sumOf = (sums: Values) => (i: number, j: number) => {
    let sum = 0;
    for (let part = 0; part < parts; part++) sum += sums[part * m * n + i * n + j];
    return sum;
  };
  return {
    name: 'contraction/sum',
    description: `${describe(layout)} in ${parts} parts`,
    kernel: contractionSum,
    params: planSplit(contractionOf(layout), k / parts).sum,
    inputs: { sums, ...othersOf(given) },
    outputs: { c: start },
    reference: () => ({
      c: sumsOf((...v) => finish(layout, aux, v[1], v[2], sumOf(v[0])), [sums, bias, start], parts + 1),
    }),
  };
}

/** Panels of the rows of A, or of the columns of B. */
const packing = (rows: number, inner: number, tile: number, row: number, column: number): PackParams => ({
  ...{ groups: 1, taps: 1, group: 0, flip: 0 },
  ...{ rows, inner, tile, row, column },
});
const packingOfA = ({ m, k, a }: Layout, tile: number) => packing(m, k, tile, a.row, a.column);
const packingOfB = ({ n, k, b }: Layout, tile: number) => packing(n, k, tile, b.column, b.row);

function packedCase(layout: Layout, given: Operands, tile: PackedTile): KernelCase {
  const { m, n, k, row, accumulate } = layout;
  const { a, b, start } = given;
  return {
    name: 'gemm/packed',
    description: `${describe(layout)} panels of ${tile.rows} x ${tile.columns}`,
    kernel: packedGemm,
    params: {
      ...flagsOf(layout),
      rows: m,
      columns: n,
      depth: k,
      tile_rows: tile.rows,
      tile_columns: tile.columns,
      c_row: row,
      has_bias: accumulate ? 0 : 1,
    },
    inputs: {
      a: pack(a, packingOfA(layout, tile.rows)),
      b: pack(b, packingOfB(layout, tile.columns)),
      ...othersOf(given),
    },
    outputs: { c: start },
    reference: () => ({ c: expectedProduct(layout, given) }),
  };
}

function packCase(layout: Layout, a: Numbers): KernelCase {
  const p = packingOfA(layout, 32);
  return {
    name: 'gemm/pack',
    description: `${describe(layout)} A`,
    kernel: packMatrix,
    params: { ...p },
    inputs: { w: a },
    outputs: { panels: packedSize(p) },
    reference: () => ({ panels: exactly(pack(a, p)) }),
  };
}
