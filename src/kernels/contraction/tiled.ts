/**
 * The contraction for GPUs (./contraction.ts has the formula): a workgroup computes a tile of ROWS x COLUMNS outputs, a
 * thread 8 x 8 of them (4 x 4 of small tiles). The sum runs over k = (i U + u) V + v in slabs of DEPTH values, which the
 * workgroup brings into its memory together:
 *
 *   A, B (global) -> one slab's values in registers -> workgroup memory -> 8 + 8 values a step in registers -> sums
 *
 * The next slab is on its way in registers while this one is multiplied. A step of k reads 16 values in 4 loads of
 * vectors and makes 64 multiply-adds.
 *
 * - Where k lies is a table of DEPTH entries in workgroup memory, made a slab ahead by as many threads: the divisions
 *   cost one thread once what each load would cost every thread. Where a column lies is a table of COLUMNS entries.
 * - Neighbouring lanes load neighbours in memory: along k, or along the rows of A and the columns of B, whichever run is
 *   longer (`neighbours`). Workgroup memory holds both as [k][row or column], each line four values longer than the tile,
 *   so that lanes that store along k meet at most in pairs in a bank.
 * - Which outputs are a thread's, and how they go out: ./tile.ts.
 */
import { profileOf } from '../../gpu/machine.ts';
import type { Capabilities, Configuration, Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { range } from '../rasteriser.ts';
import {
  biasText,
  boundsOf,
  COLUMN_OF,
  type ContractionParams,
  type contractionParams,
  depthOf,
  groupText,
  tilesOf,
} from './problem.ts';
import {
  declareSums,
  lines,
  multiplyStep,
  placeOfThread,
  shareOf,
  storeRows,
  sumsOf,
  TILE_IN_FLIGHT,
  threadsOf,
  tileCycles,
  tileMultiplyAdds,
} from './tile.ts';

type Schema = typeof contractionParams;

/**
 * Rows, columns and depth of tiles, and the share of the peak rate that they reach with enough workgroups, measured on an
 * H100 (bench/). Large tiles load least for a multiply-add, small ones keep more workgroups busy. Steps of k are not
 * unrolled in the text: the registers that the compiler then takes cost a quarter of the rate.
 */
const TILES = [
  { rows: 128, columns: 128, depth: 16, share: 0.46 },
  { rows: 128, columns: 128, depth: 8, share: 0.42 },
  { rows: 128, columns: 64, depth: 16, share: 0.45 },
  { rows: 64, columns: 128, depth: 16, share: 0.42 },
  { rows: 64, columns: 64, depth: 16, share: 0.38 },
  { rows: 64, columns: 64, depth: 8, share: 0.42 },
  { rows: 32, columns: 64, depth: 16, share: 0.3 },
  { rows: 64, columns: 32, depth: 16, share: 0.32 },
  { rows: 32, columns: 32, depth: 16, share: 0.26 },
] as const;

/** A line of a slab is so much longer than the tile. */
const PAD = 4;

/** Values of workgroup memory for both slabs, and later for a row of sums of each thread. */
const slabOf = (c: Configuration) =>
  Math.max(c.depth * (c.rows + c.columns + 2 * PAD), (c.rows / sumsOf(c).rows) * c.columns);
const memoryOf = (c: Configuration) => 4 * slabOf(c) + 16 * (c.columns + 2 * c.depth);

/** 1 where lanes that are neighbours load along k, 0 where along rows (of A) and columns (of B). */
export function neighbours(p: ContractionParams): { readonly a_inner: 0 | 1; readonly b_inner: 0 | 1 } {
  // Of each direction the fastest index that has more than one value: its stride, and how far the run goes.
  const run = (...indices: readonly (readonly [count: number, stride: number])[]) => {
    const [count, stride] = indices.find(([count]) => count > 1) ?? [1, 1];
    return count / Math.max(1, Math.abs(stride));
  };
  const inner = {
    a: run([p.v, p.a_v], [p.u, p.a_u], [p.inner, p.a_inner]),
    b: run([p.v, p.x_v], [p.u, p.y_u * p.b_line], [p.inner, p.b_inner]),
  };
  const outer = {
    a: run([p.rows, p.a_row]),
    b: run([p.width, p.x_step], [p.plane / p.width, p.y_step * p.b_line], [p.columns / p.plane, p.b_item]),
  };
  // Weights of [rows][r, u, v] lie along k without a gap, whatever the taps.
  const wholeA = p.a_v === 1 && p.a_u === p.v && p.a_inner === p.u * p.v ? depthOf(p) : inner.a;
  return { a_inner: wholeA > outer.a ? 1 : 0, b_inner: inner.b > outer.b ? 1 : 0 };
}

const cycles = (p: ContractionParams, c: Configuration, capabilities: Capabilities) =>
  tileCycles(p, c, shareOf(TILES, c), capabilities);

/** Loads of one operand by one thread, in the order in which they lie in registers. */
interface Loads {
  readonly count: number;
  /** lanes are neighbours along k: a lane has one k in all of its loads; else one row or column */
  readonly inner: boolean;
  /** the line k of load i within the slab, and the row or column within the tile */
  k(i: number): string;
  at(i: number): string;
}

function loadsOf(extent: number, { depth, ...c }: Configuration, inner: boolean): Loads {
  const threads = threadsOf({ depth, ...c });
  const count = (extent * depth) / threads;
  if (inner) {
    const step = threads / depth;
    return { count, inner, k: () => `lane % ${depth}u`, at: (i) => `(lane / ${depth}u + ${i * step}u)` };
  }
  const step = threads / extent;
  return { count, inner, k: (i) => `(lane / ${extent}u + ${i * step}u)`, at: () => `lane % ${extent}u` };
}

/** The value of B at place `at` of the columns' table and `k` of the depths'. */
const valueOfB = ({ load }: Memory) => [
  /* wgsl */ `fn value_of_b(at: vec4u, k: vec4u, inside: bool) -> f32 { return select(0.0, ${load('b', 'select(p.b_base, at.x + k.y, inside)')}, inside); }`,
  /* wgsl */ `fn value_of_b(at: vec4u, k: vec4u, inside: bool) -> f32 {
  let within = inside && at.y + k.z < p.height && at.z + k.w < p.line;
  return select(0.0, ${load('b', 'select(p.b_base, at.x + k.y, within)')}, within);
}`,
  /* wgsl */ `fn value_of_b(at: vec4u, k: vec4u, inside: bool) -> f32 {
  let t = vec2u(at.y + k.z, at.z + k.w);
  let s = t / vec2u(p.y_spread, p.x_spread);
  let within = inside && s.x < p.height && s.y < p.line && all(s * vec2u(p.y_spread, p.x_spread) == t);
  return select(0.0, ${load('b', 'select(p.b_base, at.x + k.y + s.x * p.b_line + s.y, within)')}, within);
}`,
];

/** Where a column begins in B, and where a step of k leads from there: the window's place goes with the one or the other. */
const placeOfColumn = (bounds: number) =>
  bounds === 2 ? 'b_start + at.item * p.b_item' : 'b_start + at.item * p.b_item + y * p.b_line + x';
const placeOfDepth = (bounds: number) => (bounds === 2 ? 'i * p.b_inner' : 'i * p.b_inner + y * p.b_line + x');

/** Where columns and steps of k lie, and the values there. */
export const placeFunctions = (
  bounds: number,
  memory: Memory,
) => /* wgsl */ `fn place_of_column(j: u32, b_start: u32) -> vec4u {
  let at = column(min(j, p.columns - 1u));
  let y = at.y * u32(p.y_step) + u32(p.y_0);
  let x = at.x * u32(p.x_step) + u32(p.x_0);
  return vec4u(${placeOfColumn(bounds)}, y, x, at.item * p.c_item + at.rest);
}
fn place_of_depth(k: u32) -> vec4u {
  let taps = p.u * p.v;
  let i = k / taps;
  let tap = k - i * taps;
  let u = tap / p.v;
  let v = tap - u * p.v;
  let y = u * u32(p.y_u);
  let x = v * u32(p.x_v);
  return vec4u(u * u32(p.a_u) + v * u32(p.a_v) + i * p.a_inner, ${placeOfDepth(bounds)}, y, x);
}
fn value_of_a(row: u32, place: u32, inside: bool) -> f32 {
  return select(0.0, ${memory.load('a', 'select(p.a_base, row + place, inside)')}, inside);
}
${valueOfB(memory)[bounds]}`;

function text(c: Configuration, memory: Memory) {
  const { rows, columns, depth, bounds } = c;
  const sums = sumsOf(c);
  const threads = threadsOf(c);
  const [line_a, line_b] = [rows + PAD, columns + PAD];
  const a = loadsOf(rows, c, c.a_inner === 1);
  const b = loadsOf(columns, c, c.b_inner === 1);
  const halvesOf = { rows: sums.rows / 4, columns: sums.columns / 4 };
  const four = (at: string) => `vec4f(slab[${at}], slab[${at} + 1u], slab[${at} + 2u], slab[${at} + 3u])`;
  const slab_b = depth * line_a;
  return {
    declarations: /* wgsl */ `${COLUMN_OF}${biasText(memory)}
// A's lines, then B's; in the end, sums.
var<workgroup> slab: array<f32, ${slabOf(c)}>;
// Of each column: its place in B, its line and place of the window, its place in C.
var<workgroup> places: array<vec4u, ${columns}>;
// Of each k, of this slab and of the next: its places in A and B, its line and place of the window.
var<workgroup> depths: array<vec4u, ${2 * depth}>;

${placeFunctions(bounds, memory)}`,
    main: /* wgsl */ `
  let tiles_m = (p.rows + ${rows - 1}u) / ${rows}u;
  let tiles_n = (p.columns + ${columns - 1}u) / ${columns}u;
  let group = workgroup / (tiles_m * tiles_n);
${groupText()}
  // Neighbours in time share B.
  let m_0 = (workgroup % tiles_m) * ${rows}u;
  let n_0 = ((workgroup / tiles_m) % tiles_n) * ${columns}u;
  if (part >= p.parts) { return; }
  let first = part * p.part_depth;
  let end = min(first + p.part_depth, p.u * p.v * p.inner);
  ${placeOfThread(c)}
  for (var i = lane; i < ${columns}u; i += ${threads}u) { places[i] = place_of_column(n_0 + i, b_start); }
  if (lane < ${depth}u) { depths[lane] = place_of_depth(first + lane); }
${lines(a.count, (i) => `  var next_a${i} = 0.0;`)}
${lines(b.count, (i) => `  var next_b${i} = 0.0;`)}
${declareSums(sums)}
  // Where what a lane loads lies does not change from slab to slab, but for k.
${lines(a.count, (i) => `  let row_${i} = a_start + min(m_0 + ${a.at(i)}, p.rows - 1u) * p.a_row;`)}
  workgroupBarrier();
${b.inner ? '' : `  let own_place = places[lane % ${columns}u];\n`}  // A turn loads the slab from s on, multiplies the one before, and hands the loaded one on.
  var parity = 0u;
  for (var s = first; s < end + ${depth}u; s += ${depth}u) {
    workgroupBarrier();
    if (s < end) {${
      a.inner || b.inner
        ? `
      let own = depths[parity + lane % ${depth}u];`
        : ''
    }
${lines(a.count, (i) => `      next_a${i} = value_of_a(row_${i}, ${a.inner ? 'own' : `depths[parity + ${a.k(i)}]`}.x, s + ${a.k(i)} < end);`)}
${lines(b.count, (i) => `      next_b${i} = value_of_b(${b.inner ? `places[${b.at(i)}]` : 'own_place'}, ${b.inner ? 'own' : `depths[parity + ${b.k(i)}]`}, s + ${b.k(i)} < end);`)}
    }
    if (s > first) {
      for (var k = 0u; k < ${depth}u; k++) {
        let at_a = k * ${line_a}u + ty * 4u;
        let at_b = ${slab_b}u + k * ${line_b}u + tx * 4u;
${lines(halvesOf.rows, (i) => `        let a${i} = ${four(`at_a + ${(i * rows) / 2}u`)};`)}
${lines(halvesOf.columns, (j) => `        let b${j} = ${four(`at_b + ${(j * columns) / 2}u`)};`)}
${multiplyStep(sums)}
      }
    }
    workgroupBarrier();
${lines(a.count, (i) => `    slab[(${a.k(i)}) * ${line_a}u + ${a.at(i)}] = next_a${i};`)}
${lines(b.count, (i) => `    slab[${slab_b}u + (${b.k(i)}) * ${line_b}u + ${b.at(i)}] = next_b${i};`)}
    parity = ${depth}u - parity;
    if (lane < ${depth}u) { depths[parity + lane] = place_of_depth(s + ${depth}u + lane); }
  }
${storeRows(c, memory, {
  write: (at, [i, j]) =>
    range(4)
      .map((n) => `slab[${at} + ${n}u] = c${i}_${j}[${n}];`)
      .join(' '),
  read: (at) => `slab[${at}]`,
  placeInC: 'places[j].w',
})}`,
  };
}

export const tiled: Variant<Schema> = {
  name: 'tiled',
  configurations: TILES.flatMap(({ rows, columns, depth }) =>
    [0, 1, 2].flatMap((bounds) =>
      [0, 1].flatMap((a_inner) => [0, 1].map((b_inner) => ({ rows, columns, depth, bounds, a_inner, b_inner }))),
    ),
  ),
  workgroupSize: threadsOf,
  multiplyAddsPerLoad: tileMultiplyAdds,
  inFlight: TILE_IN_FLIGHT,
  supports(capabilities, c, p) {
    const { limits } = capabilities;
    // A rasteriser in software compiles each for seconds and takes none: two show that the text is right.
    if (profileOf(capabilities).compile > 0 && !(c.rows === c.columns && c.rows * c.depth === 512)) return false;
    const { a_inner, b_inner } = neighbours(p);
    const fits = threadsOf(c) <= limits.maxThreads && memoryOf(c) <= limits.maxWorkgroupMemory;
    return fits && c.bounds === boundsOf(p) && c.a_inner === a_inner && c.b_inner === b_inner;
  },
  workgroups: (p, { rows, columns }) => tilesOf(p, rows, columns),
  estimate: cycles,
  cycles,
  text,
};
