/**
 * The contraction that convolution and matrix products are made of:
 *
 *   C[g, m, j] (+)= bias + sum over u < U, v < V, i < I of  A[g, m, u, v, i] * B[g, j, u, v, i]
 *
 * A is a matrix by strides: a[g a_group + m a_row + u a_u + v a_v + i a_inner].
 * B is an image seen through a window: the column j is an item q = j / plane and a place (y, x) in a plane of `width`
 * columns, and with t_y = y y_step + u y_u + y_0 and t_x = x x_step + v x_v + x_0 (modulo 2^32, so steps may be negative)
 *
 *   B = b[g b_group + q b_item + i b_inner + t_y b_line + t_x]  where t_y < height and t_x < line, else 0
 *
 * C is written at c[g c_group + m c_row + q c_item + (j - q plane)].
 *
 * A long sum of few outputs may go in `parts` (./split.ts): with k = (i U + u) V + v each takes `part_depth` values of k
 * of its own, into a C of its own, `c_part` elements on. `groups` are of one part.
 *
 * conv2d/forward, /input-gradient, /filter-gradient and every transpose of gemm are this with different strides
 * (../conv2d, ../gemm): an implicit GEMM in which no column matrix and no padded copy is ever made. The sums over u and
 * v are outside, that over i inside, so that the window's bounds are computed once for I multiply-adds a lane.
 *
 * A ReLU that follows, or the derivative of one before, is applied to what is written. Windows of the adapter's binding
 * limit run one after another with `accumulate` 1.
 *
 * Variants
 * - plain: one thread an output, the sum as above.
 * - registers: one thread a tile of ROWS x COLUMNS outputs, operands straight from memory. Needs nothing of the adapter.
 * - broadcast: a workgroup is one subgroup of WIDTH lanes. A tile of ROWS x (WIDTH COLUMNS) outputs; each lane loads
 *   ROWS / WIDTH values of A, and `subgroupBroadcast` hands them round. On software rasterisers a load costs as much as
 *   tens of multiply-adds, and this has the fewest loads.
 * - matrix: of halves, by a GPU's matrix units (./matrix.ts).
 * - tiled: threads share slabs of both operands in workgroup memory; for GPUs (./tiled.ts).
 * - vectors: the same of plain matrices, four values a load (./vectors.ts).
 *
 * The bounds of B come in three texts: 0 no column reaches outside, 1 some do, 2 the window is spread: t must also be
 * a multiple of `spread` and is divided by it (input gradients of strided convolutions).
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import { type Capabilities, defineKernel, perElement, type Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { countBefore, range } from '../rasteriser.ts';
import { RELU } from '../relu/rule.ts';
import { matrixUnits } from './matrix.ts';
import {
  biasText,
  boundsOf,
  COLUMN_OF,
  type ContractionParams,
  contractionParams,
  depthOf,
  groupText,
  storeSum,
  tilesOf,
} from './problem.ts';
import { tiled } from './tiled.ts';
import { vectors } from './vectors.ts';

export { biasText, boundsOf, type ContractionParams, depthOf, storeSum };

const declarationsOf = (memory: Memory) => COLUMN_OF + biasText(memory);

/** Of all parts. */
const outputs = (p: ContractionParams) => p.parts * p.groups * p.rows * p.columns;

const plain = perElement<typeof contractionParams>(
  outputs,
  'p.parts * p.groups * p.rows * p.columns',
  (memory) => /* wgsl */ `
  let j = index % p.columns;
  let m = (index / p.columns) % p.rows;
  let group = index / (p.columns * p.rows);
${groupText()}
  let at = column(j);
  let a_0 = a_start + m * p.a_row;
  let b_0 = b_start + at.item * p.b_item;
  let k_0 = part * p.part_depth;
  let k_end = k_0 + p.part_depth;
  var sum = 0.0;
  for (var u = 0u; u < p.u; u++) {
    let t_y = at.y * u32(p.y_step) + u * u32(p.y_u) + u32(p.y_0);
    let s_y = t_y / p.y_spread;
    if (s_y >= p.height || s_y * p.y_spread != t_y) { continue; }
    for (var v = 0u; v < p.v; v++) {
      let t_x = at.x * u32(p.x_step) + v * u32(p.x_v) + u32(p.x_0);
      let s_x = t_x / p.x_spread;
      if (s_x >= p.line || s_x * p.x_spread != t_x) { continue; }
      let a_uv = a_0 + u * u32(p.a_u) + v * u32(p.a_v);
      let b_uv = b_0 + s_y * p.b_line + s_x;
      // Those i whose k = i taps + tap lies in the part.
      let before = p.u * p.v - 1u - (u * p.v + v);
      let end = min((k_end + before) / (p.u * p.v), p.inner);
      for (var i = (k_0 + before) / (p.u * p.v); i < end; i++) {
        sum += ${memory.load('a', 'a_uv + i * p.a_inner')} * ${memory.load('b', 'b_uv + i * p.b_inner')};
      }
    }
  }
${storeSum(memory, 'c_start + m * p.c_row + at.item * p.c_item + at.rest', 'at.item')}`,
  declarationsOf,
);

/** Text that finds, for one (u, v), each column's place in B: `b_j`, and whether it is inside: `in_j`. */
function placeColumns(count: number, bounds: number): string {
  const lines = range(count).map((j) => {
    const t = `let ty${j} = y${j} + u_y; let tx${j} = x${j} + v_x;`;
    if (bounds === 0) return `${t} let b_${j} = b${j} + ty${j} * p.b_line + tx${j};`;
    const place =
      bounds === 1
        ? `let sy${j} = ty${j}; let sx${j} = tx${j}; let in_${j} = sy${j} < p.height && sx${j} < p.line;`
        : `let sy${j} = ty${j} / p.y_spread; let sx${j} = tx${j} / p.x_spread;
      let in_${j} = sy${j} < p.height && sx${j} < p.line && sy${j} * p.y_spread == ty${j} && sx${j} * p.x_spread == tx${j};`;
    return `${t} ${place} let b_${j} = select(p.b_base, b${j} + sy${j} * p.b_line + sx${j}, in_${j});`;
  });
  return lines.map((line) => `      ${line}`).join('\n');
}

/** The columns' starts, each lane's j-th column being `first + j * step`. */
function startColumns(count: number, first: string, step: number): string {
  return range(count)
    .map(
      (j) => `  let at${j} = column(min(${first} + ${j * step}u, p.columns - 1u));
  let b${j} = b_start + at${j}.item * p.b_item;
  let y${j} = at${j}.y * u32(p.y_step) + u32(p.y_0); let x${j} = at${j}.x * u32(p.x_step) + u32(p.x_0);`,
    )
    .join('\n');
}

/** Four columns' values at i as one vector. */
function loadColumns(count: number, bounds: number, { load }: Memory): string {
  return range(count / 4)
    .map((i) => {
      const four = range(4).map((k) => 4 * i + k);
      const loads = four.map((j) => load('b', `b_${j} + inner_b`)).join(', ');
      const inside = four.map((j) => `in_${j}`).join(', ');
      return bounds === 0
        ? `        let bv${i} = vec4f(${loads});`
        : `        let bv${i} = select(vec4f(), vec4f(${loads}), vec4<bool>(${inside}));`;
    })
    .join('\n');
}

/** Stores the tile in loops whose bounds are known at run time only: unrolled stores cost seconds of compilation. */
function storeTile(rows: number, columns: number, first: string, step: number, memory: Memory): string {
  return /* wgsl */ `
  var tile = array<vec4f, ${(rows * columns) / 4}>(${range(rows)
    .flatMap((i) => range(columns / 4).map((j) => `c${i}_${j}`))
    .join(', ')});
  let row_count = ${countBefore('p.rows', 'm_0', rows)};
  for (var j = 0u; j < ${columns}u; j++) {
    let at_column = ${first} + j * ${step}u;
    if (at_column >= p.columns) { break; }
    let at = column(at_column);
    let start = c_start + m_0 * p.c_row + at.item * p.c_item + at.rest;
    for (var i = 0u; i < row_count; i++) {
      let m = m_0 + i;
      var sum = tile[i * ${columns / 4}u + (j >> 2u)][j & 3u];${storeSum(memory, 'start + i * p.c_row', 'at.item')}
    }
  }`;
}

/** The place in the grid of tile number `tile`: rows run fastest, so that neighbours in time share B. */
function locateTile(tile: 'index' | 'workgroup', rows: number, columns: number): string {
  return /* wgsl */ `
  let tiles_m = (p.rows + ${rows - 1}u) / ${rows}u;
  let tiles_n = (p.columns + ${columns - 1}u) / ${columns}u;
  let group = ${tile} / (tiles_m * tiles_n);
${groupText()}
  let m_0 = (${tile} % tiles_m) * ${rows}u;
  let n_0 = ((${tile} / tiles_m) % tiles_n) * ${columns}u;`;
}

const accumulators = (rows: number, columns: number) =>
  range(rows)
    .map(
      (i) =>
        `  ${range(columns / 4)
          .map((j) => `var c${i}_${j} = vec4f();`)
          .join(' ')}`,
    )
    .join('\n');

const multiplyAdds = (rows: number, columns: number, value: (row: number) => string) =>
  range(rows)
    .map((i) => {
      const products = range(columns / 4).map((j) => `c${i}_${j} += x * bv${j};`);
      return `        { let x = ${value(i)}; ${products.join(' ')} }`;
    })
    .join('\n');

const LOOPS = (body: string, bounds: number, columns: number) => /* wgsl */ `
  for (var u = 0u; u < p.u; u++) {
    let u_y = u * u32(p.y_u);
    for (var v = 0u; v < p.v; v++) {
      let v_x = v * u32(p.x_v);
      let a_uv = u * u32(p.a_u) + v * u32(p.a_v);
${placeColumns(columns, bounds)}
      for (var i = 0u; i < p.inner; i++) {
        let inner_a = a_uv + i * p.a_inner;
        let inner_b = i * p.b_inner;
${body}
      }
    }
  }`;

/**
 * Time of one tile in units of one lane's vector multiply-add, on a software rasteriser: `load` is what a load of one
 * value a lane costs, `setup` what the bounds of a column cost for each (u, v).
 */
function tileTime(p: ContractionParams, rows: number, columns: number, loads: number): number {
  const load = 3;
  const setup = 6;
  return p.u * p.v * (columns * setup + p.inner * (rows * columns + load * loads)) + rows * columns * 4;
}

/**
 * Cycles of a GPU on which threads compute `sums` outputs each from memory, with so many loads a step: of all, or of one
 * where there are too few to hide what a load takes.
 */
function threadCycles(
  p: ContractionParams,
  threads: number,
  sums: number,
  loads: number,
  capabilities: Capabilities,
): number {
  const { multiprocessors, lanes } = machineOf(capabilities);
  // Of one thread, from memory: measured as a tenth of the peak rate where tiles reach four (bench/).
  const step = sums + 24 * loads;
  const alone = p.part_depth * (step + 30);
  return Math.max(alone, (threads * p.part_depth * step) / (multiprocessors * lanes));
}

const registerCycles: Variant<typeof contractionParams>['cycles'] = (p, { rows, columns }, capabilities) =>
  threadCycles(p, tilesOf(p, rows, columns), rows * columns, rows + columns, capabilities);

const registers: Variant<typeof contractionParams> = {
  name: 'registers',
  configurations: [
    [8, 4],
    [4, 8],
    [2, 8],
    [1, 4],
  ].flatMap(([rows, columns]) => [0, 1, 2].map((bounds) => ({ rows, columns, bounds }))),
  workgroupSize: () => 64,
  supports: (_, { bounds }, p) => p.parts === 1 && bounds === boundsOf(p),
  workgroups: (p, { rows, columns }) => Math.ceil(tilesOf(p, rows, columns) / 64),
  estimate: (p, { rows, columns }, capabilities) =>
    profileOf(capabilities).unit === 'cycles'
      ? registerCycles(p, { rows, columns }, capabilities)
      : // 64 threads run as 8 or so lanes in turn: a tile counts 1 / 8.
        (Math.ceil(tilesOf(p, rows, columns) / 64) * 64 * tileTime(p, rows, columns, rows + columns)) / 8,
  cycles: registerCycles,
  // Eight or twelve loads of a step, none of which waits for another.
  inFlight: 40,
  text: ({ rows, columns, bounds }, memory) => ({
    declarations: declarationsOf(memory),
    main: `${locateTile('index', rows, columns)}
  if (part >= p.parts) { return; }
${range(rows)
  .map((i) => `  let a${i} = a_start + min(m_0 + ${i}u, p.rows - 1u) * p.a_row;`)
  .join('\n')}
${startColumns(columns, 'n_0', 1)}
${accumulators(rows, columns)}
${LOOPS(
  `${loadColumns(columns, bounds, memory)}
${multiplyAdds(rows, columns, (i) => memory.load('a', `a${i} + inner_a`))}`,
  bounds,
  columns,
)}
${storeTile(rows, columns, 'n_0', 1, memory)}`,
  }),
};

const broadcast: Variant<typeof contractionParams> = {
  name: 'broadcast',
  subgroups: true,
  configurations: [4, 8, 16, 32].flatMap((lanes) =>
    [
      [32, 8],
      [16, 16],
      [64, 8],
      [16, 8],
      [32, 4],
      [8, 16],
      [8, 8],
    ]
      .filter(([rows]) => rows % lanes === 0)
      .flatMap(([rows, columns]) => [0, 1, 2].map((bounds) => ({ lanes, rows, columns, bounds }))),
  ),
  workgroupSize: ({ lanes }) => lanes,
  // On a GPU so many sums a lane do not fit its registers.
  supports: (capabilities, { lanes, bounds }, p) =>
    profileOf(capabilities).cachesSums &&
    p.parts === 1 &&
    lanes === capabilities.subgroupWidth &&
    bounds === boundsOf(p),
  workgroups: (p, { lanes, rows, columns }) => tilesOf(p, rows, lanes * columns),
  estimate: (p, { lanes, rows, columns }) =>
    tilesOf(p, rows, lanes * columns) * tileTime(p, rows, columns, rows / lanes + columns) * (lanes / 8),
  unrolled: ({ rows, columns }) => rows * columns,
  text: ({ lanes, rows, columns, bounds }, memory) => ({
    declarations: declarationsOf(memory),
    main: `${locateTile('workgroup', rows, lanes * columns)}
  if (part >= p.parts) { return; }
${range(rows / lanes)
  .map((i) => `  let a${i} = a_start + min(m_0 + ${i * lanes}u + lane, p.rows - 1u) * p.a_row;`)
  .join('\n')}
${startColumns(columns, 'n_0 + lane', lanes)}
${accumulators(rows, columns)}
${LOOPS(
  `${range(rows / lanes)
    .map((i) => `        let av${i} = ${memory.load('a', `a${i} + inner_a`)};`)
    .join('\n')}
${loadColumns(columns, bounds, memory)}
${multiplyAdds(rows, columns, (i) => `subgroupBroadcast(av${Math.floor(i / lanes)}, ${i % lanes}u)`)}`,
  bounds,
  columns,
)}
${storeTile(rows, columns, 'n_0 + lane', lanes, memory)}`,
  }),
};

/** Values of `aux` that are read for each output. */
export const auxValues = ({ relu }: Pick<ContractionParams, 'relu'>) => (relu === RELU.before ? 1 : 0);

export const contraction = defineKernel({
  name: 'contraction',
  applies: 'epilogue',
  params: contractionParams,
  bindings: {
    a: { access: 'read', half: true },
    b: { access: 'read', half: true },
    bias: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    c: { access: 'write', half: true, gradient: true },
  },
  cost: (p, of) => {
    const items = p.columns / p.plane;
    const a = p.groups * p.rows * depthOf(p);
    // Every value of B at most once: the window's images, or the matrix.
    const b = p.groups * p.inner * Math.min(p.height * p.line * items, p.columns * p.u * p.v);
    const written = outputs(p) * (of.c * (1 + p.accumulate) + of.aux * auxValues(p));
    return { flops: 2 * p.groups * p.rows * p.columns * depthOf(p), bytes: of.a * a + of.b * b + written };
  },
  variants: [
    {
      ...plain,
      estimate: (p, _, capabilities) =>
        profileOf(capabilities).unit === 'cycles'
          ? threadCycles(p, outputs(p), 1, 2, capabilities)
          : outputs(p) * depthOf(p) * 1.5,
      cycles: (p, _, capabilities) => threadCycles(p, outputs(p), 1, 2, capabilities),
    },
    registers,
    broadcast,
    tiled,
    vectors,
    matrixUnits,
  ],
});

/** All of the sum in one part. */
export const inOnePart = (p: Pick<ContractionParams, 'u' | 'v' | 'inner'>) => ({
  parts: 1,
  part_depth: depthOf(p),
  c_part: 0,
});

/** The fixed parts of a plain matrix product: no window. */
export const noWindow = {
  plane: 1,
  width: 1,
  u: 1,
  v: 1,
  a_u: 0,
  a_v: 0,
  b_line: 0,
  y_step: 0,
  y_u: 0,
  y_0: 0,
  x_step: 0,
  x_v: 0,
  x_0: 0,
  height: 1,
  line: 1,
  y_spread: 1,
  x_spread: 1,
};
