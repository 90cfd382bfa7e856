/**
 * The matrix product of packed operands (../panels/pack.ts), for rasterisers in software and large matrices:
 *
 *   C[m, n] (+)= bias[n] + sum over k of  A[m, k] * B[k, n]
 *
 * a: panels of `tile_rows` rows of A, b: panels of `tile_columns` columns of B, both zero from the sum's end up to
 * `depth`. C's columns are neighbours, its rows lie `c_row` elements apart.
 *
 * broadcast: a workgroup is one subgroup; each lane holds ROWS rows of VECTORS vectors of columns. STEP values of k at a
 * time, so that an accumulator is touched once for STEP products: on lavapipe each touch is a load, a blend by the mask
 * of active lanes and a store, as much as the product itself.
 */
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { LANES, LOAD, range } from '../rasteriser.ts';
import { ACTIVATION } from '../relu/relu.ts';

const params = {
  rows: 'u32',
  columns: 'u32',
  /** a multiple of STEP */
  depth: 'u32',
  tile_rows: 'u32',
  tile_columns: 'u32',
  c_row: 'u32',
  has_bias: 'u32',
  accumulate: 'u32',
  /** 1: C = max(the sum with its bias, 0); not with accumulate */
  relu: 'u32',
} as const;

export type PanelProductParams = Params<typeof params>;

/** Rows and vectors of columns a lane: 256 sums, 8 KiB of the nearest cache; with more, text and sums leave it. */
export const ROWS = 32;
export const VECTORS = 2;
/** Values of k whose products are added at once: more make a text that leaves the instruction cache. */
export const STEP = 4;

const tilesOf = (p: PanelProductParams) => Math.ceil(p.rows / p.tile_rows) * Math.ceil(p.columns / p.tile_columns);

/** Instructions of all lanes together, in those of a vector as wide as the subgroup. */
export const panelProductTime = (p: PanelProductParams, lanes: number) =>
  tilesOf(p) *
  (p.depth / STEP) *
  (STEP * (ROWS / 4 / lanes + VECTORS) * LOAD * lanes + ROWS * VECTORS * 4 * (2 * STEP + 3));

const broadcast: Variant<typeof params> = {
  name: 'broadcast',
  subgroups: true,
  configurations: LANES.map((lanes) => ({ lanes })),
  workgroupSize: ({ lanes }) => lanes,
  supports: ({ subgroupWidth }, { lanes }, p) =>
    lanes === subgroupWidth && p.tile_rows === ROWS && p.tile_columns === 4 * VECTORS * lanes && p.depth % STEP === 0,
  workgroups: tilesOf,
  estimate: (p, { lanes }) => panelProductTime(p, lanes),
  text: ({ lanes }) => {
    const own = ROWS / 4 / lanes;
    const width = VECTORS * lanes;
    const steps = range(STEP);
    return {
      declarations: ACTIVATION,
      main: /* wgsl */ `
  let blocks = (p.rows + ${ROWS - 1}u) / ${ROWS}u;
  let m_block = workgroup % blocks;
  let n_block = workgroup / blocks;
  if (n_block * ${4 * width}u >= p.columns) { return; }
  let a_0 = p.a_base + m_block * p.depth * ${ROWS / 4}u + lane;
  let b_0 = p.b_base + n_block * p.depth * ${width}u + lane;
${range(ROWS)
  .map(
    (m) =>
      `  ${range(VECTORS)
        .map((j) => `var c${m}_${j} = vec4f();`)
        .join(' ')}`,
  )
  .join('\n')}
  for (var k = 0u; k < p.depth; k += ${STEP}u) {
    let a_k = a_0 + k * ${ROWS / 4}u;
    let b_k = b_0 + k * ${width}u;
${steps
  .flatMap((t) => [
    ...range(VECTORS).map((j) => `    let b${t}_${j} = b[b_k + ${t * width + j * lanes}u];`),
    ...range(own).map((i) => `    let a${t}_${i} = a[a_k + ${(t * ROWS) / 4 + i * lanes}u];`),
  ])
  .join('\n')}
${range(ROWS)
  .map((m) => {
    const vector = m >> 2;
    const values = steps.map(
      (t) => `let x${t} = subgroupBroadcast(a${t}_${Math.floor(vector / lanes)}[${m & 3}], ${vector % lanes}u);`,
    );
    const sums = range(VECTORS).map((j) => `c${m}_${j} += ${steps.map((t) => `x${t} * b${t}_${j}`).join(' + ')};`);
    return `    { ${values.join(' ')} ${sums.join(' ')} }`;
  })
  .join('\n')}
  }
  // The stores stand in loops of unknown length: unrolled, they would take seconds to compile.
  var sums = array<vec4f, ${ROWS * VECTORS}>(${range(ROWS)
    .flatMap((m) => range(VECTORS).map((j) => `c${m}_${j}`))
    .join(', ')});
  let m_0 = m_block * ${ROWS}u;
  let count = min(${ROWS}u, p.rows - m_0);
  for (var j = 0u; j < ${4 * VECTORS}u; j++) {
    let n = n_block * ${4 * width}u + (j >> 2u) * ${4 * lanes}u + lane * 4u + (j & 3u);
    if (n >= p.columns) { break; }
    var offset = 0.0;
    if (p.has_bias == 1u) { offset = bias[p.bias_base + n]; }
    for (var m = 0u; m < count; m++) {
      let place = p.c_base + (m_0 + m) * p.c_row + n;
      let sum = sums[m * ${VECTORS}u + (j >> 2u)][j & 3u] + offset;
      if (p.accumulate == 1u) { c[place] += sum; } else { c[place] = activated(sum); }
    }
  }`,
    };
  },
};

export const panelProduct = defineKernel({
  name: 'gemm/panels',
  params,
  bindings: {
    a: { access: 'read', type: 'vec4f' },
    b: { access: 'read', type: 'vec4f' },
    bias: { access: 'read' },
    c: { access: 'write' },
  },
  cost: (p) => ({
    flops: 2 * p.rows * p.columns * p.depth,
    bytes: 4 * (p.depth * (p.rows + p.columns) + p.rows * p.columns * (1 + p.accumulate)),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => p.rows * p.columns,
        'p.rows * p.columns',
        /* wgsl */ `
  let n = index % p.columns;
  let m = index / p.columns;
  let a_0 = (m / p.tile_rows) * p.depth * p.tile_rows + m % p.tile_rows;
  let b_0 = (n / p.tile_columns) * p.depth * p.tile_columns + n % p.tile_columns;
  var sum = 0.0;
  for (var k = 0u; k < p.depth; k++) {
    let a_at = a_0 + k * p.tile_rows;
    let b_at = b_0 + k * p.tile_columns;
    sum += a[p.a_base + a_at / 4u][a_at % 4u] * b[p.b_base + b_at / 4u][b_at % 4u];
  }
  let place = p.c_base + m * p.c_row + n;
  if (p.has_bias == 1u) { sum += bias[p.bias_base + n]; }
  if (p.accumulate == 1u) { c[place] += sum; } else { c[place] = activated(sum); }`,
        ACTIVATION,
      ),
      estimate: (p) => p.rows * p.columns * p.depth * 60,
    },
    broadcast,
  ],
});
