/**
 * Upper bounds of what is made of sizes that stand in a file: a few bytes may ask for any amount of memory or time. Each
 * is far above what people have, is told in the message where it is passed, and can be raised: `--limit NAME=NUMBER`.
 */
import { checkArguments, OBJECT } from './arguments.ts';
import { FrostlineError } from './errors.ts';

interface Limit {
  /** the bound until it is raised */
  readonly most: number;
  /** what is counted, for the documentation */
  readonly counts: string;
}

export const limits = {
  'graph-nodes': { most: 200_000, counts: 'nodes of a model, those of functions and branches at each place of use' },
  'constant-bytes': { most: 2 ** 29, counts: 'bytes of one tensor that a model computes of constants' },
  'shape-values': { most: 2 ** 16, counts: 'sizes in one list that a model computes of shapes' },
  'constant-work': {
    most: 2 ** 29,
    counts: 'values read, made and multiplied for all tensors that a model computes of constants',
  },
  'image-constants': { most: 2 ** 24, counts: 'values of a constant that differs from place to place of an image' },
  'window-places': { most: 2 ** 22, counts: 'places of one window of a pool' },
  'activation-values': { most: 2 ** 30, counts: 'values of one activation of one item' },
} as const satisfies Readonly<Record<string, Limit>>;

/** Names of the bounds on what files may ask for, as `--limit` takes them. */
export type LimitName = keyof typeof limits;

const raised = new Map<string, number>();

/** The bound as it is now. */
export const limitOf = (name: LimitName): number => raised.get(name) ?? limits[name].most;

/**
 * Refuses a size beyond its bound, before anything of that size is made.
 *
 * @param what asks for it, as the beginning of a sentence: "node 'a' (Expand) makes"
 */
export function withinLimit(name: LimitName, found: number, what: string): void {
  const most = limitOf(name);
  // Written so that NaN is refused.
  if (found <= most) return;
  const finite = Number.isFinite(found);
  const shown = finite ? (found < 2 ** 53 ? String(found) : found.toExponential(1)) : 'endlessly many';
  // Rounded up, so that what is typed suffices; work is counted as it comes, and more of it follows.
  const enough = finite ? 2 ** Math.ceil(Math.log2(found) + (name === 'constant-work' ? 1 : 0)) : most * 2;
  throw new FrostlineError(
    `${what} ${shown} ${name.replace('-', ' ')}; at most ${most} are accepted of a file. ` +
      `If the file is meant so, raise the limit: --limit ${name}=${enough}`,
  );
}

/**
 * Raises bounds for all that runs in this process.
 *
 * @param given numbers by name
 * @returns what puts back the ones before
 * @throws FrostlineError for a name that is none, and for what is no number above 0
 */
export function raiseLimits(given: Readonly<Record<string, number>>): () => void {
  checkArguments('raiseLimits', { limits: [given, OBJECT] });
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(limits, name)) {
      throw new FrostlineError(`there is no limit '${name}'; known are ${Object.keys(limits).join(', ')}`);
    }
    if (!(typeof value === 'number' && value > 0))
      throw new FrostlineError(`the limit ${name} is ${value}; a number above 0 is expected`);
  }
  const before = new Map(raised);
  for (const [name, value] of Object.entries(given)) raised.set(name, value);
  return () => {
    raised.clear();
    for (const [name, value] of before) raised.set(name, value);
  };
}

/** 'NAME=NUMBER' as they are typed. */
export function parseLimits(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name, value, ...rest] = text.split('=');
      if (value === undefined || value === '' || rest.length > 0) {
        throw new FrostlineError(`--limit ${text}: NAME=NUMBER is expected, as in ${Object.keys(limits)[0]}=1000000`);
      }
      return [name, Number(value)];
    }),
  );
}
