/**
 * How far single precision may be from an operator's float64 reference, whoever computes it: in units of 2^-24 of the
 * size of the terms of each value (../check/expected.ts). Derived from the formula, in any order of its sums, and from
 * what WGSL grants to division, exp, log and pow, of which other languages grant no more. Each operator states its own
 * (`bound` of its cases.ts), of these kinds.
 */
import { checkArguments, FLAG, FUNCTION } from '../arguments.ts';
import { type Expected, exactly, sumsOf } from '../check/expected.ts';
import type { Referred, Value } from './operator.ts';

/** What a `Bound` is asked about: the operator's shape rule has passed, so that attributes and parameters are there. */
export interface ReferredCase<A> extends Omit<Referred<A, string>, 'weights' | 'parameters'> {
  readonly weights: Readonly<Record<string, ArrayLike<number>>>;
  readonly parameters: Readonly<Record<string, Value>>;
}

/** A case with the means to ask the reference again. */
export interface Bounded<A> {
  readonly given: ReferredCase<A>;
  /** all arrays, inputs first, then parameters in the order of `given.weights` */
  readonly arrays: readonly ArrayLike<number>[];
  /** the operator's reference of other arrays, or with other attributes */
  reference(arrays?: readonly ArrayLike<number>[], attributes?: A): ArrayLike<number>;
}

/** How far results in single precision may be from an operator's reference. */
export interface Bound<A> {
  /** the values, and what each may be off by */
  expected(of: Bounded<A>): Expected;
  /** linear, or linear by pieces, in each array alone: a gradient follows from the reference itself */
  readonly linear: boolean;
}

/** The bound of what is copied or chosen: equal values. */
export const copied: Bound<object> = { expected: ({ reference }) => exactly(reference()), linear: true };

/** The bound of sums of products with coefficients that are not negative, the longest of so many terms. */
export function sums<A extends object>(terms: (given: ReferredCase<A>) => number): Bound<A> {
  checkArguments('sums', { terms: [terms, FUNCTION] });
  return {
    linear: true,
    expected: ({ given, arrays, reference }) => sumsOf((...values) => reference(values), arrays, terms(given)),
  };
}

/** The bound of a map of single values: units in the last place of y, by its argument. */
export function eachValue(units: (x: number) => number): Bound<object> {
  checkArguments('eachValue', { units: [units, FUNCTION] });
  return {
    linear: false,
    expected({ arrays: [x], reference }) {
      const values = reference();
      return { values, units: 1, magnitudes: Array.from(values, (y, i) => Math.abs(y) * units(x[i])) };
    },
  };
}

/** The bound of sums whose terms have other signs than their arrays: `size` gives the sizes of the terms of each value. */
export function sized<A extends object>(
  units: (given: ReferredCase<A>) => number,
  size: (of: Bounded<A>) => ArrayLike<number>,
  linear = true,
): Bound<A> {
  checkArguments('sized', { units: [units, FUNCTION], size: [size, FUNCTION], linear: [linear, FLAG] });
  return {
    linear,
    expected: (of) => ({ values: of.reference(), units: units(of.given), magnitudes: size(of) }),
  };
}

export const absolute = (values: ArrayLike<number>) => Float64Array.from(values, Math.abs);
