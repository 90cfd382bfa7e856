/**
 * The contraction by subgroup matrices (Dawn's chromium-experimental-subgroup-matrix: the matrix units of a GPU), of halves
 * with sums in f32 (./contraction.ts has the formula). A workgroup of four subgroups of 32 lanes computes a tile of 64 x 64
 * outputs; the sum runs over k in slabs of 32 values, which the workgroup brings into its memory together, as
 * ./tiled.ts does, by the same tables of where rows, columns and steps of k lie:
 *
 *   A [64][32], B [32][64] as halves in workgroup memory -> 16 x 16 x 16 products, each subgroup 16 rows of 64 columns
 *
 * `units` 1 multiplies by the extension; `units` 0 does the same slabs and places by plain arithmetic: the part of the text that
 * only hardware runs is the few lines of `PRODUCTS[1]`. **No GPU ran those: they are compiled (test/kernels/matrix.test.ts), not
 * measured**, and asked for explicitly: FROSTLINE_SUBGROUP_MATRIX=1 (docs/precision.md).
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import type { Capabilities, Configuration, Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { range } from '../rasteriser.ts';
import {
  biasText,
  boundsOf,
  COLUMN_OF,
  type ContractionParams,
  type contractionParams,
  groupText,
  storeSum,
  tilesOf,
} from './problem.ts';
import { neighbours, placeFunctions } from './tiled.ts';

const [ROWS, COLUMNS, DEPTH] = [64, 64, 32];
/** Rows and columns of one matrix; a subgroup has ROWS_OF of the tile's rows. */
const SIDE = 16;
const LANES = 32;
const THREADS = (ROWS / SIDE) * LANES;
/** Lines of the slabs are eight halves longer than the tile: 16 bytes, which keeps them aligned. */
const [LINE_A, LINE_B] = [DEPTH + 8, COLUMNS + 8];
const MEMORY = 2 * (ROWS * LINE_A + DEPTH * LINE_B) + 4 * ROWS * SIDE + 16 * (COLUMNS + DEPTH);
/** Blocks of SIDE columns, which are written one after another, and a thread's outputs of one where it has no matrix unit. */
const BLOCKS = COLUMNS / SIDE;
const OWN = (ROWS * SIDE) / THREADS;

const lines = (count: number, text: (i: number) => string) => range(count).map(text).join('\n');
const matrix = (kind: 'left' | 'right') => `subgroup_matrix_${kind}<f16, ${SIDE}, ${SIDE}>`;

/** What is declared before the loop, done with each slab, and what writes block j to `sums` [64][16]. */
const PRODUCTS = [
  {
    begin: `  var own: array<f32, ${BLOCKS * OWN}>;`,
    // Bounds known at run time alone: unrolled, these loops cost minutes of compilation.
    slab: /* wgsl */ `    let runs = min(p.parts, 1u);
    for (var i = 0u; i < ${BLOCKS * OWN}u * runs; i++) {
      let at = lane + i % ${OWN}u * ${THREADS}u;
      let m = at / ${SIDE}u;
      let j = i / ${OWN}u * ${SIDE}u + at % ${SIDE}u;
      for (var k = 0u; k < ${DEPTH}u * runs; k++) {
        own[i] += f32(slab_a[m * ${LINE_A}u + k]) * f32(slab_b[k * ${LINE_B}u + j]);
      }
    }`,
    block: (j: number) =>
      `  for (var i = 0u; i < ${OWN}u; i++) { sums[lane + i * ${THREADS}u] = own[${j * OWN}u + i]; }`,
  },
  {
    begin: lines(BLOCKS, (j) => `  var c${j}: subgroup_matrix_result<f32, ${SIDE}, ${SIDE}>;`),
    slab: lines(
      DEPTH / SIDE,
      (
        k,
      ) => /* wgsl */ `    let a${k} = subgroupMatrixLoad<${matrix('left')}, row_major>(&slab_a, subgroup * ${SIDE * LINE_A}u + ${k * SIDE}u, ${LINE_A}u);
${lines(
  BLOCKS,
  (
    j,
  ) => `    let b${k}_${j} = subgroupMatrixLoad<${matrix('right')}, row_major>(&slab_b, ${k * SIDE * LINE_B + j * SIDE}u, ${LINE_B}u);
    c${j} = subgroupMatrixMultiplyAccumulate(a${k}, b${k}_${j}, c${j});`,
)}`,
    ),
    block: (j: number) => `  subgroupMatrixStore<row_major>(&sums, subgroup * ${SIDE * SIDE}u, c${j}, ${SIDE}u);`,
  },
] as const;

function text({ units, bounds, a_inner, b_inner }: Configuration, memory: Memory) {
  const { begin, slab, block } = PRODUCTS[units];
  return {
    declarations: /* wgsl */ `${COLUMN_OF}${biasText(memory)}
var<workgroup> slab_a: array<f16, ${ROWS * LINE_A}>;
var<workgroup> slab_b: array<f16, ${DEPTH * LINE_B}>;
// Of one block of columns.
var<workgroup> sums: array<f32, ${ROWS * SIDE}>;
// Of each column: its place in B, its line and place of the window, its place in C.
var<workgroup> places: array<vec4u, ${COLUMNS}>;
// Of each k of the slab: its places in A and B, its line and place of the window.
var<workgroup> depths: array<vec4u, ${DEPTH}>;
${placeFunctions(bounds, memory)}`,
    main: /* wgsl */ `
  let tiles_m = (p.rows + ${ROWS - 1}u) / ${ROWS}u;
  let tiles_n = (p.columns + ${COLUMNS - 1}u) / ${COLUMNS}u;
  let group = workgroup / (tiles_m * tiles_n);
${groupText()}
  let m_0 = (workgroup % tiles_m) * ${ROWS}u;
  let n_0 = ((workgroup / tiles_m) % tiles_n) * ${COLUMNS}u;
  if (part >= p.parts) { return; }
  let first = part * p.part_depth;
  let end = min(first + p.part_depth, p.u * p.v * p.inner);
  for (var i = lane; i < ${COLUMNS}u; i += ${THREADS}u) { places[i] = place_of_column(n_0 + i, b_start); }
${begin}
  for (var s = first; s < end; s += ${DEPTH}u) {
    workgroupBarrier();
    if (lane < ${DEPTH}u) { depths[lane] = place_of_depth(s + lane); }
    workgroupBarrier();
    for (var i = lane; i < ${ROWS * DEPTH}u; i += ${THREADS}u) {
      let k = ${a_inner === 1 ? `i % ${DEPTH}u` : `i / ${ROWS}u`};
      let m = ${a_inner === 1 ? `i / ${DEPTH}u` : `i % ${ROWS}u`};
      let row = a_start + min(m_0 + m, p.rows - 1u) * p.a_row;
      slab_a[m * ${LINE_A}u + k] = f16(value_of_a(row, depths[k].x, s + k < end));
    }
    for (var i = lane; i < ${DEPTH * COLUMNS}u; i += ${THREADS}u) {
      let k = ${b_inner === 1 ? `i % ${DEPTH}u` : `i / ${COLUMNS}u`};
      let j = ${b_inner === 1 ? `i / ${DEPTH}u` : `i % ${COLUMNS}u`};
      slab_b[k * ${LINE_B}u + j] = f16(value_of_b(places[j], depths[k], s + k < end));
    }
    workgroupBarrier();
${slab}
  }
${lines(
  BLOCKS,
  (j) => /* wgsl */ `  workgroupBarrier();
${block(j)}
  workgroupBarrier();
  for (var at = lane; at < ${ROWS * SIDE}u; at += ${THREADS}u) {
    let j = ${j * SIDE}u + at % ${SIDE}u;
    let m = m_0 + at / ${SIDE}u;
    if (m < p.rows && n_0 + j < p.columns) {
      var sum = sums[at];
      let place = c_start + m * p.c_row + places[j].w;${storeSum(memory, 'place', '(n_0 + j) / p.plane')}
    }
  }`,
)}`,
  };
}

/** How many times the rate of f32 the units are taken to have: a guess, for nothing was measured. */
const UNITS = 4;

function cycles(p: ContractionParams, { units }: Configuration, capabilities: Capabilities): number {
  if (units === 0) return Number.MAX_VALUE;
  const { multiprocessors, lanes, threads } = machineOf(capabilities);
  const perCore = Math.ceil(tilesOf(p, ROWS, COLUMNS) / multiprocessors);
  const hidden = Math.min(1, 0.15 + (0.85 * Math.min(perCore * THREADS, 2 * threads)) / threads);
  const steps = Math.ceil(p.part_depth / DEPTH) * DEPTH + 64;
  return (perCore * ROWS * COLUMNS * steps) / (lanes * UNITS * hidden * 0.4);
}

export const matrixUnits: Variant<typeof contractionParams> = {
  name: 'matrix',
  halves: ['a', 'b'],
  extensions: ({ units }) => (units === 1 ? ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'] : ['f16']),
  configurations: [1, 0].flatMap((units) =>
    [0, 1, 2].flatMap((bounds) =>
      [0, 1].flatMap((a_inner) => [0, 1].map((b_inner) => ({ units, bounds, a_inner, b_inner }))),
    ),
  ),
  workgroupSize: () => THREADS,
  supports(capabilities, c, p) {
    const { limits, subgroupMatrices, subgroupWidth } = capabilities;
    const { a_inner, b_inner } = neighbours(p);
    // By plain arithmetic it shows that the text is right, on a rasteriser in software.
    const able =
      c.units === 1 ? subgroupMatrices === true && subgroupWidth === LANES : profileOf(capabilities).compile > 0;
    const fits = able && MEMORY <= limits.maxWorkgroupMemory;
    return fits && c.bounds === boundsOf(p) && c.a_inner === a_inner && c.b_inner === b_inner;
  },
  workgroups: (p) => tilesOf(p, ROWS, COLUMNS),
  estimate: cycles,
  cycles,
  text,
};
