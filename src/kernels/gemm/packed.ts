/**
 * Matrix products of packed operands (./pack.ts), for rasterisers in software and large matrices. One product,
 *
 *   C[m, n] (+)= bias[n] + sum over k of  A[m, k] * B[k, n]
 *
 * into rows that lie `c_row` elements apart, and many small ones of one shape, whose C is read by kernels of our own and
 * may have rows of whole vectors (`c_row` vectors each), which are quicker to write:
 *
 *   C[e, m, n] = sum over k of  A[e, m, k] * B[e, k, n]
 *
 * a: panels of `tile_rows` rows of A, b: panels of `tile_columns` columns of B; the panels of one product e follow those
 * of the one before.
 *
 * broadcast: a workgroup is one subgroup; each lane holds `rows` rows of `vectors` vectors of columns, and takes `steps`
 * values of k at a time. Of the two shapes, equally quick, the one is packed for that hangs less over the edges of C. On
 * lavapipe a sum is touched by a load, a blend by the mask of active lanes and a store, so two steps touch it once for two
 * products; the text of three leaves the processor's cache of decoded instructions, which costs more. On an idle machine
 * whose multiply-add loop shows 95 GFLOP/s, one step reaches 59, two 65, three 45.
 */
import {
  type Capabilities,
  type Configuration,
  defineKernel,
  type Params,
  perElement,
  type Variant,
} from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { heldFunction } from '../nan.ts';
import { LANES, loadOf, range } from '../rasteriser.ts';
import { RELU } from '../relu/rule.ts';

const shape = {
  rows: 'u32',
  columns: 'u32',
  depth: 'u32',
  tile_rows: 'u32',
  tile_columns: 'u32',
  c_row: 'u32',
} as const;

const params = {
  ...shape,
  has_bias: 'u32',
  accumulate: 'u32',
  /** `RELU`: 1, C = max(the sum with its bias, 0), not with accumulate; 2, the sum is 0 unless aux > 0 at C's place */
  relu: 'u32',
} as const;

/** `c_row` in vectors of four; columns up to there are written as the panels of B have them. */
const batchParams = { ...shape, products: 'u32' } as const;

export type PackedGemmParams = Params<typeof params>;
export type PackedGemmBatchParams = Params<typeof batchParams>;
type Shape = Params<typeof shape>;

/** Rows and vectors of columns a lane: 256 sums, 8 KiB of the nearest cache; with more, text and sums leave it. */
const SHAPES = [
  { rows: 32, vectors: 2 },
  { rows: 64, vectors: 1 },
] as const;

/** Rows and columns of C that a workgroup sums: what its operands are packed by. */
export interface PackedTile {
  readonly rows: number;
  readonly columns: number;
}

/** All that there are for a subgroup of so many lanes. */
export const packedTiles = (lanes: number): PackedTile[] =>
  SHAPES.map(({ rows, vectors }) => ({ rows, columns: 4 * vectors * lanes }));

/** The tile for a C of so many rows and columns: whose sums beyond the edges are the fewest. */
export function packedTile(lanes: number, rows: number, columns: number): PackedTile {
  const padded = (tile: PackedTile) =>
    Math.ceil(rows / tile.rows) * tile.rows * Math.ceil(columns / tile.columns) * tile.columns;
  return packedTiles(lanes).reduce((best, tile) => (padded(tile) < padded(best) ? tile : best));
}

/** Workgroups of one product. */
export const packedTilesOf = (p: Shape) => Math.ceil(p.rows / p.tile_rows) * Math.ceil(p.columns / p.tile_columns);

/** Values of k that are taken at a time: the first is the default. */
const STEPS = [2, 1];

const configurations = LANES.flatMap((lanes) =>
  SHAPES.flatMap((shape) => STEPS.map((steps) => ({ lanes, ...shape, steps }))),
);

/** Instructions of all lanes together for one product, in those of a vector as wide as the subgroup. */
export function packedGemmTime(p: Shape, lanes: number, steps = STEPS[0]): number {
  const loads = p.tile_rows / 4 / lanes + p.tile_columns / 4 / lanes;
  const sums = (p.tile_rows * p.tile_columns) / lanes;
  const perStep = loads * loadOf(lanes) * lanes;
  return (
    packedTilesOf(p) *
    (Math.ceil(p.depth / steps) * (steps * perStep + sums * (2 * steps + 3)) + (sums / 4) * loadOf(lanes) * lanes)
  );
}

/** How the texts of single precision alone read. */
const SINGLE: Pick<Memory, 'load'> = { load: (binding, index) => `${binding}[${index}]` };

const serves = ({ subgroupWidth }: Capabilities, { lanes, rows, vectors }: Configuration, p: Shape) =>
  lanes === subgroupWidth && p.tile_rows === rows && p.tile_columns === 4 * vectors * lanes;

/**
 * The sums of the tile m_block, n_block of product e, in c0_0, c0_1 ..: row, vector of columns. Each takes its products
 * in the order of k, whatever the number of steps.
 */
function sumTile(
  { lanes, rows, vectors, steps }: Configuration,
  products: '1u' | 'p.products',
  { load }: Pick<Memory, 'load'> = SINGLE,
): string {
  const own = rows / 4 / lanes;
  const width = vectors * lanes;
  // Beyond the depth lies the next panel: a step there adds zeros.
  const guarded = (value: string, step: number) =>
    step === 0 ? value : `select(vec4f(), ${value}, k + ${step}u < p.depth)`;
  return /* wgsl */ `
  let m_blocks = (p.rows + ${rows - 1}u) / ${rows}u;
  let n_blocks = (p.columns + ${4 * width - 1}u) / ${4 * width}u;
  let m_block = workgroup % m_blocks;
  let n_block = (workgroup / m_blocks) % n_blocks;
  let e = workgroup / (m_blocks * n_blocks);
  if (e >= ${products}) { return; }
  let a_0 = p.a_base + (e * m_blocks + m_block) * p.depth * ${rows / 4}u + lane;
  let b_0 = p.b_base + (e * n_blocks + n_block) * p.depth * ${width}u + lane;
${range(rows)
  .map(
    (m) =>
      `  ${range(vectors)
        .map((j) => `var c${m}_${j} = vec4f();`)
        .join(' ')}`,
  )
  .join('\n')}
  for (var k = 0u; k < p.depth; k += ${steps}u) {
    let a_k = a_0 + k * ${rows / 4}u;
    let b_k = b_0 + k * ${width}u;
${range(steps)
  .flatMap((step) => [
    ...range(vectors).map(
      (j) => `    let b${step}_${j} = ${guarded(load('b', `b_k + ${step * width + j * lanes}u`), step)};`,
    ),
    ...range(own).map(
      (i) => `    let a${step}_${i} = ${guarded(load('a', `a_k + ${(step * rows) / 4 + i * lanes}u`), step)};`,
    ),
  ])
  .join('\n')}
${range(rows)
  .map((m) => {
    const vector = m >> 2;
    const values = range(steps).map(
      (step) =>
        `let x${step} = subgroupBroadcast(a${step}_${Math.floor(vector / lanes)}[${m & 3}], ${vector % lanes}u);`,
    );
    const sums = range(vectors).map((j) => {
      const sum = range(steps).reduce((before, step) => `(${before} + x${step} * b${step}_${j})`, `c${m}_${j}`);
      return `c${m}_${j} = ${sum};`;
    });
    return `    { ${[...values, ...sums].join(' ')} }`;
  })
  .join('\n')}
  }
  // The stores stand in loops of unknown length: unrolled, they would take seconds to compile.
  var sums = array<vec4f, ${rows * vectors}>(${range(rows)
    .flatMap((m) => range(vectors).map((j) => `c${m}_${j}`))
    .join(', ')});
  let m_0 = m_block * ${rows}u;
  let count = min(${rows}u, p.rows - m_0);`;
}

const broadcast: Variant<typeof params> = {
  name: 'broadcast',
  subgroups: true,
  configurations,
  workgroupSize: ({ lanes }) => lanes,
  supports: serves,
  workgroups: packedTilesOf,
  estimate: (p, { lanes, steps }) => packedGemmTime(p, lanes, steps),
  text: ({ lanes, rows, vectors, steps }, memory) => ({
    main: /* wgsl */ `${sumTile({ lanes, rows, vectors, steps }, '1u')}
  for (var j = 0u; j < ${4 * vectors}u; j++) {
    let n = n_block * ${4 * vectors * lanes}u + (j >> 2u) * ${4 * lanes}u + lane * 4u + (j & 3u);
    if (n >= p.columns) { break; }
    var offset = 0.0;
    if (p.has_bias == 1u) { offset = bias[p.bias_base + n]; }
    for (var m = 0u; m < differentiated(count); m++) {
      let own = sums[m * ${vectors}u + (j >> 2u)][j & 3u];
      sums[m * ${vectors}u + (j >> 2u)][j & 3u] = derivative(own, operand_at((m_0 + m) * p.c_row + n));
    }
    for (var m = 0u; m < count; m++) {
      let place = p.c_base + (m_0 + m) * p.c_row + n;
      let value = sums[m * ${vectors}u + (j >> 2u)][j & 3u] + offset;
      let sum = combined(value, (m_0 + m) * p.c_row + n, m_0 + m);
      ${storeSum(memory)}
    }
  }`,
  }),
};

/** Writes the variable `sum` at `place`. */
const storeSum = ({ store, add, updates }: Memory): string => {
  const written = store('c', 'place', 'activated(sum)');
  return updates('c') ? written : `if (p.accumulate == 1u) { ${add('c', 'place', 'sum')} } else { ${written} }`;
};

/** One value of a panel: row or column i of `tile`, inner index k. */
const elementText = ({ load }: Pick<Memory, 'load'>) => /* wgsl */ `
fn panel_at(i: u32, tile: u32, e: u32, blocks: u32, k: u32) -> u32 {
  return ((e * blocks + i / tile) * p.depth + k) * tile + i % tile;
}
fn sum_of(e: u32, m: u32, n: u32) -> f32 {
  let m_blocks = (p.rows + p.tile_rows - 1u) / p.tile_rows;
  let n_blocks = (p.columns + p.tile_columns - 1u) / p.tile_columns;
  var sum = 0.0;
  for (var k = 0u; k < p.depth; k++) {
    let a_at = panel_at(m, p.tile_rows, e, m_blocks, k);
    let b_at = panel_at(n, p.tile_columns, e, n_blocks, k);
    sum += ${load('a', 'p.a_base + a_at / 4u')}[a_at % 4u] * ${load('b', 'p.b_base + b_at / 4u')}[b_at % 4u];
  }
  return sum;
}`;

const vectors = { access: 'read', type: 'vec4f' } as const;

export const packedGemm = defineKernel({
  name: 'gemm/packed',
  applies: 'epilogue',
  params,
  bindings: {
    a: vectors,
    b: vectors,
    bias: { access: 'read' },
    aux: { access: 'read' },
    c: { access: 'write', gradient: true },
  },
  cost: (p, of) => ({
    flops: 2 * p.rows * p.columns * p.depth,
    bytes:
      4 * p.depth * (p.rows + p.columns) +
      p.rows * p.columns * (of.c * (1 + p.accumulate) + of.aux * (p.relu === RELU.before ? 1 : 0)),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => p.rows * p.columns,
        'p.rows * p.columns',
        (memory) => /* wgsl */ `
  let n = index % p.columns;
  let m = index / p.columns;
  var sum = sum_of(0u, m, n);
  let rest = m * p.c_row + n;
  for (var i = 0u; i < differentiated(1u); i++) { sum = derivative(sum, operand_at(rest)); }
  let place = p.c_base + rest;
  if (p.has_bias == 1u) { sum += bias[p.bias_base + n]; }
  sum = combined(sum, rest, m);
  ${storeSum(memory)}`,
        elementText(SINGLE),
      ),
      estimate: (p) => p.rows * p.columns * p.depth * 60,
    },
    broadcast,
  ],
});

const halfVectors = { ...vectors, half: true } as const;

/** Sums that halves do not hold become NaN (../nan.ts). */
const storeFour = ({ halves, store }: Memory, index: string, four: string) =>
  store('c', index, halves.has('c') ? `held(${four})` : four);
const heldText = ({ halves }: Memory) => (halves.has('c') ? heldFunction('vec4f') : undefined);

const vectorsOf = (p: PackedGemmBatchParams) => p.products * p.rows * p.c_row;

const batchBroadcast: Variant<typeof batchParams> = {
  name: 'broadcast',
  subgroups: true,
  configurations,
  workgroupSize: ({ lanes }) => lanes,
  supports: serves,
  workgroups: (p) => p.products * packedTilesOf(p),
  estimate: (p, { lanes, steps }) => p.products * packedGemmTime(p, lanes, steps),
  text: ({ lanes, rows, vectors, steps }, memory) => ({
    declarations: heldText(memory),
    main: /* wgsl */ `${sumTile({ lanes, rows, vectors, steps }, 'p.products', memory)}
  for (var j = 0u; j < ${vectors}u; j++) {
    let n = (n_block * ${vectors}u + j) * ${lanes}u + lane;
    if (n >= p.c_row) { break; }
    let place = p.c_base + (e * p.rows + m_0) * p.c_row + n;
    for (var m = 0u; m < count; m++) { ${storeFour(memory, 'place + m * p.c_row', `sums[m * ${vectors}u + j]`)} }
  }`,
  }),
};

export const packedGemmBatch = defineKernel({
  name: 'gemm/packed-batch',
  params: batchParams,
  bindings: { a: halfVectors, b: halfVectors, c: { ...halfVectors, access: 'write' } },
  cost: (p, of) => ({
    flops: 2 * p.products * p.rows * p.columns * p.depth,
    bytes: p.products * (p.depth * (of.a * p.rows + of.b * p.columns) + of.c * p.rows * p.columns),
  }),
  variants: [
    {
      ...perElement<typeof batchParams>(
        vectorsOf,
        'p.products * p.rows * p.c_row',
        (memory) => /* wgsl */ `
  let n = (index % p.c_row) * 4u;
  let row = index / p.c_row;
  let e = row / p.rows;
  var four = vec4f();
  for (var i = 0u; i < 4u; i++) { four[i] = sum_of(e, row - e * p.rows, n + i); }
  ${storeFour(memory, 'p.c_base + index', 'four')}`,
        (memory) => elementText(memory) + (heldText(memory) ?? ''),
      ),
      estimate: (p) => vectorsOf(p) * p.depth * 240,
    },
    batchBroadcast,
  ],
});
