/**
 * A tile of ROWS x COLUMNS outputs that a workgroup of a GPU computes, a thread 8 x 8 of them (fewer of small tiles), however
 * its operands come into workgroup memory: where a thread's outputs lie, the multiply-adds of one step of k, the way out, and
 * the time. For ./tiled.ts and ./vectors.ts.
 *
 * - A warp of 32 lanes computes 4 x 8 threads' outputs: 8 distinct vectors of B and 4 of A, which it reads in the fewest
 *   turns. Each thread's 8 rows are two runs of 4, half a tile apart, for the same reason.
 * - Sums go out one row of each thread at a time, by way of workgroup memory, so that neighbouring lanes write neighbours.
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import type { Capabilities, Configuration } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { range } from '../rasteriser.ts';
import { type ContractionParams, storeSum, tilesOf } from './problem.ts';

export const lines = (count: number, text: (i: number) => string) => range(count).map(text).join('\n');

/** Rows and columns of sums a thread: 8 x 8, fewer along the side of a tile of 32, so that a tile has 64 threads. */
export const sumsOf = ({ rows, columns }: Configuration) => ({
  rows: rows === 32 ? 4 : 8,
  columns: columns === 32 ? 4 : 8,
});
export const threadsOf = (c: Configuration) => (c.rows / sumsOf(c).rows) * (c.columns / sumsOf(c).columns);

/** In one step of k: of vectors of four. */
export function tileMultiplyAdds(c: Configuration): number {
  const sums = sumsOf(c);
  return (4 * sums.rows * sums.columns) / (sums.rows + sums.columns);
}

/** Bytes that a thread has on its way: its share of the next slabs, sixteen values or more of every tile. */
export const TILE_IN_FLIGHT = 64;

/** Rows, columns and depth of a tile, and the share of the peak rate that it reaches with enough workgroups. */
export type Tile = Readonly<Record<'rows' | 'columns' | 'depth' | 'share', number>>;

/** The share that the list gives the tile of a configuration. */
export const shareOf = (tiles: readonly Tile[], c: Configuration): number =>
  tiles.find(({ rows, columns, depth }) => rows === c.rows && columns === c.columns && depth === c.depth)!.share;

/**
 * Cycles of the whole: each multiprocessor takes its share of the tiles, at `share` of its rate where enough threads of them
 * run at once.
 */
export function tileCycles(p: ContractionParams, c: Configuration, share: number, capabilities: Capabilities): number {
  const steps = Math.ceil(p.part_depth / c.depth) * c.depth;
  // A rasteriser in software: in the unit of the variants for it.
  if (profileOf(capabilities).unit !== 'cycles') return tilesOf(p, c.rows, c.columns) * steps * c.rows * c.columns;
  const { multiprocessors, lanes, threads } = machineOf(capabilities);
  const perCore = Math.ceil(tilesOf(p, c.rows, c.columns) / multiprocessors);
  const running = Math.min(perCore * threadsOf(c), 2 * threads);
  const hidden = Math.min(1, 0.15 + (0.85 * running) / threads);
  // Beginning and end: the tables, and the stores, whose places are found one by one.
  const ends = 64;
  return (perCore * c.rows * c.columns * (steps + ends)) / (lanes * share * hidden);
}

/** Of a thread among those of the tile: ty down, tx across. */
export function placeOfThread(c: Configuration): string {
  const sums = sumsOf(c);
  const [down, across] = [c.rows / sums.rows, c.columns / sums.columns];
  // Threads of a warp as 4 x 8, where the tile has that many.
  return across % 8 === 0 && down % 4 === 0
    ? `let warp = lane / 32u;
  let tx = (warp % ${across / 8}u) * 8u + lane % 8u;
  let ty = (warp / ${across / 8}u) * 4u + (lane % 32u) / 8u;`
    : `let tx = lane % ${across}u;
  let ty = lane / ${across}u;`;
}

/** How many sums a thread has. */
interface Sums {
  readonly rows: number;
  readonly columns: number;
}

/** The sums of a thread: c0_0 is of row 0 and its first four columns. */
export const declareSums = ({ rows, columns }: Sums) =>
  lines(
    rows,
    (i) =>
      `  ${range(columns / 4)
        .map((j) => `var c${i}_${j} = vec4f();`)
        .join(' ')}`,
  );

/** c += a b of one k, with a0, a1 and b0, b1 of it in registers. */
export const multiplyStep = ({ rows, columns }: Sums) =>
  lines(
    rows,
    (i) =>
      `        ${range(columns / 4)
        .map((j) => `c${i}_${j} = fma(vec4f(a${i >> 2}[${i & 3}]), b${j}, c${i}_${j});`)
        .join(' ')}`,
  );

/** How sums pass through workgroup memory, where places are counted in values. */
interface Passage {
  /** statements: four sums of a thread, vector j of row i, to a place that is a multiple of four */
  write(at: string, sum: readonly [i: number, j: number]): string;
  /** an expression */
  read(at: string): string;
  /** an expression of the column j of the tile, without its row */
  readonly placeInC: string;
}

/** Writes all sums. */
export function storeRows(c: Configuration, memory: Memory, { write, read, placeInC }: Passage): string {
  const { rows, columns } = c;
  const sums = sumsOf(c);
  const down = rows / sums.rows;
  const last = sums.rows - 1;
  const rowOf = (i: number) =>
    range(sums.columns / 4)
      .map((j) => write(`at_c + ${(j * columns) / 2}u`, [i, j]))
      .join(' ');
  return /* wgsl */ `  for (var i = 0u; i < ${sums.rows}u; i++) {
    workgroupBarrier();
    let at_c = ty * ${columns}u + tx * 4u;
    switch (i) {
${lines(sums.rows, (i) => `      ${i === last ? 'default' : `case ${i}u`}: { ${rowOf(i)} }`)}
    }
    workgroupBarrier();
    for (var at = lane; at < ${down * columns}u; at += ${threadsOf(c)}u) {
      let j = at % ${columns}u;
      let m = m_0 + (at / ${columns}u) * 4u + (i / 4u) * ${rows / 2}u + i % 4u;
      if (m < p.rows && n_0 + j < p.columns) {
        var sum = ${read('at')};
        let place = c_start + m * p.c_row + ${placeInC};${storeSum(memory, 'place', '(n_0 + j) / p.plane')}
      }
    }
  }`;
}
