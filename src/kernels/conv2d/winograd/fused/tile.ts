/**
 * Convolution of 3 x 3 taps by tiles of 2 x 2 outputs (../tile.ts has the transforms) in one kernel: operands are transformed
 * on their way from memory to workgroup memory, sums on their way out, and nothing between them touches memory. The points
 * are 0, 1 and -1 (and infinity), so that a transform only adds and halves. At each of the 16 places e of a tile
 *
 *   C[e] (rows x columns) = sum over k of  A[e] (rows x k) * B[e] (k x columns)
 *
 *                     A, of                B, of              C, to
 *   forward           filters, G g G^T     images, B d B^T    outputs, A^T c A       rows: filters, k: channels
 *   input gradient    the same of dy, by turned filters                              rows: channels, k: filters
 *   filter gradient   dy, A dY A^T         images             filters, G^T c G       rows: filters, k: tiles
 *
 * A workgroup of 256 threads computes 32 rows x 32 columns of all 16 places: four workgroups' worth of the tiles of
 * ../../../contraction/tile.ts, in the 32 KiB that every adapter has.
 *
 *   A, B (global) -> the next patches' values in registers -> transformed, in workgroup memory, [e][k][32] -> sums
 *
 * - A slab has 8 steps of k: each thread brings one patch of A and one of B, none is idle.
 * - 16 threads have a place, each of them 8 x 8 sums: two runs of 4 rows and of 4 columns, half a tile apart. A step reads
 *   16 values in 4 loads of vectors and makes 64 multiply-adds.
 * - Vector v of the eight of line k of place e lies at (v + k + 4 e) mod 8, so that lanes meet in no bank: they store 32 rows
 *   of one k, or 4 rows of 8 k; and the two places that a warp multiplies are half a line apart.
 * - Sums go out two rows of each thread at a time, by way of the same memory: one thread gathers the 16 places of a tile.
 */
import { machineOf, profileOf } from '../../../../gpu/machine.ts';
import { declareSums, lines, multiplyStep } from '../../../contraction/tile.ts';
import type { Capabilities, Configuration, Variant } from '../../../kernel.ts';
import { LOAD, range } from '../../../rasteriser.ts';
import { contract, expand, type Matrix, matricesBy, transformOperations, transformTile } from '../tile.ts';

/** Taps and outputs of a tile along each side, and its values. */
export const FUSED_TAPS = 3;
export const FUSED_OUTPUTS = 2;
const SIDE = FUSED_TAPS + FUSED_OUTPUTS - 1;
const PLACES = SIDE ** 2;

export const fusedMatrices = matricesBy([0, 1, -1], FUSED_TAPS);

/** Rows and columns of a workgroup's tile, and steps of k of a slab. */
export const FUSED_TILE = 32;
export const FUSED_DEPTH = 8;
const THREADS = FUSED_TILE * FUSED_DEPTH;
const SUMS = { rows: 8, columns: 8 } as const;

/** Vectors of a line of the slab, of one k. */
const LINE = FUSED_TILE / 4;
/** Values of one place, of all places, and of both operands. */
const OF_PLACE = FUSED_DEPTH * FUSED_TILE;
const SLAB = PLACES * OF_PLACE;
const MEMORY = 2 * SLAB;

/** Neighbouring lanes bring neighbouring rows (or columns) of one k, or neighbouring k of one row. */
export type Neighbours = 'rows' | 'k';

/** What a lane brings: its row (or column) of the tile and its step of the slab, as expressions. */
export const laneOf = (neighbours: Neighbours) =>
  neighbours === 'rows'
    ? { row: `lane % ${FUSED_TILE}u`, k: `lane / ${FUSED_TILE}u` }
    : { row: `lane / ${FUSED_DEPTH}u`, k: `lane % ${FUSED_DEPTH}u` };

/** An operand, as WGSL. */
export interface Operand {
  readonly name: 'a' | 'b';
  readonly neighbours: Neighbours;
  /** by what its patches are transformed: [4][values of a patch along a side] */
  readonly matrix: Matrix;
  /** statements of each turn before the loads of the step s */
  readonly places: string;
  /** an expression: value y, x of the patch; 0 where there is none */
  value(y: number, x: number): string;
}

const patchOf = ({ matrix }: Operand) =>
  range(matrix[0].length).flatMap((y) => matrix[0].map((_, x) => [y, x] as const));
const raw = ({ name }: Operand, y: number, x: number) => `${name}_${y}_${x}`;

const declarePatch = (operand: Operand) =>
  `  ${patchOf(operand)
    .map(([y, x]) => `var ${raw(operand, y, x)} = 0.0;`)
    .join(' ')}`;

const loadPatch = (operand: Operand) => `${operand.places}
${patchOf(operand)
  .map(([y, x]) => `      ${raw(operand, y, x)} = ${operand.value(y, x)};`)
  .join('\n')}`;

/**
 * Where vector v of line k of a place lies, in vectors from the place's first. (Compilers know what a remainder is below, and
 * so that no place is outside the slab and that four neighbours are one load; of an exclusive or they do not.)
 */
const vectorAt = (k: string, v: string) => `${k} * ${LINE}u + (${v} + ${k}) % ${LINE}u`;

/** Where a lane's values of even and of odd places lie in the slab. */
const ownPlace = (name: string, neighbours: Neighbours, start: number) => {
  const { row, k } = laneOf(neighbours);
  const own = (v: string) => `${start}u + 4u * (${vectorAt(`k_${name}`, v)}) + row_${name} % 4u`;
  return `  let row_${name} = ${row};
  let k_${name} = ${k};
  let even_${name} = ${own(`row_${name} / 4u`)};
  let odd_${name} = ${own(`row_${name} / 4u + 4u`)};`;
};

function storePatch(operand: Operand): string {
  const { name, matrix } = operand;
  const { text, names } = transformTile(expand, [matrix, matrix], (y, x) => raw(operand, y, x));
  const stores = names
    .flat()
    .map((value, e) => `    slab[${e * OF_PLACE}u + ${e % 2 === 0 ? 'even' : 'odd'}_${name}] = ${value};`);
  return `    {
${text}
${stores.join('\n')}
    }`;
}

const four = (at: string) =>
  `vec4f(${range(4)
    .map((n) => `slab[${at} + ${n}u]`)
    .join(', ')})`;

/** The first value of the thread's place of an operand. */
const startOf = (start: number) => `${start}u + ${OF_PLACE}u * e`;

const stepOf = (a0: string, a1: string, b0: string, b1: string) => `        let a0 = ${four(a0)};
        let a1 = ${four(a1)};
        let b0 = ${four(b0)};
        let b1 = ${four(b1)};
${multiplyStep(SUMS)}`;

/** Multiplies a slab step by step. */
function rolledText(): string {
  const at = (start: number, v: string) => `${startOf(start)} + 4u * (${vectorAt('k', v)})`;
  return `      for (var k = 0u; k < ${FUSED_DEPTH}u; k++) {
${stepOf(at(0, 'v_a'), at(0, 'v_a + 4u'), at(SLAB, 'v_b'), at(SLAB, 'v_b + 4u'))}
      }`;
}

/** The same with all steps in the text: vectors lie in eight places of a line, whatever its k. */
function unrolledText(): string {
  const places = (name: string, start: number) =>
    lines(LINE, (i) => `      let ${name}_at${i} = ${startOf(start)} + 4u * ((v_${name} + ${i}u) % ${LINE}u);`);
  const at = (name: string, k: number, run: number) => `${name}_at${(k + run) % LINE} + ${k * FUSED_TILE}u`;
  const step = (k: number) => stepOf(at('a', k, 0), at('a', k, 4), at('b', k, 0), at('b', k, 4));
  return `${places('a', 0)}
${places('b', SLAB)}
${lines(FUSED_DEPTH, (k) => `      {\n${step(k)}\n      }`)}`;
}

/** What stands before `main`. */
export const slabText = /* wgsl */ `
// A's places, then B's; in the end, sums of all places.
var<workgroup> slab: array<f32, ${MEMORY}>;`;

/** Which place, and which sums of it, are a thread's; and which patches it brings. */
export const threadText = (a: Neighbours, b: Neighbours) => /* wgsl */ `
  let e = lane / 16u;
  let ty = (lane % 16u) / 4u;
  let tx = lane % 4u;
${ownPlace('a', a, 0)}
${ownPlace('b', b, SLAB)}`;

/**
 * Sums c0_0 .. c7_1 over the steps from `first` to `end`, which all threads of a workgroup have in common.
 * @param unrolled the steps of a slab stand in the text one by one
 */
export const productsText = (a: Operand, b: Operand, unrolled: boolean) => /* wgsl */ `
${declarePatch(a)}
${declarePatch(b)}
${declareSums(SUMS)}
  let v_a = ty + 4u * (e % 2u);
  let v_b = tx + 4u * (e % 2u);
  // A turn loads the patches from s on, multiplies the slab before, and transforms the loaded ones to be the next.
  for (var s = first; s < end + ${FUSED_DEPTH}u; s += ${FUSED_DEPTH}u) {
    if (s < end) {
${loadPatch(a)}
${loadPatch(b)}
    }
    if (s > first) {
${unrolled ? unrolledText() : rolledText()}
    }
    workgroupBarrier();
${storePatch(a)}
${storePatch(b)}
    workgroupBarrier();
  }`;

/** Rows of sums of a thread that go out at a time. */
const OUT = 2;

/**
 * All sums, transformed by `matrix` along both sides: `write` gets the names of a tile's values, [y][x], of the row `row`
 * and the column `lane % 32` of the workgroup's tile.
 */
export function outputsText(matrix: Matrix, write: (names: readonly (readonly string[])[]) => string): string {
  const { text, names } = transformTile(contract, [matrix, matrix], (y, x) => `c_${SIDE * y + x}`);
  const passes = SUMS.rows / OUT;
  const ofPlace = (OUT * FUSED_TILE * FUSED_TILE) / SUMS.rows;
  const rowOf = (i: number) =>
    range(2)
      .flatMap((j) => range(4).map((n) => ({ j, n })))
      .map(
        ({ j, n }) =>
          `slab[4u * (to + ${(i % OUT) * LINE}u + (v_out + ${4 * j}u) % ${LINE}u) + ${n}u] = c${i}_${j}[${n}];`,
      )
      .join(' ');
  return /* wgsl */ `
  // Of the four threads above one another each has two lines, of which the odd ones begin half a line further round.
  let to = e * ${ofPlace / 4}u + ty * ${OUT * LINE}u;
  let v_out = tx + 4u * (ty % 2u);
  let out = lane / ${FUSED_TILE}u;
  let own = out * ${FUSED_TILE}u + (lane + 16u * ((out / ${OUT}u) % 2u)) % ${FUSED_TILE}u;
  for (var turn = 0u; turn < ${passes}u; turn++) {
    switch (turn) {
${lines(
  passes,
  (q) =>
    `      ${q === passes - 1 ? 'default' : `case ${q}u`}: { ${range(OUT)
      .map((i) => rowOf(OUT * q + i))
      .join(' ')} }`,
)}
    }
    workgroupBarrier();
${lines(PLACES, (place) => `    let c_${place} = slab[${place * ofPlace}u + own];`)}
${text}
    let row = (out / ${OUT}u) * 4u + (turn / ${passes / 2}u) * ${FUSED_TILE / 2}u + (turn % ${passes / 2}u) * ${OUT}u + out % ${OUT}u;
${write(names)}
    workgroupBarrier();
  }`;
}

/** Tiles of 2 x 2 outputs. */
export const fusedTilesAlong = (outputs: number) => Math.ceil(outputs / FUSED_OUTPUTS);

/** Rows, columns and steps of the products, and how many products of such matrices side by side. */
export interface FusedProducts {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly count: number;
}

/** By what the operands' patches are transformed, and the sums. */
export interface FusedTransforms {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly sums: Matrix;
}

/** Operations of the products, and of the transforms: of each patch and each tile of sums once, however often it is made. */
export function fusedFlops({ rows, columns, depth, count }: FusedProducts, { a, b, sums }: FusedTransforms): number {
  const patches =
    rows * transformOperations(expand, [a, a]) * depth + columns * transformOperations(expand, [b, b]) * depth;
  const out = rows * columns * (2 * PLACES * depth + transformOperations(contract, [sums, sums]));
  return count * (patches + out);
}

const blocks = (extent: number) => Math.ceil(extent / FUSED_TILE);
export const fusedWorkgroups = ({ rows, columns, count }: FusedProducts) => count * blocks(rows) * blocks(columns);

/**
 * The share of the peak rate that multiply-adds are taken to reach: a guess, for it has run on no card. A thread's turn has
 * 512 of them among some 800 instructions (as AMD's compiler counts), where the contraction's vectors
 * (../../../contraction/vectors.ts) have 1024 among 1100 and are taken to reach 0.7. With the steps in the text one by one
 * there are 60 fewer and 24 registers more, which have cost ../../../contraction/tiled.ts more than that.
 */
const SHARE = 0.45;
const UNROLLED = 0.44;
/** Beginning and end in steps of k: the first patches' way from memory, and four passes over the sums. A guess, too. */
const ENDS = 32;

/** Cycles of the whole GPU; of a rasteriser, instructions of a vector as wide as the subgroup. */
export function fusedCycles(products: FusedProducts, { unrolled }: Configuration, capabilities: Capabilities): number {
  const { depth } = products;
  const steps = Math.ceil(depth / FUSED_DEPTH) * FUSED_DEPTH;
  if (profileOf(capabilities).unit !== 'cycles') {
    const lanes = Math.max(1, capabilities.subgroupWidth);
    // Loads and stores in a turn, multiply-adds at two, and what else there is.
    const turn = (25 + 32 + 16 * FUSED_DEPTH) * LOAD + 2 * 64 * FUSED_DEPTH + 200;
    const out = (64 + 80) * LOAD + 400;
    return (fusedWorkgroups(products) * THREADS * ((steps / FUSED_DEPTH) * turn + out)) / lanes;
  }
  const { multiprocessors, lanes } = machineOf(capabilities);
  const perCore = Math.ceil(fusedWorkgroups(products) / multiprocessors);
  return (perCore * PLACES * FUSED_TILE ** 2 * (steps + ENDS)) / (lanes * (unrolled === 1 ? UNROLLED : SHARE));
}

/** The time of one thread an output, with two loads of memory for each of `terms` products. */
export function plainCycles(outputs: number, terms: number, capabilities: Capabilities): number {
  // On a rasteriser as ../../../../operators/algorithms/contraction.ts counts the contraction's plain variant.
  if (profileOf(capabilities).unit !== 'cycles') return outputs * terms * 90;
  const { multiprocessors, lanes } = machineOf(capabilities);
  // As measured of the contraction's (../../../contraction/contraction.ts).
  const step = 49;
  return Math.max(terms * (step + 30), (outputs * terms * step) / (multiprocessors * lanes));
}

/** What the variant that does all this has. */
export const fusedVariant = {
  name: 'fused',
  workgroupSize: () => THREADS,
  // Of 25 loads of a turn none waits for another.
  inFlight: 100,
  multiplyAddsPerLoad: () => (SUMS.rows * SUMS.columns) / ((SUMS.rows + SUMS.columns) / 4),
} satisfies Partial<Variant<never>>;

export const fusedFits = ({ limits }: Capabilities) => 4 * MEMORY <= limits.maxWorkgroupMemory;
/** Whether the steps stand in the text: the quicker by estimate first. */
export const UNROLLED_OR_NOT = [0, 1] as const;
