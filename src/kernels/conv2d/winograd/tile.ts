/**
 * Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"):
 * a tile of outputs of a convolution of stride 1 by fewer products than its definition has.
 *
 * In one dimension, d holds s neighbouring values, g the r taps of a filter, y the m = s + 1 - r outputs that they make:
 *
 *   y[i] = sum over k of d[i + k] g[k],   i < m
 *        = sum over e of A[e][i] (sum over k of G[e][k] g[k]) (sum over j of B[e][j] d[j]),   e < s
 *
 * s products in place of m r. The matrices evaluate polynomials at s - 1 points a_e and, as the last row, take the
 * leading coefficient (the point at infinity):
 *
 *   A[e][i] = a_e^i      G[e][k] = a_e^k / product over f != e of (a_e - a_f)
 *   B[e][j] = coefficient of x^j in product over f != e of (x - a_f);  last row: of x^j in product over all f
 *
 * In two dimensions they are applied along y, then along x: Y = A^T [(G g G^T) * (B d B^T)] A, s_y s_x products for
 * m_y m_x outputs of r_y r_x taps each. s is 6 for up to three taps and 8 for more, so that 3 x 3 takes 4 times fewer
 * products than its definition and 5 x 5 6.25 times. Summed over channels, place by place, they are s_y s_x products of
 * matrices. Everything is linear in d and in g, so with dY = dL/dY
 *
 *   dL/dg = G^T [ sum over tiles of (A dY A^T) * (B d B^T) ] G
 *
 * and dL/dd is a convolution of dY by turned filters, worked on the same way.
 *
 * Points for s = 6: 0, +-5/8, +-3/2. They are exact in binary, the products of their differences stay near 1, and rounding
 * comes out twice that of the plain sum (of 256 channels of 3 x 3: 1.1e-6 against 0.6e-6), where the usual 0, +-1, +-2
 * lose twice as much again. For s = 8: 0, +-1/2, +-1, +-2, with the least error of all eighths up to 5/2 (of 96 channels
 * of 5 x 5: 3.5e-6; with s = 6 it would be 1.1e-6, at 2.25 times the products and the memory). Points in pairs +-a let
 * two rows share their even and their odd terms.
 *
 * Halves hold less than transformed values come to: what is stored as halves is scaled by powers of two (`scales`), and
 * whoever reads it takes them off again. What a binding stores tells the texts, and those of single precision have none of it.
 */
import type { Capabilities, Configuration } from '../../kernel.ts';
import type { Memory } from '../../memory.ts';
import { heldFunction } from '../../nan.ts';
import { LOAD, range } from '../../rasteriser.ts';

/** Kernel heights and widths that are worked on so. */
export const TAPS = [2, 3, 4, 5];

/** Values of a tile along a dimension with this many taps; and the outputs that they make. */
export const sideOf = (taps: number): Side => (taps <= 3 ? 6 : 8);
export const outputsOf = (taps: number) => sideOf(taps) + 1 - taps;

/** Some number of taps for which tiles have this side. */
export const tapsOf = (side: number) => TAPS.find((taps) => sideOf(taps) === side)!;

/** Values of a tile. */
export const placesOf = ([height, width]: readonly [number, number]) => sideOf(height) * sideOf(width);

/** Sides, and the finite points of each. */
const POINTS = { 6: [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2], 8: [0, 1 / 2, -1 / 2, 1, -1, 2, -2] } as const;
export const SIDES = [6, 8] as const;
export type Side = (typeof SIDES)[number];

const without = (points: readonly number[], e: number) => points.filter((_, f) => f !== e);
/** Coefficients, lowest first, of the product of (x - a). */
const polynomial = (roots: readonly number[]) =>
  roots.reduce(
    (product, root) => range(product.length + 1).map((i) => (product[i - 1] ?? 0) - root * (product[i] ?? 0)),
    [1],
  );
/** product over f != e of (a_e - a_f); 1 for the point at infinity */
const differences = (points: readonly number[]) => [
  ...points.map((a, e) => without(points, e).reduce((product, b) => product * (a - b), 1)),
  1,
];
const powers = (points: readonly number[], count: number) => [
  ...points.map((a) => range(count).map((k) => a ** k)),
  range(count).map((k) => (k === count - 1 ? 1 : 0)),
];

export type Matrix = readonly (readonly number[])[];

/** A [side][outputs], G [side][taps] and B [side][side] by these points and infinity. */
export function matricesBy(
  points: readonly number[],
  taps: number,
): { readonly output: Matrix; readonly filter: Matrix; readonly image: Matrix } {
  const of = differences(points);
  return {
    output: powers(points, points.length + 2 - taps),
    filter: powers(points, taps).map((row, e) => row.map((value) => value / of[e])),
    image: [...points.map((_, e) => [...polynomial(without(points, e)), 0]), polynomial(points)],
  };
}
const matricesOf = (taps: number) => matricesBy(POINTS[sideOf(taps)], taps);

/** A: [side][outputs] */
export const outputMatrix = (taps: number): Matrix => matricesOf(taps).output;
/** G: [side][taps] */
export const filterMatrix = (taps: number): Matrix => matricesOf(taps).filter;
/** B: [side][side] */
export const imageMatrix = (side: Side): Matrix => matricesOf(tapsOf(side)).image;

/** The sum of absolute values of a row: what a transform makes at most of values up to 1. */
const largest = (row: readonly number[]) => row.reduce((sum, value) => sum + Math.abs(value), 0);
const powerBelow = (value: number) => 2 ** Math.floor(Math.log2(value));
const IMAGE_SCALES = Object.fromEntries(
  SIDES.map((side) => [side, Math.min(...imageMatrix(side).map((row) => powerBelow(1 / largest(row))))]),
);
const SUMS_SCALE = 1 / 2;

/**
 * What a value of a place along one side is stored times, as halves, for a filter of so many taps:
 *
 * - images, and gradients row by row: the largest power of two with which no tile of finite halves overflows. The first row
 *   of gradients, dY's corner itself, keeps all of its bits, where one scale for all rows would take four of them.
 * - sums (of correlations): 1/2, for along each side they come to up to twice the outputs that they make.
 * - filters: so that images times filters are those sums. Weights beyond 500 may overflow, as f32 images may: to NaN.
 * - filterSums (of the filter gradient): images times gradients.
 */
const imageScale = (taps: number) => IMAGE_SCALES[sideOf(taps)];
const gradientScales = (taps: number) => outputMatrix(taps).map((row) => powerBelow(1 / largest(row)));
const everywhere = (scale: (taps: number) => number) => (taps: number) => range(sideOf(taps)).map(() => scale(taps));
const SCALES = {
  image: everywhere(imageScale),
  filter: everywhere((taps) => SUMS_SCALE / imageScale(taps)),
  sums: everywhere(() => SUMS_SCALE),
  gradient: gradientScales,
  filterSums: (taps: number) => gradientScales(taps).map((scale) => scale * imageScale(taps)),
};

/** Of all places of a tile. */
export const scalesOf = (what: keyof typeof SCALES, [height, width]: readonly [number, number]): number[] =>
  SCALES[what](height).flatMap((along) => SCALES[what](width).map((across) => along * across));

const literal = (value: number) => (Number.isInteger(value) ? `${value}.0` : `${value}`);
const sum = (terms: readonly (readonly [number, string])[]) => {
  const texts = terms
    .filter(([factor]) => factor !== 0)
    .map(([factor, name]) => (factor === 1 ? name : `${literal(factor)} * ${name}`));
  return texts.length === 0 ? '0.0' : texts.join(' + ');
};

type Names = readonly string[];
interface Text {
  readonly lines: readonly string[];
  readonly names: Names;
}
/** out = M in, or M^T in, as WGSL. */
type Transform = (matrix: Matrix, values: Names, out: string) => Text;

/** The first of each pair of rows whose points are +-a. */
const pairsOf = (rows: number) => range((rows - 2) / 2).map((i) => 2 * i + 1);

/** out[e] = sum over j of M[e][j] in[j]: rows of points +-a differ in the sign of their odd terms. */
export const expand: Transform = (matrix, values, out) => {
  const terms = (e: number, parity?: number) =>
    sum(values.flatMap((name, j) => (parity === undefined || j % 2 === parity ? [[matrix[e][j], name] as const] : [])));
  const last = matrix.length - 1;
  const pairs = pairsOf(matrix.length).flatMap((e) => [
    `let ${out}even${e} = ${terms(e, 0)};`,
    `let ${out}odd${e} = ${terms(e, 1)};`,
    `let ${out}${e} = ${out}even${e} + ${out}odd${e};`,
    `let ${out}${e + 1} = ${out}even${e} - ${out}odd${e};`,
  ]);
  return {
    lines: [`let ${out}0 = ${terms(0)};`, ...pairs, `let ${out}${last} = ${terms(last)};`],
    names: matrix.map((_, e) => `${out}${e}`),
  };
};

/** out[j] = sum over e of M[e][j] in[e]: the transpose. */
export const contract: Transform = (matrix, values, out) => {
  const last = matrix.length - 1;
  const pairs = pairsOf(matrix.length).flatMap((e) => [
    `let ${out}sum${e} = ${values[e]} + ${values[e + 1]};`,
    `let ${out}difference${e} = ${values[e]} - ${values[e + 1]};`,
  ]);
  const names = matrix[0].map((_, j) => `${out}${j}`);
  const results = names.map((name, j) => {
    const part = j % 2 === 0 ? 'sum' : 'difference';
    const terms = pairsOf(matrix.length).map((e) => [matrix[e][j], `${out}${part}${e}`] as const);
    return `let ${name} = ${sum([[matrix[0][j], values[0]], ...terms, [matrix[last][j], values[last]]])};`;
  });
  return { lines: [...pairs, ...results], names };
};

/**
 * A transform along y, then along x, as WGSL: of the values named input(y, x), into those named names[y][x].
 */
export function transformTile(
  transform: Transform,
  [alongY, alongX]: readonly [Matrix, Matrix],
  input: (y: number, x: number) => string,
): { readonly text: string; readonly names: readonly Names[] } {
  const sizeOf = (matrix: Matrix) => (transform === expand ? matrix[0].length : matrix.length);
  const columns = range(sizeOf(alongX)).map((x) =>
    transform(
      alongY,
      range(sizeOf(alongY)).map((y) => input(y, x)),
      `column${x}_`,
    ),
  );
  const lines = columns[0].names.map((_, y) =>
    transform(
      alongX,
      columns.map(({ names }) => names[y]),
      `line${y}_`,
    ),
  );
  return {
    text: [...columns, ...lines].flatMap((part) => part.lines.map((line) => `  ${line}`)).join('\n'),
    names: lines.map(({ names }) => names),
  };
}

const counted = new Map<string, number>();

/**
 * Additions and multiplications of a tile's transform, as its text makes them: 264 for an image's 6 x 6 values, 117 for a
 * filter of 3 x 3 taps, 160 for the 4 x 4 outputs that they make. What a kernel counts (`cost`), of tiles that hold something.
 */
export function transformOperations(transform: Transform, matrices: readonly [Matrix, Matrix]): number {
  const key = JSON.stringify([transform === expand, matrices]);
  const known = counted.get(key);
  if (known !== undefined) return known;
  const { text } = transformTile(transform, matrices, (y, x) => `v${y}_${x}`);
  // A factor of -1 is a sign of the addition around it.
  const operations = text.replaceAll('-1.0 * ', '').match(/ [-+*] /g)?.length ?? 0;
  counted.set(key, operations);
  return operations;
}

/** `sideOf` and `outputsOf`. */
export const SIZES = /* wgsl */ `
fn side_of(taps: u32) -> u32 { return select(8u, 6u, taps <= 3u); }
fn outputs_of(taps: u32) -> u32 { return side_of(taps) + 1u - taps; }`;

const table = (name: string, values: readonly number[]) =>
  `const ${name} = array<f32, ${values.length}>(${values.map(literal).join(', ')});`;

/** The matrices as functions, for the plain variants: a_ of A, g_ of G, b_ of B. */
export const MATRICES = /* wgsl */ `${SIZES}
${SIDES.flatMap((side) => [
  table(`POINTS_${side}`, POINTS[side]),
  table(
    `INVERSES_${side}`,
    differences(POINTS[side]).map((value) => 1 / value),
  ),
  table(`IMAGE_${side}`, imageMatrix(side).flat()),
]).join('\n')}
// a_e^k, and at infinity the highest of \`count\` powers.
fn power_(side: u32, e: u32, k: u32, count: u32) -> f32 {
  if (e + 1u == side) { return select(0.0, 1.0, k + 1u == count); }
  var point = 0.0;
  if (side == 6u) { point = POINTS_6[e]; } else { point = POINTS_8[e]; }
  var power = 1.0;
  for (var i = 0u; i < k; i++) { power *= point; }
  return power;
}
fn a_(taps: u32, e: u32, i: u32) -> f32 { return power_(side_of(taps), e, i, outputs_of(taps)); }
fn g_(taps: u32, e: u32, k: u32) -> f32 {
  let side = side_of(taps);
  let power = power_(side, e, k, taps);
  if (side == 6u) { return power * INVERSES_6[e]; }
  return power * INVERSES_8[e];
}
fn b_(side: u32, e: u32, j: u32) -> f32 {
  if (side == 6u) { return IMAGE_6[e * 6u + j]; }
  return IMAGE_8[e * 8u + j];
}`;

/** The scale of a place as a function, for the plain variants, where `binding` stores halves. */
export function scaleFunction({ halves }: Memory, binding: 'panels' | 'sums', { what }: Scaling): string {
  if (!halves.has(binding)) return '';
  const rows = TAPS.flatMap((taps) => range(8).map((e) => SCALES[what](taps)[e] ?? 0));
  return /* wgsl */ `
${table('SCALES', rows)}
fn scale_(kernel_height: u32, kernel_width: u32, e: u32) -> f32 {
  let s_x = side_of(kernel_width);
  return SCALES[(kernel_height - ${TAPS[0]}u) * 8u + e / s_x] * SCALES[(kernel_width - ${TAPS[0]}u) * 8u + e % s_x];
}`;
}

/** The kernel of a convolution among parameters. */
export interface KernelSize {
  readonly kernel_height: number;
  readonly kernel_width: number;
}
export const placesAt = ({ kernel_height, kernel_width }: KernelSize) => placesOf([kernel_height, kernel_width]);

/** What a variant has that takes one tile a thread, of `threads` in all. */
export const oneTileAThread = <P extends KernelSize>(threads: (params: P) => number) => ({
  name: 'tiles',
  workgroupSize: () => 64,
  workgroups: (params: P) => Math.ceil(threads(params) / 64),
  estimate: (params: P) => threads(params) * placesAt(params) * LOAD,
  // Of the 16 to 64 loads of a tile none waits for another.
  inFlight: 64,
});

/** A text for each height and width of the filter. */
export const forEachKernel = {
  configurations: TAPS.flatMap((height) => TAPS.map((width) => ({ height, width }))),
  supports: (_: Capabilities, { height, width }: Configuration, params: KernelSize) =>
    height === params.kernel_height && width === params.kernel_width,
};

/**
 * Loads `rows` x `columns` values of the binding at the place `at` (plane, y, x, inside), 0 beyond `lines` and
 * `width`, into those named d0_0, d0_1, ..
 */
export const loadValues = ({ load }: Memory, binding: string, rows: number, columns: number, lines: string) =>
  [
    ...range(rows).map(
      (i) =>
        `  let y${i} = at.plane + min(at.y + ${i}u, p.${lines} - 1u) * p.width; let in_y${i} = at.inside && at.y + ${i}u < p.${lines};`,
    ),
    ...range(columns).map(
      (i) => `  let x${i} = min(at.x + ${i}u, p.width - 1u); let in_x${i} = at.x + ${i}u < p.width;`,
    ),
    ...range(rows).flatMap((y) =>
      range(columns).map(
        (x) => `  let d${y}_${x} = select(0.0, ${load(binding, `y${y} + x${x}`)}, in_y${y} && in_x${x});`,
      ),
    ),
  ].join('\n');

/** What is scaled, and of which binding it is made: halves of that one never overflow so. */
export interface Scaling {
  readonly what: keyof typeof SCALES;
  readonly of?: string;
}

const overflows = ({ halves }: Memory, { of }: Scaling) =>
  halves.has('panels') && (of === undefined || !halves.has(of));
/** What halves cannot hold becomes NaN (../../nan.ts). */
const hold = (memory: Memory, scaling: Scaling, value: string) =>
  overflows(memory, scaling) ? `held(${value})` : value;

/** Stores the values of a tile, each in the panels of its place, scaled where those store halves. */
export function storePlaces(
  memory: Memory,
  names: readonly Names[],
  kernel: readonly [number, number],
  scaling: Scaling,
): string {
  const factors = scalesOf(scaling.what, kernel);
  const stored = names.flat().map((name, e) => {
    const value = memory.halves.has('panels') ? hold(memory, scaling, `${literal(factors[e])} * ${name}`) : name;
    return `  ${memory.store('panels', `start + ${e}u * size`, value)}`;
  });
  return ['  let start = p.panels_base + index;', ...stored].join('\n');
}

/** The same of one value `sum` at place e of the panels, for the plain variants. */
export function storePlace(memory: Memory, scaling: Scaling): string {
  const scaled = 'scale_(p.kernel_height, p.kernel_width, e) * sum';
  const value = memory.halves.has('panels') ? hold(memory, scaling, scaled) : 'sum';
  return memory.store('panels', 'p.panels_base + index', value);
}

/** What both need before `main`. */
export const holdFunction = (memory: Memory, scaling: Scaling) =>
  overflows(memory, scaling) ? heldFunction('f32') : '';

/** Loads the sums of all places into s0, s1, .., from `start` on; where they are halves, their scale is taken off. */
export const loadSums = ({ halves, load }: Memory, kernel: readonly [number, number], { what }: Scaling) =>
  scalesOf(what, kernel)
    .map((factor, e) => {
      const value = load('sums', `start + ${e}u * size_of_place`);
      return `  let s${e} = ${halves.has('sums') ? `${literal(1 / factor)} * ${value}` : value};`;
    })
    .join('\n');

/** The same of one at place e, for the plain variants. */
export const loadSum = ({ halves, load }: Memory, index: string, e: string) =>
  halves.has('sums') ? `${load('sums', index)} / scale_(p.kernel_height, p.kernel_width, ${e})` : load('sums', index);
