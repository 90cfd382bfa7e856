/**
 * Central differences in float64: what checks the references of derivatives, which in turn check the kernels.
 *
 * With L(x) = sum over i of dy[i] f(x)[i], the claim dx = dL/dx is looked at along directions u over all elements:
 * dx . u against (L(x + h u) - L(x - h u)) / 2h.
 */
import type { Random } from '../random.ts';

/** Numbers in any array. */
export type Values = ArrayLike<number>;

/** The claim that `gradient` is the derivative of the sum of upstream[i] forward(x)[i] at x = `at`. */
export interface DerivativeClaim {
  readonly at: Values;
  readonly upstream: Values;
  forward(x: Float64Array): Values;
  gradient(): Values;
}

/** What differences said of a claimed derivative. */
export interface DerivativeFinding {
  /**
   * the largest error over directions, relative to the sum of the absolute values of the terms of dx . u, or where that
   * is less, to 1e-4 of those of L
   */
  readonly error: number;
  /** directions that meet a kink, where there is no derivative, at every step that was tried */
  readonly kinks: number;
  readonly directions: number;
}

/** Errors above this are a wrong derivative: h^2 = 1e-10 and rounding, 1e-16 / h = 1e-11, stay far below. */
export const DERIVATIVE_TOLERANCE = 1e-6;

const STEP = 1e-5;
const DIRECTIONS = 2;

export function checkDerivative({ at, upstream, forward, gradient }: DerivativeClaim, random: Random) {
  const claimed = gradient();
  // Value by value: the difference of two sums would carry the rounding of thousands of additions, which h divides.
  const rise = (to: Values, from: Values) => {
    let sum = 0;
    for (let i = 0; i < to.length; i++) sum += upstream[i] * (to[i] - from[i]);
    return sum;
  };
  const y = forward(Float64Array.from(at));
  let products = 0;
  for (let i = 0; i < y.length; i++) products += Math.abs(upstream[i] * y[i]);
  let [error, kinks] = [0, 0];
  for (let direction = 0; direction < DIRECTIONS; direction++) {
    // The first is along all elements, the second along one: an error in one element shows there at its full size.
    const u = new Float64Array(at.length);
    if (direction === 0) for (let i = 0; i < u.length; i++) u[i] = random.normal();
    else u[random.integer(u.length)] = 1;
    let [analytic, terms] = [0, 0];
    for (let i = 0; i < u.length; i++) {
      analytic += claimed[i] * u[i];
      terms += Math.abs(claimed[i] * u[i]);
    }
    const along = (step: number) => forward(u.map((value, i) => at[i] + step * value));
    const found = difference(along, rise, y);
    if (found === undefined) kinks++;
    else error = Math.max(error, Math.abs(found - analytic) / Math.max(terms, 1e-4 * products, 1e-6));
  }
  return { error, kinks, directions: DIRECTIONS } satisfies DerivativeFinding;
}

/** The slope of L along a direction; undefined where the slopes to both sides do not meet, however short the step. */
function difference(along: (step: number) => Values, rise: (to: Values, from: Values) => number, middle: Values) {
  for (const shorter of [1, 8, 64]) {
    const h = STEP / shorter;
    const [after, before] = [along(h), along(-h)];
    const [right, left] = [rise(after, middle) / h, rise(middle, before) / h];
    // A smooth function's slopes differ by h times its curvature.
    if (Math.abs(right - left) <= 1e-3 * Math.max(1, Math.abs(right), Math.abs(left))) {
      return rise(after, before) / (2 * h);
    }
  }
  return undefined;
}
