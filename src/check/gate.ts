/** For kernels that apply the derivative of a ReLU to the gradient of its output: x = max(z, 0), dL/dz = dL/dx where x > 0. */
import type { Random } from '../random.ts';
import { normals } from './values.ts';

type Values = ArrayLike<number>;

export interface Gate {
  /** z, away from the kink: one among thousands that differences step over would not be noticed as one */
  readonly argument: Float32Array<ArrayBuffer>;
  /** x */
  readonly output: Float32Array<ArrayBuffer>;
}

/** max(z, 0), in double precision: differences look at it. */
export const rectify = (values: Values) => Float64Array.from(values, (value) => Math.max(value, 0));

export const gateFrom = (argument: Float32Array<ArrayBuffer>): Gate => ({
  argument,
  output: Float32Array.from(rectify(argument)),
});

export const gateOf = (random: Random, count: number): Gate =>
  gateFrom(normals(random, count).map((value) => value + 1e-3 * Math.sign(value)));

/**
 * A gate whose arguments are all apart, in any order: of several in a window one wins, with a margin that differences do
 * not step over.
 */
export function spreadGate(random: Random, count: number): Gate {
  const ranks = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [ranks[i], ranks[j]] = [ranks[j], ranks[i]];
  }
  // From -3 to 3, and never 0.
  return gateFrom(Float32Array.from(ranks, (rank) => (6 * (rank + 0.25)) / count - 3));
}

/** What of a gradient passes where the gate is given; all of it without one. */
export const through = (gate: Gate | undefined, gradient: Values): Float64Array<ArrayBuffer> =>
  Float64Array.from(gradient, (value, i) => (gate === undefined || gate.output[i] > 0 ? value : 0));
