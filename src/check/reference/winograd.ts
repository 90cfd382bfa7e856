/**
 * Convolution by tiles, from its formulas: every transform is a linear map of its input with constant coefficients, the
 * matrices below, which are worked out by hand from those in kernels/conv2d/winograd/tile.ts.
 */
import type { Expected } from '../expected.ts';
import { isDenormal, SMALLEST_NORMAL } from '../values.ts';

type Values = ArrayLike<number>;
/** Rows. */
export type Matrix = readonly (readonly number[])[];

/** Of tiles of 6 values. Points 0, +-5/8, +-3/2: (x^2 - 25/64)(x^2 - 9/4) = x^4 - 169/64 x^2 + 225/256. */
const B_6: Matrix = [
  [225 / 256, 0, -169 / 64, 0, 1, 0],
  [0, -45 / 32, -9 / 4, 5 / 8, 1, 0],
  [0, 45 / 32, -9 / 4, -5 / 8, 1, 0],
  [0, -75 / 128, -25 / 64, 3 / 2, 1, 0],
  [0, 75 / 128, -25 / 64, -3 / 2, 1, 0],
  [0, 225 / 256, 0, -169 / 64, 0, 1],
];
/** 2 a^2 (a^2 - b^2) at a = 5/8: -25/32 * 119/64; at a = 3/2: 9/2 * 119/64. */
const WEIGHTS_6 = [256 / 225, -2048 / 2975, -2048 / 2975, 128 / 1071, 128 / 1071, 1];

/** Of tiles of 8. Points 0, +-1/2, +-1, +-2: (x^2 - 1/4)(x^2 - 1)(x^2 - 4) = x^6 - 21/4 x^4 + 21/4 x^2 - 1. */
const B_8: Matrix = [
  [-1, 0, 21 / 4, 0, -21 / 4, 0, 1, 0],
  [0, 2, 4, -5 / 2, -5, 1 / 2, 1, 0],
  [0, -2, 4, 5 / 2, -5, -1 / 2, 1, 0],
  [0, 1, 1, -17 / 4, -17 / 4, 1, 1, 0],
  [0, -1, 1, 17 / 4, -17 / 4, -1, 1, 0],
  [0, 1 / 2, 1 / 4, -5 / 2, -5 / 4, 2, 1, 0],
  [0, -1 / 2, 1 / 4, 5 / 2, -5 / 4, -2, 1, 0],
  [0, -1, 0, 21 / 4, 0, -21 / 4, 0, 1],
];
/** 2 a^2 (a^2 - b^2) (a^2 - c^2) at a = 1/2: 1/2 * 3/4 * 15/4; at a = 1: -2 * 3/4 * 3; at a = 2: 8 * 15/4 * 3. */
const WEIGHTS_8 = [-1, 32 / 45, 32 / 45, -2 / 9, -2 / 9, 1 / 90, 1 / 90, 1];

/** Of tiles of 4 values, for 3 taps and 2 outputs. Points 0, 1, -1: (x - 1)(x + 1), x (x + 1), x (x - 1), x^3 - x. */
export const FOUR: Readonly<Record<'A' | 'B' | 'G', Matrix>> = {
  A: [
    [1, 0],
    [1, 1],
    [1, -1],
    [0, 1],
  ],
  B: [
    [-1, 0, 1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, -1, 0, 1],
  ],
  G: [
    [-1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
};

/** Values of a tile: 6 for filters of up to three taps, 8 for longer ones. They make side + 1 - taps outputs. */
export const side = (taps: number) => (taps <= 3 ? 6 : 8);
export const outputs = (taps: number) => side(taps) + 1 - taps;
const points = (taps: number) => (side(taps) === 6 ? [0, 0.625, -0.625, 1.5, -1.5] : [0, 0.5, -0.5, 1, -1, 2, -2]);
const powers = (taps: number, count: number): Matrix => [
  ...points(taps).map((a) => Array.from({ length: count }, (_, k) => a ** k)),
  Array.from({ length: count }, (_, k) => Number(k === count - 1)),
];
/** For a filter of so many taps. */
export const A = (taps: number): Matrix => powers(taps, outputs(taps));
export const B = (taps: number): Matrix => (side(taps) === 6 ? B_6 : B_8);
export const G = (taps: number): Matrix => {
  const weights = side(taps) === 6 ? WEIGHTS_6 : WEIGHTS_8;
  return powers(taps, taps).map((row, e) => row.map((power) => power * weights[e]));
};
export const absolute = (matrix: Matrix): Matrix => matrix.map((row) => row.map(Math.abs));

/**
 * What is stored as halves is stored times a power of two, the same along both sides: images over 8 or 16, filters times 4 or
 * 8, and so the sums of their products over 2. Gradients by the absolute sums of their matrix's rows, which are powers of
 * 0, a point, minus that, the next, .., infinity.
 */
const ofImage = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => (side(taps) === 6 ? 1 / 8 : 1 / 16));
const ofFilter = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => (side(taps) === 6 ? 4 : 8));
const ofSums = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => 1 / 2);
const GRADIENT: Readonly<Record<number, readonly number[]>> = {
  2: [1, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
  3: [1, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
  4: [1, 1 / 2, 1 / 2, 1 / 8, 1 / 8, 1 / 32, 1 / 32, 1],
  5: [1, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
};
const ofGradient = (taps: number) => GRADIENT[taps];
const ofFilterSums = (taps: number) => ofGradient(taps).map((scale, e) => scale * ofImage(taps)[e]);
const SCALES = { image: ofImage, filter: ofFilter, sums: ofSums, gradient: ofGradient, filterSums: ofFilterSums };

/** Of the places of a tile; 1 where the binding stores f32. */
export function scalesIf(
  half: boolean | undefined,
  what: keyof typeof SCALES,
  [kh, kw]: readonly [number, number],
): number[] {
  return SCALES[what](kh).flatMap((y) => SCALES[what](kw).map((x) => (half ? y * x : 1)));
}

/** sum over i, j of M_y[e_y][i] M_x[e_x][j] in(i, j), for all e */
export function expanded(my: Matrix, mx: Matrix, value: (i: number, j: number) => number): number[] {
  return my.flatMap((row) =>
    mx.map((column) =>
      row.reduce(
        (sum, p, i) => sum + column.reduce((part, q, j) => part + (p * q === 0 ? 0 : p * q * value(i, j)), 0),
        0,
      ),
    ),
  );
}

export const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, j) => matrix.map((row) => row[j]));

/** Rounding of coefficients, of their products and of two sums of six or eight, one inside the other. */
const UNITS = 20;

/**
 * What a map of values by matrices must give, from the map: M is the map of absolute values by absolute coefficients.
 * Denormals that are taken for 0 may change a value by what they would add.
 */
export function mapped(map: (of: (matrix: Matrix) => Matrix, values: Values[]) => Values, inputs: Values[]): Expected {
  const of = (change: (value: number) => number) =>
    map(
      absolute,
      inputs.map((input) => Float64Array.from(input, change)),
    );
  const magnitudes = of(Math.abs);
  const normal = of((value) => (isDenormal(value) ? 0 : Math.abs(value)));
  return {
    values: map((matrix) => matrix, inputs),
    units: UNITS,
    magnitudes,
    flushed: Float64Array.from(magnitudes, (value, i) => value - normal[i] + 64 * SMALLEST_NORMAL),
  };
}

/**
 * Panels [places, groups, ceil(rows / tile), inner, tile] of transformed values, each place times its scale:
 * `transformed(g, row, k)` gives those of one tile.
 */
export function panelsOf(
  { places, groups, rows, inner, tile }: Readonly<Record<'places' | 'groups' | 'rows' | 'inner' | 'tile', number>>,
  scales: readonly number[],
  transformed: (g: number, row: number, k: number) => readonly number[],
): Float64Array {
  const blocks = Math.ceil(rows / tile);
  const size = groups * blocks * inner * tile;
  const panels = new Float64Array(places * size);
  for (let g = 0; g < groups; g++)
    for (let row = 0; row < rows; row++)
      for (let k = 0; k < inner; k++) {
        const place = ((g * blocks + Math.floor(row / tile)) * inner + k) * tile + (row % tile);
        transformed(g, row, k).forEach((value, e) => {
          panels[e * size + place] = scales[e] * value;
        });
      }
  return panels;
}
