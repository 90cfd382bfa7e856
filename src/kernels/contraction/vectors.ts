/**
 * The contraction of plain matrices for GPUs, by vectors of four from memory to the sums (./contraction.ts has the formula,
 * ./tile.ts what becomes of a tile). There is no window: u = v = 1, and B's columns lie at known places. Either operand lies
 * along k or along its rows (B: its columns), where four neighbours are one load:
 *
 *   along rows  [k][row]   a load is four rows of one k, which is how workgroup memory holds them
 *   along k     [row][k]   four loads are a block of 4 x 4, which the thread turns over on the way
 *
 *   A, B (global) -> the next slab's vectors in registers -> workgroup memory, [k][row / 4] -> sums
 *
 * It is what ./tiled.ts does one value at a time, by tables of places: a quarter of the loads and stores, no tables, no bounds
 * but the last slab's. A text like it, of operands packed beforehand, reached 48 TFLOP/s on an H100 where ./tiled.ts reaches 30
 * (bench/H100.md); this one has run on no card.
 *
 * - Each thread brings four or eight vectors a slab, none is idle: of square tiles whose depth is an eighth of their side
 *   (`split`) one half of the threads brings A and the other B; else each brings some of both.
 * - `unrolled` 1: the steps of k of a slab stand in the text one by one, so that the next ones' loads need not wait.
 */
import { profileOf } from '../../gpu/machine.ts';
import type { Capabilities, Configuration, Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { range } from '../rasteriser.ts';
import { biasText, type ContractionParams, type contractionParams, groupText, tilesOf } from './problem.ts';
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

/**
 * Rows, columns and depth of tiles, and the share of the peak rate that they are taken to reach: the trial's for the largest,
 * for the others less in the proportions that ./tiled.ts was measured with.
 */
const TILES = [
  { rows: 128, columns: 128, depth: 16, share: 0.7 },
  { rows: 128, columns: 64, depth: 16, share: 0.68 },
  { rows: 64, columns: 128, depth: 16, share: 0.64 },
  { rows: 64, columns: 64, depth: 16, share: 0.58 },
  { rows: 64, columns: 64, depth: 8, share: 0.64 },
] as const;
/** Of the same rate, where steps of k are not unrolled: a guess. */
const ROLLED = 0.95;

/** A half of the threads brings A and the other half B. */
const splits = ({ rows, columns, depth }: Configuration) => rows === columns && 8 * depth === rows;
/** Threads that bring one operand. */
const lanesOf = (c: Configuration) => (splits(c) ? threadsOf(c) / 2 : threadsOf(c));

/** Vectors of a line of a slab: one more than the tile's, so that lanes that turn blocks over meet at most in pairs in a bank. */
const lineOf = (extent: number) => extent / 4 + 1;
/** Vectors of workgroup memory for both slabs, and later for a row of sums of each thread. */
const slabOf = (c: Configuration) =>
  Math.max(c.depth * (lineOf(c.rows) + lineOf(c.columns)), ((c.rows / sumsOf(c).rows) * c.columns) / 4);

type Layout = 'rows' | 'k';

const whole = (...counts: readonly number[]) => counts.every((count) => count % 4 === 0);

/** How A lies, where four of its neighbours are a vector. */
function layoutOfA(p: ContractionParams): Layout | undefined {
  if (p.a_row === 1 && whole(p.a_inner, p.rows)) return 'rows';
  return p.a_inner === 1 && whole(p.a_row, p.inner, p.part_depth) ? 'k' : undefined;
}

/** The same of B: of a matrix, or of planes that are read without a window. */
function layoutOfB(p: ContractionParams): Layout | undefined {
  if (p.plane === 1) {
    if (p.b_item === 1 && whole(p.b_inner, p.columns)) return 'rows';
    return p.b_inner === 1 && whole(p.b_item, p.inner, p.part_depth) ? 'k' : undefined;
  }
  const oneLine = p.plane === p.width || p.y_step * p.b_line === p.width;
  return oneLine && p.x_step === 1 && whole(p.plane, p.b_item, p.b_inner) ? 'rows' : undefined;
}

/** No window: a column's place in B does not depend on a tap, and none lies outside. */
function withoutWindow(p: ContractionParams): boolean {
  const lastLine = p.y_step * (p.plane / p.width - 1);
  const lastColumn = p.x_step * (p.width - 1);
  return (
    p.u * p.v * p.y_spread * p.x_spread === 1 &&
    p.y_0 === 0 &&
    p.x_0 === 0 &&
    lastLine >= 0 &&
    lastLine < p.height &&
    lastColumn >= 0 &&
    lastColumn < p.line
  );
}

/** The layouts of both; nothing where one of them is not read in vectors. */
export function layoutsOf(p: ContractionParams): { readonly a: Layout; readonly b: Layout } | undefined {
  const [a, b] = [layoutOfA(p), layoutOfB(p)];
  if (a === undefined || b === undefined || !withoutWindow(p)) return undefined;
  return p.groups === 1 || whole(p.a_group, p.b_group) ? { a, b } : undefined;
}

/** How one operand comes into workgroup memory, as WGSL. */
interface Bringing {
  /** declarations of where this lane's vectors lie, before the loop */
  readonly places: string;
  /** loads into next0, next1, .. from number `first` on */
  readonly load: string;
  /** stores of the same to the slab */
  readonly store: string;
  readonly vectors: number;
}

interface Operand {
  readonly name: 'a' | 'b';
  readonly extent: number;
  readonly layout: Layout;
  /** expressions: the number of the first row or column of the tile, how many there are in all */
  readonly origin: string;
  readonly count: string;
  /** the place of a row or column, in vectors */
  place(row: string): string;
  /** vectors from one k to the next, along rows */
  readonly step: string;
  /** where its lines begin in the slab */
  readonly start: number;
}

/** In the text `own` is the number of the lane among those that bring the operand. */
function bringing(c: Configuration, operand: Operand, first: number, { load }: Memory): Bringing {
  const { name, extent, layout, origin, count, place, step, start } = operand;
  const lanes = lanesOf(c);
  const line = lineOf(extent);
  const value = (at: string, k: string) =>
    `select(vec4f(), ${load(name, `select(p.${name}_base, ${at}, ${k} < end)`)}, ${k} < end)`;
  const next = (i: number) => `next${first + i}`;
  if (layout === 'rows') {
    const along = extent / 4;
    const vectors = (along * c.depth) / lanes;
    const k = (i: number) => `(own / ${along}u + ${(i * lanes) / along}u)`;
    return {
      vectors,
      places: `  let place_${name} = ${place(`min(${origin} + 4u * (own % ${along}u), ${count} - 4u)`)};`,
      load: lines(
        vectors,
        (i) => `      ${next(i)} = ${value(`place_${name} + (s + ${k(i)}) * ${step}`, `s + ${k(i)}`)};`,
      ),
      store: lines(vectors, (i) => `    slab[${start}u + ${k(i)} * ${line}u + own % ${along}u] = ${next(i)};`),
    };
  }
  const along = c.depth / 4;
  const blocks = (extent * c.depth) / 16 / lanes;
  const k = `4u * (own % ${along}u)`;
  const row = (block: number) => `(own / ${along}u + ${(block * lanes) / along}u)`;
  const each = (text: (block: number, n: number) => string) =>
    range(blocks)
      .flatMap((block) => range(4).map((n) => text(block, n)))
      .join('\n');
  return {
    vectors: 4 * blocks,
    places: each(
      (block, n) =>
        `  let place_${name}${4 * block + n} = ${place(`min(${origin} + 4u * ${row(block)} + ${n}u, ${count} - 1u)`)};`,
    ),
    load: each(
      (block, n) =>
        `      ${next(4 * block + n)} = ${value(`place_${name}${4 * block + n} + (s + ${k}) / 4u`, `s + ${k}`)};`,
    ),
    store: each((block, n) => {
      const turned = range(4).map((m) => `${next(4 * block + m)}[${n}]`);
      return `    slab[${start}u + (${k} + ${n}u) * ${line}u + ${row(block)}] = vec4f(${turned.join(', ')});`;
    }),
  };
}

function text(c: Configuration, memory: Memory) {
  const { rows, columns, depth, a_inner, b_inner, unrolled } = c;
  const [line_a, line_b] = [lineOf(rows), lineOf(columns)];
  const slab_b = depth * line_a;
  const split = splits(c);
  const operandA: Operand = {
    name: 'a',
    extent: rows,
    layout: a_inner === 1 ? 'k' : 'rows',
    origin: 'm_0',
    count: 'p.rows',
    place: (row) => (a_inner === 1 ? `a_start + ${row} * (p.a_row / 4u)` : `a_start + ${row} / 4u`),
    step: '(p.a_inner / 4u)',
    start: 0,
  };
  const operandB: Operand = {
    name: 'b',
    extent: columns,
    layout: b_inner === 1 ? 'k' : 'rows',
    origin: 'n_0',
    count: 'p.columns',
    place: (column) => `b_start + place_of_column(${column})`,
    step: '(p.b_inner / 4u)',
    start: slab_b,
  };
  const a = bringing(c, operandA, 0, memory);
  const b = bringing(c, operandB, split ? 0 : a.vectors, memory);
  const next = split ? a.vectors : a.vectors + b.vectors;
  const both = (of: 'load' | 'store', indent: string) =>
    split
      ? `${indent}if (lane < ${lanesOf(c)}u) {\n${a[of]}\n${indent}} else {\n${b[of]}\n${indent}}`
      : `${a[of]}\n${b[of]}`;
  const step = (k: string) => `        let a0 = slab[${k} * ${line_a}u + ty];
        let a1 = slab[${k} * ${line_a}u + ${rows / 8}u + ty];
        let b0 = slab[${slab_b}u + ${k} * ${line_b}u + tx];
        let b1 = slab[${slab_b}u + ${k} * ${line_b}u + ${columns / 8}u + tx];
${multiplyStep(sumsOf(c))}`;
  const steps =
    unrolled === 1
      ? lines(depth, (k) => `      {\n${step(`${k}u`)}\n      }`)
      : `      for (var k = 0u; k < ${depth}u; k++) {\n${step('k')}\n      }`;
  return {
    declarations: /* wgsl */ `${biasText(memory)}
// A's lines, then B's; in the end, sums.
var<workgroup> slab: array<vec4f, ${slabOf(c)}>;

// In vectors, where k is 0.
fn place_of_column(j: u32) -> u32 {
  let item = j / p.plane;
  return ${b_inner === 1 ? 'item * (p.b_item / 4u)' : '(item * p.b_item + j - item * p.plane) / 4u'};
}
fn place_in_c(j: u32) -> u32 {
  let item = j / p.plane;
  return item * p.c_item + j - item * p.plane;
}`,
    main: /* wgsl */ `
  let tiles_m = (p.rows + ${rows - 1}u) / ${rows}u;
  let tiles_n = (p.columns + ${columns - 1}u) / ${columns}u;
  let group = workgroup / (tiles_m * tiles_n);
${groupText(4)}
  // Neighbours in time share B.
  let m_0 = (workgroup % tiles_m) * ${rows}u;
  let n_0 = ((workgroup / tiles_m) % tiles_n) * ${columns}u;
  if (part >= p.parts) { return; }
  let first = part * p.part_depth;
  let end = min(first + p.part_depth, p.inner);
  ${placeOfThread(c)}
  let own = lane${split ? ` % ${lanesOf(c)}u` : ''};
${a.places}
${b.places}
${lines(next, (i) => `  var next${i} = vec4f();`)}
${declareSums(sumsOf(c))}
  // A turn loads the slab from s on, multiplies the one before, and hands the loaded one on.
  for (var s = first; s < end + ${depth}u; s += ${depth}u) {
    if (s < end) {
${both('load', '      ')}
    }
    if (s > first) {
${steps}
    }
    workgroupBarrier();
${both('store', '    ')}
    workgroupBarrier();
  }
${storeRows(c, memory, {
  write: (at, [i, j]) => `slab[(${at}) / 4u] = c${i}_${j};`,
  read: (at) => `slab[${at} / 4u][${at} % 4u]`,
  placeInC: 'place_in_c(n_0 + j)',
})}`,
  };
}

function cycles(p: ContractionParams, c: Configuration, capabilities: Capabilities): number {
  const share = shareOf(TILES, c);
  return tileCycles(p, c, c.unrolled === 1 ? share : ROLLED * share, capabilities);
}

/** Whether every lane brings whole blocks of an operand that lies along k. */
const blocksFit = (c: Configuration, extent: number) => (extent * c.depth) / 16 >= lanesOf(c);

export const vectors: Variant<typeof contractionParams> = {
  name: 'vectors',
  vectors: ['a', 'b'],
  configurations: TILES.flatMap(({ rows, columns, depth }) =>
    [0, 1].flatMap((a_inner) =>
      [0, 1].flatMap((b_inner) => [1, 0].map((unrolled) => ({ rows, columns, depth, a_inner, b_inner, unrolled }))),
    ),
  ).filter((c) => (c.a_inner === 0 || blocksFit(c, c.rows)) && (c.b_inner === 0 || blocksFit(c, c.columns))),
  workgroupSize: threadsOf,
  multiplyAddsPerLoad: tileMultiplyAdds,
  inFlight: TILE_IN_FLIGHT,
  supports(capabilities, c, p) {
    const { limits } = capabilities;
    // A rasteriser in software compiles each for seconds and takes none: two show that the text is right.
    const shown = c.rows * c.columns === 64 * 64 && splits(c) === (c.unrolled === 1);
    if (profileOf(capabilities).compile > 0 && !shown) return false;
    const fits = threadsOf(c) <= limits.maxThreads && 16 * slabOf(c) <= limits.maxWorkgroupMemory;
    const layouts = layoutsOf(p);
    return (
      fits &&
      layouts !== undefined &&
      (layouts.a === 'k') === (c.a_inner === 1) &&
      (layouts.b === 'k') === (c.b_inner === 1)
    );
  },
  workgroups: (p, { rows, columns }) => tilesOf(p, rows, columns),
  estimate: cycles,
  cycles,
  text,
};
