/** For kernels that apply the derivative of a ReLU to the gradient of its output: x = max(z, 0), dL/dz = dL/dx where x > 0. */
import type { Random } from '../random.ts';
import { normals } from './values.ts';

type Values = ArrayLike<number>;

export interface Activation {
  /** z, away from the kink: one among thousands that differences step over would not be noticed as one */
  readonly argument: Float32Array<ArrayBuffer>;
  /** x */
  readonly output: Float32Array<ArrayBuffer>;
}

/** max(z, 0), in double precision: differences look at it. */
export const rectify = (values: Values) => Float64Array.from(values, (value) => Math.max(value, 0));

export const activationFrom = (argument: Float32Array<ArrayBuffer>): Activation => ({
  argument,
  output: Float32Array.from(rectify(argument)),
});

export const activationOf = (random: Random, count: number): Activation =>
  activationFrom(normals(random, count).map((value) => value + 1e-3 * Math.sign(value)));

/**
 * Outputs of a ReLU whose arguments are all apart, in any order: of several in a window one wins, with a margin that differences do
 * not step over.
 */
export function spreadActivations(random: Random, count: number): Activation {
  const ranks = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [ranks[i], ranks[j]] = [ranks[j], ranks[i]];
  }
  // From -3 to 3, and never 0.
  return activationFrom(Float32Array.from(ranks, (rank) => (6 * (rank + 0.25)) / count - 3));
}

/** What of a gradient passes where the ReLU's outputs are given; all of it without them. */
export const through = (activation: Activation | undefined, gradient: Values): Float64Array<ArrayBuffer> =>
  Float64Array.from(gradient, (value, i) => (activation === undefined || activation.output[i] > 0 ? value : 0));
