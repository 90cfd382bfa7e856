/** Choices from a list, so that fast-check makes a failing case small by making the list's numbers small. */
import fc from 'fast-check';
import type { Choose } from '../../src/check/choose.ts';

export const choicesOf = (list: readonly number[]): Choose => {
  let next = 0;
  return (low, high) => low + (list[next++ % list.length] % (high - low + 1));
};

export const choices = fc.array(fc.nat(1000), { minLength: 24, maxLength: 24 });
