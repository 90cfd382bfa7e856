/**
 * Which of several candidates is the quickest, beyond noise: a race. All are timed in turns, round after round (A B C A B C
 * ...), and who is slower than the leader for sure drops out, so that the time goes to those that are hard to tell apart
 * (Maron and Moore 1994, "Hoeffding Races").
 *
 * Other work and clocks make times longer by a factor, for a while: so what is looked at is the ratio of two candidates'
 * times within a round, as a logarithm. Over the rounds its median counts, and the error of that median, sqrt(pi / 2) times
 * the spread over the root of the number of rounds. The spread is the machine's more than a candidate's, and of a few
 * rounds badly known: the usual one of all candidates stands for any that seems smaller.
 *
 * The race ends when everybody but the leader has dropped out or is as quick as the leader for sure, or with the budget.
 */
import { deviationsOf, median, type Timing, timingOf } from './statistics.ts';

/** One of those that are compared: gives the milliseconds of one run, each time anew. */
export type Racer = () => Promise<number>;

export interface RaceOptions {
  /** that all rounds together may take; the first is run in any case */
  readonly seconds: number;
  /** milliseconds by the clock that the budget is kept by */
  readonly now?: () => number;
}

export interface Placing {
  /** its place among those that were given */
  readonly index: number;
  /** of all its rounds */
  readonly timing: Timing;
  /** its time over the leader's, in the rounds that both took part in */
  readonly ratio: number;
  /** against the leader, beyond noise; `open` where the budget was spent before that was known */
  readonly verdict: 'leads' | 'same' | 'slower' | 'open';
}

export interface RaceResult {
  /** the quickest first */
  readonly order: readonly Placing[];
  readonly rounds: number;
  /** whether nothing is left open */
  readonly settled: boolean;
}

/** Rounds before anybody is judged by a median. */
const LEAST_ROUNDS = 5;
/** Nearer than this share, two are as quick as each other. */
const ALIKE = 0.03;
/** Whose quickest run takes so many times the leader's usual one is out at once. */
export const HOPELESS = 3;

/** @param racers at least one */
export async function race(
  racers: readonly Racer[],
  { seconds, now = () => performance.now() }: RaceOptions,
): Promise<RaceResult> {
  const times: number[][] = racers.map(() => []);
  const running = new Set(racers.keys());
  const begin = now();
  for (let rounds = 1; ; rounds++) {
    const roundBegin = now();
    for (const index of running) times[index].push(await racers[index]());
    const order = standings(times);
    for (const { index, timing, verdict } of order) {
      const hopeless = Math.min(...times[index]) > HOPELESS * order[0].timing.median;
      if (hopeless || (verdict === 'slower' && timing.samples >= LEAST_ROUNDS)) running.delete(index);
    }
    const settled = order.every(
      ({ index, verdict }) => !running.has(index) || verdict === 'leads' || verdict === 'same',
    );
    // A further round takes at most as long as this one.
    const spent = now() - begin + (now() - roundBegin) > 1000 * seconds;
    if (running.size === 1 || (settled && rounds >= LEAST_ROUNDS) || spent) {
      const verdictOf = (placing: Placing) =>
        running.has(placing.index) || placing === order[0] ? placing.verdict : 'slower';
      const placings = order.map((placing) => ({ ...placing, verdict: verdictOf(placing) }));
      return { order: placings, rounds, settled: placings.every(({ verdict }) => verdict !== 'open') };
    }
  }
}

/** Logarithms of two candidates' ratios in the rounds that both took part in. */
function ratios(one: readonly number[], other: readonly number[]): number[] {
  const rounds = Math.min(one.length, other.length);
  return Array.from({ length: rounds }, (_, i) => Math.log(one[i] / other[i]));
}

/** How all stand after some rounds, the quickest first. */
function standings(times: readonly (readonly number[])[]): Placing[] {
  const most = Math.max(...times.map(({ length }) => length));
  const racing = [...times.keys()].filter((i) => times[i].length === most);
  // Against any of those in all rounds, the least ratio is the leader's.
  const to = (index: number, reference: number) => timingOf(ratios(times[index], times[reference]));
  const leader = racing.reduce((best, index) =>
    to(index, racing[0]).median < to(best, racing[0]).median ? index : best,
  );
  const against = times.map((_, index) => to(index, leader));
  const usual = median(against.filter((_, i) => i !== leader).map(({ spread }) => spread));
  const deviations = deviationsOf(times.length);
  const alike = Math.log(1 + ALIKE);
  const placings = times.map((own, index): Placing => {
    const { median: logarithm, spread, samples } = against[index];
    const error = deviations * Math.sqrt(Math.PI / 2 / samples) * Math.max(spread, usual);
    const verdict =
      index === leader
        ? 'leads'
        : samples < LEAST_ROUNDS
          ? 'open'
          : logarithm > Math.max(error, alike)
            ? 'slower'
            : logarithm + error < alike
              ? 'same'
              : 'open';
    return { index, timing: timingOf(own), ratio: Math.exp(logarithm), verdict };
  });
  return placings.sort((a, b) => (a.index === leader ? -1 : b.index === leader ? 1 : a.ratio - b.ratio));
}

/** Whether a candidate that was chosen without a race stays: nobody is quicker beyond noise, by what is worth a change. */
export const keeps = ({ verdict, ratio }: Pick<Placing, 'verdict' | 'ratio'>): boolean =>
  verdict !== 'slower' || ratio <= 1 + ALIKE;
