/**
 * How far single precision may be from an operator's float64 reference, whoever computes it: in units of 2^-24 of the
 * size of the terms of each value (../check/expected.ts). Derived from the formula, in any order of its sums, and from
 * what WGSL grants to division, exp, log and pow, of which other languages grant no more. Each operator states its own
 * (`bound` of its cases.ts), of these kinds.
 */
import { type Expected, exactly, sumsOf } from '../check/expected.ts';
import type { Referred, Value } from './operator.ts';

type Values = ArrayLike<number>;

/** The operator's shape rule has passed, so that attributes and parameters are there. */
export interface Given<A> extends Omit<Referred<A, string>, 'weights' | 'parameters'> {
  readonly weights: Readonly<Record<string, Values>>;
  readonly parameters: Readonly<Record<string, Value>>;
}

export interface Bounded<A> {
  readonly given: Given<A>;
  /** all arrays, inputs first, then parameters in the order of `given.weights` */
  readonly arrays: readonly Values[];
  /** the operator's reference of other arrays, or with other attributes */
  reference(arrays?: readonly Values[], attributes?: A): Values;
}

export interface Bound<A> {
  expected(of: Bounded<A>): Expected;
  /** linear, or linear by pieces, in each array alone: a gradient follows from the reference itself */
  readonly linear: boolean;
}

/** What is copied or chosen. */
export const copied: Bound<object> = { expected: ({ reference }) => exactly(reference()), linear: true };

/** Sums of products with coefficients that are not negative, the longest of so many terms. */
export const sums = <A extends object>(terms: (given: Given<A>) => number): Bound<A> => ({
  linear: true,
  expected: ({ given, arrays, reference }) => sumsOf((...values) => reference(values), arrays, terms(given)),
});

/** A value for itself: units by its argument. */
export const eachValue = (units: (x: number) => number): Bound<object> => ({
  linear: false,
  expected({ arrays: [x], reference }) {
    const values = reference();
    return { values, units: 1, magnitudes: Array.from(values, (y, i) => Math.abs(y) * units(x[i])) };
  },
});

/** Terms of other signs than their arrays': the sizes of the terms by `size`. */
export const sized = <A extends object>(
  units: (given: Given<A>) => number,
  size: (of: Bounded<A>) => Values,
  linear = true,
): Bound<A> => ({
  linear,
  expected: (of) => ({ values: of.reference(), units: units(of.given), magnitudes: size(of) }),
});

export const absolute = (values: Values) => Float64Array.from(values, Math.abs);
