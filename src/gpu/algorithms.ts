/** Which algorithm an operator is to use, in place of the quickest by estimate: for measurements, and to find faults. */
import { describeValue } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';

/** What algorithms are chosen for: by operator its results. The operators' decisions are called so, and none else can be. */
const RESULTS = {
  conv2d: ['forward', 'input gradient', 'filter gradient'],
  linear: ['forward', 'input gradient', 'weight gradient', 'update', 'backward'],
  matMul: ['forward', 'left gradient', 'right gradient'],
} as const;

/** As 'conv2d forward'. */
export type Purpose = { [O in keyof typeof RESULTS]: `${O} ${(typeof RESULTS)[O][number]}` }[keyof typeof RESULTS];

/** All purposes. */
export const purposes = Object.entries(RESULTS).flatMap(([operator, results]) =>
  results.map((result) => `${operator} ${result}` as Purpose),
);
const NAMES: readonly string[] = [...Object.keys(RESULTS), ...purposes];

/** By operator, as 'conv2d', or one of its results, as 'conv2d forward'. */
export type ForcedAlgorithms = ReadonlyMap<string, string>;

/**
 * What is forced on a device. Whether an operator has an algorithm of that name it says itself, where it chooses.
 * @param from who forces it, for the message
 * @throws FrostlineError where nothing is chosen for a key, or a value is no name: it would change nothing, unnoticed
 */
export function forcedAlgorithms(given: ReadonlyMap<string, string>, from: string): Map<string, string> {
  for (const [key, name] of given) {
    if (!NAMES.includes(key)) {
      throw new FrostlineError(`${from}: no algorithm is chosen for '${key}'. Give one of ${NAMES.join(', ')}.`);
    }
    if (typeof name === 'string' && name !== '') continue;
    throw new FrostlineError(
      `${from}: the algorithm of '${key}' is ${describeValue(name)}. Give its name, as in { conv2d: 'winograd' }.`,
    );
  }
  return new Map(given);
}

/**
 * 'conv2d=winograd', or several with commas between; an empty text forces nothing. FROSTLINE_ALGORITHM is read so.
 *
 * @throws FrostlineError where the text is none; names are checked where the operator chooses
 */
export function parseAlgorithms(text: string, from = 'FROSTLINE_ALGORITHM'): Map<string, string> {
  const forced = new Map<string, string>();
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [operator, name, ...rest] = part.split('=').map((word) => word.trim());
    if (!operator || !name || rest.length > 0) {
      throw new FrostlineError(`${from}: '${part}' is no OPERATOR=ALGORITHM. Give one as in conv2d=winograd.`);
    }
    if (forced.has(operator)) {
      throw new FrostlineError(`${from}: '${operator}' is given ${forced.get(operator)} and ${name}. Give it one.`);
    }
    forced.set(operator, name);
  }
  return forced;
}

/** What `parseAlgorithms` reads back, the same for the same choices; empty where nothing is forced. */
export const algorithmsText = (algorithms: ForcedAlgorithms): string =>
  [...algorithms]
    .map(([operator, name]) => `${operator}=${name}`)
    .sort()
    .join(',');
