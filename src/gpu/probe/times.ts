/**
 * What a device's times tell of it. The probe (measure.ts) times three things, and this reads them:
 *
 * - stairs: n workgroups, each long enough to fill a multiprocessor by itself, take as long as one while each has a
 *   multiprocessor of its own. The n after which time grows is the number of multiprocessors, and the best of
 *   n * work / time is what all of them multiply and add;
 * - a copy of more bytes than caches hold;
 * - two chains of dispatches that do nothing but depend on each other: their difference is what a dispatch costs.
 *
 * Whatever else runs meanwhile makes times longer, never shorter: of each series the least counts.
 */
import type { Machine } from '../machine.ts';

/** Times of one thing, taken several times: milliseconds. */
export type Series = readonly number[];

/** Times of so many workgroups that are dispatched together. */
export interface Stair {
  readonly workgroups: number;
  readonly milliseconds: Series;
}

/** What the probe takes down. */
export interface ProbeTimes {
  /** multiply-adds of one workgroup */
  readonly work: number;
  /** the first of one workgroup */
  readonly stairs: readonly Stair[];
  /** bytes, read and written together */
  readonly copy: { readonly bytes: number; readonly milliseconds: Series };
  /** a short chain and a long one */
  readonly chains: readonly { readonly dispatches: number; readonly milliseconds: Series }[];
}

/** What times tell of a machine; or why they tell nothing that is to be believed. */
export type ReadTimes = { readonly measured: Partial<Machine> } | { readonly refused: string };

/** A stair is higher than the first from here on: a second workgroup on a multiprocessor doubles the time. */
const GROWN = 1.5;
/** Medians this far above the least are another program's. */
const UNSTEADY = 2;
/** Least and most that a device can have or do in a millisecond, with room on both sides for those that are yet to come. */
const LIMITS = {
  multiprocessors: [1, 1024, ''],
  'multiply-adds': [1e6, 2e11, ' a millisecond'],
  bytes: [1e6, 2e10, ' a millisecond'],
  dispatch: [1e-4, 1, ' ms'],
} as const;
/** Cycles in a millisecond of anything that computes. */
const CLOCKS = [0.3e6, 3.5e6] as const;
/** Multiply-adds of a multiprocessor in a cycle, as they are built. */
const LANES = [128, 64, 32, 16, 8, 256] as const;

export const least = (series: Series): number => Math.min(...series);

/** The most workgroups that take as long as one, and the fewest that take longer; nothing where none do. */
export function bracket(stairs: readonly Stair[]): { readonly flat: number; readonly grown: number } | undefined {
  const first = least(stairs[0].milliseconds);
  const higher = stairs.filter(({ milliseconds }) => least(milliseconds) > GROWN * first);
  if (higher.length === 0) return undefined;
  const grown = Math.min(...higher.map(({ workgroups }) => workgroups));
  const before = stairs.filter(({ workgroups }) => workgroups < grown);
  return { flat: Math.max(...before.map(({ workgroups }) => workgroups)), grown };
}

/**
 * Multiprocessors, cycles, bytes and the cost of a dispatch, to two digits: what is left is noise, and another probe of the
 * same device should say the same.
 * @param lanes multiply-adds of a multiprocessor in a cycle, as far as that is known. Times tell only its product with the
 *   clock; where the clock would be impossible, lanes are those that make it possible
 */
export function readTimes({ work, stairs, copy, chains }: ProbeTimes, lanes: number): ReadTimes {
  const all = [...stairs, copy, ...chains].map(({ milliseconds }) => milliseconds);
  if (stairs.length === 0 || chains.length !== 2 || all.some((series) => series.length === 0)) {
    return refused('times are missing');
  }
  const odd = all.flat().find((time) => !(Number.isFinite(time) && time > 0));
  if (odd !== undefined) return refused(`a time is ${odd} ms`);
  for (const [what, series] of [
    ['one workgroup', stairs[0].milliseconds] as const,
    ['a copy', copy.milliseconds] as const,
  ]) {
    if (median(series) > UNSTEADY * least(series)) {
      return refused(`${what} took ${range(series)} ms: something else uses the device`);
    }
  }
  const step = bracket(stairs);
  if (step === undefined) {
    return refused(`${stairs.at(-1)!.workgroups} workgroups took no longer than one`);
  }
  const multiplyAdds = Math.max(
    ...stairs.map(({ workgroups, milliseconds }) => (workgroups * work) / least(milliseconds)),
  );
  const [short, long] = chains;
  const found = {
    multiprocessors: step.flat,
    'multiply-adds': multiplyAdds,
    bytes: copy.bytes / least(copy.milliseconds),
    dispatch: (least(long.milliseconds) - least(short.milliseconds)) / (long.dispatches - short.dispatches),
  };
  for (const [name, [low, high, unit]] of Object.entries(LIMITS)) {
    const value = found[name as keyof typeof found];
    if (!(value >= low && value <= high)) {
      return refused(`${name}: ${rounded(value)}${unit}; devices have ${low} to ${high}`);
    }
  }
  return withClock(found, lanes);
}

function withClock(
  found: { multiprocessors: number; 'multiply-adds': number; bytes: number; dispatch: number },
  lanes: number,
): ReadTimes {
  const { multiprocessors, bytes, dispatch } = found;
  const each = found['multiply-adds'] / multiprocessors;
  const fitting = [lanes, ...LANES].find((some) => each / some >= CLOCKS[0] && each / some <= CLOCKS[1]);
  if (fitting === undefined) {
    return refused(
      `${rounded(each)} multiply-adds a millisecond for each of ${multiprocessors} multiprocessors are no clock of 0.3 to ` +
        '3.5 GHz',
    );
  }
  return {
    measured: {
      multiprocessors,
      ...(fitting !== lanes && { lanes: fitting }),
      cycles: rounded(each / fitting),
      bytes: rounded(bytes),
      dispatch: rounded(dispatch),
    },
  };
}

const refused = (why: string): ReadTimes => ({ refused: why });
const rounded = (value: number) => Number(value.toPrecision(2));
const median = (series: Series) => series.toSorted((a, b) => a - b)[Math.floor(series.length / 2)];
const range = (series: Series) => `${rounded(least(series))} to ${rounded(Math.max(...series))}`;
