/**
 * Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"):
 * a tile of outputs of a convolution of stride 1 by fewer products than its definition has.
 *
 * In one dimension, d holds 6 neighbouring values, g the r taps of a filter, y the m = 7 - r outputs that they make:
 *
 *   y[i] = sum over k of d[i + k] g[k],   i < m
 *        = sum over e of A[e][i] (sum over k of G[e][k] g[k]) (sum over j of B[e][j] d[j]),   e < 6
 *
 * 6 products in place of m r. The matrices evaluate polynomials at five points a_e and, as the last row, take the
 * leading coefficient (the point at infinity):
 *
 *   A[e][i] = a_e^i      G[e][k] = a_e^k / product over f != e of (a_e - a_f)
 *   B[e][j] = coefficient of x^j in product over f != e of (x - a_f);  last row: of x^j in product over all f
 *
 * In two dimensions they are applied along y, then along x: Y = A^T [(G g G^T) * (B d B^T)] A, 36 products for m_y m_x
 * outputs of r_y r_x taps each: 4 times fewer for 3 x 3, 2.8 times for 5 x 5. Summed over channels, place by place of the
 * 36, the products are 36 products of matrices. Everything is linear in d and in g, so with dY = dL/dY
 *
 *   dL/dg = G^T [ sum over tiles of (A dY A^T) * (B d B^T) ] G
 *
 * and dL/dd is a convolution of dY by turned filters, worked on the same way.
 *
 * Points: 0, +-5/8, +-3/2. They are exact in binary, the products of their differences stay near 1, and rounding comes
 * out twice that of the plain sum (of 256 channels of 3 x 3: 1.1e-6 against 0.6e-6), where the usual 0, +-1, +-2 lose twice
 * as much again. Points in pairs +-a let two rows share their even and their odd terms.
 */
import type { Capabilities, Configuration, ParamSchema, Params } from '../../kernel.ts';
import { LOAD, range } from '../../rasteriser.ts';

/** Values of a transformed tile along one dimension, and in all. */
export const SIDE = 6;
export const PLACES = SIDE * SIDE;

/** Kernel heights and widths that are worked on so. */
export const TAPS = [2, 3, 4, 5];

/** Outputs of a tile along a dimension with this many taps. */
export const outputsOf = (taps: number) => SIDE + 1 - taps;

const POINTS = [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2];
const others = (e: number) => POINTS.filter((_, f) => f !== e);
/** Coefficients, lowest first, of the product of (x - a). */
const polynomial = (roots: readonly number[]) =>
  roots.reduce(
    (product, root) => range(product.length + 1).map((i) => (product[i - 1] ?? 0) - root * (product[i] ?? 0)),
    [1],
  );
const differences = POINTS.map((a, e) => others(e).reduce((product, b) => product * (a - b), 1));
const powers = (count: number) => [
  ...POINTS.map((a) => range(count).map((k) => a ** k)),
  range(count).map((k) => (k === count - 1 ? 1 : 0)),
];

export type Matrix = readonly (readonly number[])[];

/** A: [6][outputs] */
export const outputMatrix = (taps: number): Matrix => powers(outputsOf(taps));
/** G: [6][taps] */
export const filterMatrix = (taps: number): Matrix =>
  powers(taps).map((row, e) => row.map((value) => value / (differences[e] ?? 1)));
/** B: [6][6] */
export const imageMatrix: Matrix = [
  ...range(POINTS.length).map((e) => [...polynomial(others(e)), 0]),
  polynomial(POINTS),
];

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

/** out[e] = sum over j of M[e][j] in[j]: rows of points +-a differ in the sign of their odd terms. */
export const expand: Transform = (matrix, values, out) => {
  const terms = (e: number, parity?: number) =>
    sum(values.flatMap((name, j) => (parity === undefined || j % 2 === parity ? [[matrix[e][j], name] as const] : [])));
  const pairs = [1, 3].flatMap((e) => [
    `let ${out}even${e} = ${terms(e, 0)};`,
    `let ${out}odd${e} = ${terms(e, 1)};`,
    `let ${out}${e} = ${out}even${e} + ${out}odd${e};`,
    `let ${out}${e + 1} = ${out}even${e} - ${out}odd${e};`,
  ]);
  return {
    lines: [`let ${out}0 = ${terms(0)};`, ...pairs, `let ${out}5 = ${terms(5)};`],
    names: range(SIDE).map((e) => `${out}${e}`),
  };
};

/** out[j] = sum over e of M[e][j] in[e]: the transpose. */
export const contract: Transform = (matrix, values, out) => {
  const pairs = [1, 3].flatMap((e) => [
    `let ${out}sum${e} = ${values[e]} + ${values[e + 1]};`,
    `let ${out}difference${e} = ${values[e]} - ${values[e + 1]};`,
  ]);
  const names = matrix[0].map((_, j) => `${out}${j}`);
  const results = names.map((name, j) => {
    const part = j % 2 === 0 ? 'sum' : 'difference';
    const terms = [1, 3].map((e) => [matrix[e][j], `${out}${part}${e}`] as const);
    return `let ${name} = ${sum([[matrix[0][j], values[0]], ...terms, [matrix[5][j], values[5]]])};`;
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
  const sizeOf = (matrix: Matrix) => (transform === expand ? matrix[0].length : SIDE);
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

/** The matrices as functions, for the plain variants: a_ of A, b_ of B, g_ of G, with `count` columns where that varies. */
export const MATRICES = /* wgsl */ `
const POINTS = array<f32, 5>(${POINTS.map(literal).join(', ')});
const INVERSES = array<f32, 6>(${[...differences.map((value) => 1 / value), 1].map(literal).join(', ')});
const IMAGE = array<f32, 36>(${imageMatrix.flat().map(literal).join(', ')});
// a_e^k, and at infinity the highest of \`count\` powers.
fn a_(e: u32, k: u32, count: u32) -> f32 {
  if (e == 5u) { return select(0.0, 1.0, k + 1u == count); }
  var power = 1.0;
  for (var i = 0u; i < k; i++) { power *= POINTS[e]; }
  return power;
}
fn g_(e: u32, k: u32, count: u32) -> f32 { return a_(e, k, count) * INVERSES[e]; }
fn b_(e: u32, j: u32) -> f32 { return IMAGE[e * 6u + j]; }`;

/** What a variant has that takes one tile a thread, of `threads` in all. */
export const oneTileAThread = <P extends ParamSchema>(threads: (params: Params<P>) => number) => ({
  name: 'tiles',
  workgroupSize: () => 64,
  workgroups: (params: Params<P>) => Math.ceil(threads(params) / 64),
  estimate: (params: Params<P>) => threads(params) * PLACES * LOAD,
});

/** A text for each height and width of the filter. */
export const forEachKernel = {
  configurations: TAPS.flatMap((height) => TAPS.map((width) => ({ height, width }))),
  supports: (
    _: Capabilities,
    { height, width }: Configuration,
    params: { readonly kernel_height: number; readonly kernel_width: number },
  ) => height === params.kernel_height && width === params.kernel_width,
};

/** Stores the values of a tile, each in the panels of its place. */
export const storePlaces = (names: readonly Names[]) =>
  [
    '  let start = p.panels_base + index;',
    ...names.flat().map((name, e) => `  panels[start + ${e}u * size] = ${name};`),
  ].join('\n');
