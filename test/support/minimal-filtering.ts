/** Minimal filtering (src/kernels/conv2d/winograd/tile.ts) in float64 by any points, with what is stored rounded. */
import type { Random } from '../../src/random.ts';

export interface Rounding {
  /** of images and filters */
  readonly operands: (value: number) => number;
  /** of what is made of them, and of the sums over channels */
  readonly tiles: (value: number) => number;
  readonly outputs: (value: number) => number;
}

type Matrix = readonly (readonly number[])[];

const [TILES, CHANNELS, FILTERS] = [48, 64, 4];
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Coefficients, lowest first, of the product of (x - a). */
const polynomial = (roots: readonly number[]) =>
  roots.reduce((all, root) => range(all.length + 1).map((i) => (all[i - 1] ?? 0) - root * (all[i] ?? 0)), [1]);

function matricesOf(points: readonly number[], taps: number): { A: Matrix; G: Matrix; B: Matrix } {
  const [side, outputs] = [points.length + 1, points.length + 2 - taps];
  const powers = (count: number) => [
    ...points.map((a) => range(count).map((k) => a ** k)),
    range(count).map((k) => Number(k === count - 1)),
  ];
  const others = points.map((a) => points.filter((b) => b !== a));
  const weights = [...points.map((a, e) => others[e].reduce((product, b) => product * (a - b), 1)), 1];
  return {
    A: powers(outputs),
    G: powers(taps).map((row, e) => row.map((value) => value / weights[e])),
    B: [...others.map((rest) => [...polynomial(rest), 0]), polynomial(points)].map((row) => row.slice(0, side)),
  };
}

const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, j) => matrix.map((row) => row[j]));
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));
const both = (matrix: Matrix, values: Matrix) => times(times(matrix, values), transposed(matrix));
const each = (matrix: Matrix, change: (value: number) => number): Matrix => matrix.map((row) => row.map(change));

/** The error of outputs of normal images, as a ReLU leaves them, and normal filters: root mean square over the outputs'. */
export function filteringError(
  points: readonly number[],
  taps: number,
  { operands, tiles, outputs }: Rounding,
  random: Random,
): number {
  const { A, G, B } = matricesOf(points, taps);
  const side = points.length + 1;
  const draw = (count: number, size: number, value: () => number): Matrix[] =>
    range(count).map(() => range(size).map(() => range(size).map(value)));
  const images = draw(TILES * CHANNELS, side, () => Math.max(0, random.normal()));
  const filters = draw(FILTERS * CHANNELS, taps, () => random.normal() / 16);
  const [V, U] = [
    images.map((d) => each(both(B, each(d, operands)), (v) => tiles(v / 64))),
    filters.map((g) => each(both(G, each(g, operands)), (v) => tiles(16 * v))),
  ];
  const summed = (one: (c: number) => Matrix): Matrix =>
    range(CHANNELS)
      .map(one)
      .reduce((sum, matrix) => sum.map((row, i) => row.map((value, j) => value + matrix[i][j])));
  let [error, size] = [0, 0];
  for (let t = 0; t < TILES; t++)
    for (let f = 0; f < FILTERS; f++) {
      const at = (c: number) => [t * CHANNELS + c, f * CHANNELS + c] as const;
      const M = summed((c) => V[at(c)[0]].map((row, i) => row.map((value, j) => value * U[at(c)[1]][i][j])));
      const found = each(
        both(
          transposed(A),
          each(each(M, tiles), (value) => 4 * value),
        ),
        outputs,
      );
      const expected = summed((c) =>
        found.map((row, y) =>
          row.map((_, x) => {
            const [d, g] = [images[at(c)[0]], filters[at(c)[1]]];
            return g.reduce((sum, line, i) => line.reduce((part, tap, j) => part + tap * d[y + i][x + j], sum), 0);
          }),
        ),
      );
      expected.forEach((row, y) => {
        row.forEach((value, x) => {
          error += (found[y][x] - value) ** 2;
          size += value ** 2;
        });
      });
    }
  return Math.sqrt(error / size);
}
