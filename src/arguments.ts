/**
 * Arguments of callers whom no type checker warns: each is asked what it is before anything of it is read, and refused by
 * its name with what is expected in its place. Options of an object, by name: options.ts.
 */
import { FrostlineError } from './errors.ts';

/** What an argument must be, and the words for it: 'Give ...' goes before them. */
export interface Expectation {
  is(value: unknown): boolean;
  readonly words: string;
}

export const TEXT: Expectation = { is: (value) => typeof value === 'string', words: 'a text' };
export const PATH: Expectation = {
  is: (value) => typeof value === 'string' && value !== '',
  words: 'the path of a file or folder',
};
export const FLAG: Expectation = { is: (value) => typeof value === 'boolean', words: 'true or false' };
export const FUNCTION: Expectation = { is: (value) => typeof value === 'function', words: 'a function' };
export const FINITE: Expectation = { is: Number.isFinite, words: 'a finite number' };
/** A finite number of which something holds. */
const numberThat = (holds: (value: number) => boolean, words: string): Expectation => ({
  is: (value) => Number.isFinite(value) && holds(value as number),
  words,
});

export const POSITIVE = numberThat((value) => value > 0, 'a number above 0');
export const NOT_NEGATIVE = numberThat((value) => value >= 0, 'a number of 0 or more');
export const BELOW_ONE = numberThat((value) => value >= 0 && value < 1, 'a number from 0 to below 1');
export const SHARE = numberThat((value) => value > 0 && value <= 1, 'a number above 0, at most 1');
export const INTEGER: Expectation = { is: Number.isSafeInteger, words: 'a whole number' };
export const OBJECT: Expectation = {
  is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value),
  words: 'an object',
};
export const NUMBERS: Expectation = {
  is: (value) =>
    (Array.isArray(value) && value.every((one) => typeof one === 'number')) ||
    (ArrayBuffer.isView(value) && !(value instanceof DataView)),
  words: 'a list of numbers, or a typed array',
};

/** A whole number of at least `least`. */
export const wholeFrom = (least: number): Expectation => ({
  is: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  words: `a whole number of ${least} or more`,
});

/** A list of what `of` expects. */
export const listOf = (of: Expectation, words: string): Expectation => ({
  is: (value) => Array.isArray(value) && value.every((one) => of.is(one)),
  words,
});

/** One of these values. */
export const oneOf = (...values: readonly unknown[]): Expectation => ({
  is: (value) => values.includes(value),
  words: values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))).join(' or '),
});

/** Of which some members must be there for it to be what it is called. */
export const withMembers = (words: string, members: Readonly<Record<string, Expectation['is']>>): Expectation => ({
  is: (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(members).every(([name, is]) => is((value as Readonly<Record<string, unknown>>)[name])),
  words,
});

export const isMap = (value: unknown): boolean => value instanceof Map;

/** May be left out. */
export const orNothing = ({ is, words }: Expectation): Expectation => ({
  is: (value) => value === undefined || is(value),
  words,
});

/**
 * Refuses the first argument that is not what it must be.
 * @param what the function, for the message
 */
export function checkArguments(what: string, given: Readonly<Record<string, readonly [unknown, Expectation]>>): void {
  for (const [name, [value, { is, words }]] of Object.entries(given)) {
    if (!is(value)) throw new FrostlineError(`${what}: ${name} is ${describeValue(value)}. Give ${words}.`);
  }
}

/** A value of the wrong kind, for messages: its class and, where it has one, its length. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const length = (value as { length?: unknown }).length;
  return `${value.constructor?.name ?? 'an object'}${typeof length === 'number' ? ` of length ${length}` : ''}`;
}
