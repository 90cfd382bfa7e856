/** How random cases are drawn: shapes by a `Choose`, so that smaller choices make a smaller case, values by a `Random`. */
import { Random } from '../random.ts';

/** Makes a case's choices: a whole number from `low` to `high`. Small numbers make small cases. */
export type Choose = (low: number, high: number) => number;

/** A choice and a source of values for case number `index` of a seed: the same on every machine. */
export function drawing(seed: number, index = 0): [Choose, Random] {
  const shapes = new Random(seed, 2 * index);
  return [(low, high) => low + shapes.integer(high - low + 1), new Random(seed, 2 * index + 1)];
}

export const pair = (choose: Choose, low: number, high: number): [number, number] => [
  choose(low, high),
  choose(low, high),
];

export const four = (choose: Choose, low: number, high: number): [number, number, number, number] => [
  ...pair(choose, low, high),
  ...pair(choose, low, high),
];

/** Limits so small that dispatches of some thousand elements fold, into rows that do not come out even. */
export const FOLDING = { maxWorkgroups: 15 };

/** Elements, 64 a workgroup, that can be dispatched under `FOLDING`. */
export const MOST_FOLDED = 64 * FOLDING.maxWorkgroups ** 2;

/** One of the numbers of parts up to three that divide `count`, of so many elements each that all can be dispatched. */
export function drawParts(random: Random, count: number, perPart: number): number {
  const candidates = [1, 2, 3].filter((parts) => count % parts === 0 && parts * perPart <= MOST_FOLDED);
  return candidates[random.integer(candidates.length)] ?? 1;
}

/** The largest batch up to `batch` whose `perItem` elements, 64 a workgroup, can be dispatched under `FOLDING`. */
export const fittingBatch = (batch: number, perItem: number) =>
  Math.max(1, Math.min(batch, Math.floor(MOST_FOLDED / perItem)));
