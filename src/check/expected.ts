/**
 * What an output must hold, and how far rounding may take it from that.
 *
 * An error is measured in units of u M, where u = 2^-24 is half the spacing of single precision at 1 and M the sum of
 * the absolute values of the terms that the value is made of. A sum of k products in any order, fused or not, is off by
 * no more than k u M (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1), whatever the
 * sizes of its terms and however they cancel: so one bound serves values of 1e-30 and of 1e30, and a lost term, a wrong
 * sign or a wrong neighbour stands out by many orders of magnitude.
 *
 * Beside it stands what the adapter may do to denormals: WGSL permits to take them for 0 in operands and in results.
 */
import { checkArguments, FUNCTION, NUMBERS, wholeFrom } from '../arguments.ts';
import { isDenormal, SMALLEST_NORMAL } from './values.ts';

const UNIT = 2 ** -24;

/** Numbers in any array. */
export type Values = ArrayLike<number>;

/** What an output must hold, and how far rounding may take it from that. */
export interface Expected {
  readonly values: Values;
  /** how many units of rounding are allowed; 0 for values that are copied or chosen, not computed */
  readonly units: number;
  /** M of each value; its absolute value where left out */
  readonly magnitudes?: Values;
  /** what denormals taken for 0 may change, for each value; 2^-126 where left out */
  readonly flushed?: Values;
}

/** What is copied or chosen: no rounding. */
export function exactly(values: Values): Expected {
  checkArguments('exactly', { values: [values, NUMBERS] });
  return { values, units: 0 };
}

/**
 * The values of a map that is a sum of products of its inputs with coefficients that are not negative, which gives M by
 * the same map of the absolute values.
 *
 * @param terms how many products the longest sum has
 */
export function sumsOf(map: (...inputs: Values[]) => Values, inputs: readonly Values[], terms: number): Expected {
  checkArguments('sumsOf', {
    map: [map, FUNCTION],
    inputs: [
      inputs,
      {
        is: (value) => Array.isArray(value) && value.length > 0 && value.every(NUMBERS.is),
        words: 'a list of typed arrays',
      },
    ],
    terms: [terms, wholeFrom(0)],
  });
  const of = (change: (value: number) => number) =>
    map(...inputs.map((input) => Float64Array.from(input, (value) => change(value))));
  const magnitudes = of(Math.abs);
  const expected = { values: map(...inputs), units: terms + 1, magnitudes };
  // Every product and every partial sum may be flushed.
  const own = (terms + 1) * SMALLEST_NORMAL;
  if (!inputs.some((input) => Array.prototype.some.call(input, isDenormal))) {
    return { ...expected, flushed: Float64Array.from(magnitudes, () => own) };
  }
  const rest = of((value) => (isDenormal(value) ? 0 : Math.abs(value)));
  return { ...expected, flushed: Float64Array.from(magnitudes, (value, i) => value - rest[i] + own) };
}

/** What a ReLU makes of it; it makes no error larger. */
export const rectified = (expected: Expected): Expected => ({
  ...expected,
  values: Float64Array.from(expected.values, (value) => Math.max(value, 0)),
});

/** The outcome of a comparison. */
export interface Comparison {
  /** the largest error in units of u M, and where it is */
  readonly error: number;
  readonly at: number;
  /** values whose error passes what is allowed */
  readonly wrong: number;
  readonly count: number;
}

/** NaN equals NaN, an infinity itself, 0 either zero. */
export function compare(actual: Values, { values, units, magnitudes, flushed }: Expected): Comparison {
  if (actual.length !== values.length) throw new Error(`${actual.length} values, expected ${values.length}`);
  let [error, at, wrong] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const found = errorOf(
      actual[i],
      values[i],
      magnitudes?.[i] ?? Math.abs(values[i]),
      flushed?.[i] ?? SMALLEST_NORMAL,
    );
    if (found > units) wrong++;
    if (found > error) [error, at] = [found, i];
  }
  return { error, at, wrong, count: values.length };
}

function errorOf(actual: number, expected: number, magnitude: number, flushed: number): number {
  if (Object.is(actual, expected)) return 0;
  const beyond = Math.abs(actual - expected) - flushed;
  if (beyond <= 0) return 0;
  const error = beyond / (UNIT * magnitude);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}
