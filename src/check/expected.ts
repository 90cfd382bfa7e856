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
import { checkArguments, describeValue, type Expectation, FUNCTION, NUMBERS, OBJECT, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
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

/** No error is more than NaN: it would let everything pass, as an infinity does. */
const UNITS: Expectation = {
  is: (value) => Number.isFinite(value) && (value as number) >= 0,
  words: 'a finite number of 0 or more, as sumsOf() and exactly() do',
};
const EXPECTED = 'what each output must hold, { output: { values, units } }';

/**
 * Refuses what a reference gives where no output can be held to it. An output that it leaves out is no such thing: that is
 * found where outputs are judged.
 * @param lengths of the outputs
 */
export function checkExpected(
  what: string,
  given: Readonly<Record<string, Expected>>,
  lengths: Readonly<Record<string, number>>,
): Readonly<Record<string, Expected>> {
  if (!OBJECT.is(given)) {
    throw new FrostlineError(`${what}: the reference gives ${describeValue(given)}. Give ${EXPECTED}.`);
  }
  for (const [name, expected] of Object.entries(given)) {
    if (!Object.hasOwn(lengths, name)) {
      const names = Object.keys(lengths).join(', ');
      throw new FrostlineError(`${what}: the reference names ${name}, which is no output. There are ${names}.`);
    }
    if (!OBJECT.is(expected)) {
      throw new FrostlineError(`${what}: of ${name} the reference gives ${describeValue(expected)}. Give ${EXPECTED}.`);
    }
    const { values, units, magnitudes, flushed } = expected;
    checkArguments(`${what}: reference`, { [`${name}.values`]: [values, NUMBERS], [`${name}.units`]: [units, UNITS] });
    for (const [part, list] of Object.entries({ values, magnitudes, flushed })) {
      if (list === undefined || list.length === lengths[name]) continue;
      throw new FrostlineError(
        `${what}: reference: ${name}.${part} is of length ${list.length}. Give ${lengths[name]} numbers, as the output has.`,
      );
    }
  }
  return given;
}

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
  checkArguments('compare', { units: [units, UNITS] });
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
