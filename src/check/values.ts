/**
 * Values of single precision for a case's inputs. Most cases hold standard normal values; the others what breaks
 * kernels: many decades, numbers below the smallest normal one, both zeros, infinities and NaN.
 */
import { checkArguments, FINITE, FUNCTION, oneOf, wholeFrom } from '../arguments.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import type { Random } from '../random.ts';
import type { Choose } from './choose.ts';

/**
 * `normal`: standard normal. `wide`: sizes over many decades. `tiny`: zeros of both signs, denormals and numbers near
 * them among normal ones. `infinite`: some infinities and NaN.
 */
export type Kind = 'normal' | 'wide' | 'tiny' | 'infinite';

/** The smallest normal number of single precision. */
export const SMALLEST_NORMAL = 2 ** -126;

/** WGSL lets an adapter take a denormal for 0, in what it reads and in what it writes. */
export const isDenormal = (value: number) => value !== 0 && Math.abs(value) < SMALLEST_NORMAL;

const TINY = [0, -0, 2 ** -149, -(2 ** -149), 1e-40, -3e-39, SMALLEST_NORMAL, -SMALLEST_NORMAL, 1e-30, -1e-30];
const INFINITE = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

/** The kind of a case: normal six times in nine. */
export const chooseKind = (choose: Choose): Kind =>
  (['wide', 'tiny', 'infinite'] as const)[choose(0, 8) - 6] ?? 'normal';

/** What kinds of values mean for one input. */
export interface ValuesOptions {
  /** `wide` runs from 10^-decades to 10^decades. Default 30; less where values are multiplied */
  readonly decades?: number;
  /** what stands for `infinite` where an operation does not define infinities; default `infinite` itself */
  readonly instead?: Kind;
}

const KIND = oneOf('normal', 'wide', 'tiny', 'infinite');
const VALUES_OPTIONS: OptionNames<ValuesOptions> = { decades: FINITE, instead: KIND };

/** `count` values of a kind. */
export function valuesOf(
  random: Random,
  kind: Kind,
  count: number,
  options: ValuesOptions = {},
): Float32Array<ArrayBuffer> {
  checkArguments('valuesOf', {
    random: [random, { is: (value) => FUNCTION.is((value as Random | undefined)?.normal), words: 'new Random(seed)' }],
    kind: [kind, KIND],
    count: [count, wholeFrom(0)],
  });
  const { decades = 30, instead = 'infinite' } = checkOptions('valuesOf', options, VALUES_OPTIONS);
  const draw = {
    normal: () => random.normal(),
    wide: () => (random.uniform() < 0.5 ? -1 : 1) * 10 ** random.between(-decades, decades),
    tiny: () => (random.uniform() < 0.6 ? TINY[random.integer(TINY.length)] : random.normal()),
    infinite: () => (random.uniform() < 0.1 ? INFINITE[random.integer(INFINITE.length)] : random.normal()),
  }[kind === 'infinite' ? instead : kind];
  return Float32Array.from({ length: count }, draw);
}

/** Standard normal values. */
export function normals(random: Random, count: number): Float32Array<ArrayBuffer> {
  return valuesOf(random, 'normal', count);
}
