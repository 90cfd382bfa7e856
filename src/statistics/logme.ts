/**
 * LogME (You, Liu, Wang and Long, ICML 2021): the logarithm of the maximum evidence, for each sample, that the classes'
 * indicators are linear in the features, y = F w + noise, with w ~ N(0, I / alpha) and noise ~ N(0, I / beta):
 *
 *   log p(y) = log N(y; 0, F F^T / alpha + I / beta),
 *
 * the mean over the classes. The more, the better; features are not centred, as in the paper. The paper climbs to the
 * maximum by a fixed point that can be slow; here beta is eliminated (for a ratio t = alpha / beta the best 1 / beta is the
 * mean of squares in the whitened basis), and t is sought by golden sections in the best interval of a grid. From the Gram
 * matrix's spectrum, so that the number of features does not matter.
 */
import { oneHot, type Spectrum } from './gram.ts';

/**
 * Of log t, with a mean square of the samples of 1. The least is a noise of about 1 in 10,000: without any, two equal
 * images of one class would make the evidence infinite. The most is of features that say nothing.
 */
const RANGE = [-9, 16] as const;
const STEP = 0.5;

/** @param spectrum of the features' Gram matrix, not centred */
export function logme({ values, vectors }: Spectrum, labels: ArrayLike<number>, classes: number): number {
  const projected = vectors.transpose().mmul(oneHot(labels, classes));
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    const squares = projected.getColumn(c).map((value) => value ** 2);
    sum += maximum((logRatio) => evidence(values, squares, Math.exp(logRatio))) / classes;
  }
  return sum;
}

/** A sample's share of log N(y; 0, (K / t + I) s) at its best s. @param squares of y in the basis of the eigenvectors */
function evidence(values: readonly number[], squares: readonly number[], ratio: number): number {
  const n = values.length;
  let [s, determinant] = [0, 0];
  for (const [k, value] of values.entries()) {
    const variance = value / ratio + 1;
    s += squares[k] / variance / n;
    determinant += Math.log(variance) / n;
  }
  return -(Math.log(2 * Math.PI * s) + determinant + 1) / 2;
}

function maximum(of: (x: number) => number): number {
  const grid = Array.from({ length: Math.round((RANGE[1] - RANGE[0]) / STEP) + 1 }, (_, i) => RANGE[0] + STEP * i);
  const values = grid.map(of);
  const at = grid[values.indexOf(Math.max(...values))];
  let [low, high] = [Math.max(RANGE[0], at - STEP), Math.min(RANGE[1], at + STEP)];
  const golden = (Math.sqrt(5) - 1) / 2;
  for (let i = 0; i < 60; i++) {
    const [a, b] = [high - golden * (high - low), low + golden * (high - low)];
    if (of(a) >= of(b)) high = b;
    else low = a;
  }
  return of((low + high) / 2);
}
