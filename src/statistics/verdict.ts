/**
 * Which points cannot be told from the best. A set that holds the truly best point with the given confidence
 * (multiple comparisons with the best, Hsu 1981; the set of the models that cannot be rejected, Hansen, Lunde and
 * Nason 2011): a point p leaves the set where
 *
 *   max over q of (score_q - score_p) / se_qp  >  the level's quantile of  max over q of (dev_q - dev_p) / se_qp
 *
 * over the draws of `resample.ts`, which has what is drawn and why. Pure functions: a table of predictions in, plain
 * data out.
 */
import { FrostlineError } from '../errors.ts';
import { baselineOf } from './baseline.ts';
import { holm, mcnemarExact } from './binomial.ts';
import { type MeasureName, measureOf } from './measure.ts';
import { type Draws, drawDeviations } from './resample.ts';
import type { Runs } from './runs.ts';
import { sentenceOf } from './sentence.ts';

/** Bounds of an interval. */
export type Interval = readonly [low: number, high: number];

/** A freeze point among the others. */
export interface VerdictPoint {
  readonly point: string;
  /** Mean over splits and their seeds. */
  readonly score: number;
  /** Of the point by itself, clipped to [0, 1]. */
  readonly interval: Interval;
  /** That the point is as good as the best, against all others at once. It is in the set from 1 - level on. */
  readonly p: number;
}

/** One of two classifiers right more often on an image: the counts of one split. */
export interface SplitTest {
  readonly split: string;
  /** Images (or groups) that the first has right in more seeds than the second, and the reverse. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Exact, two-sided (McNemar). */
  readonly p: number;
  /** Holm's correction for the number of pairs in this split. */
  readonly pCorrected: number;
}

/** Two freeze points compared. */
export interface VerdictPair {
  readonly first: string;
  readonly second: string;
  /** Score of the first less that of the second. */
  readonly difference: number;
  readonly interval: Interval;
  /** Two-sided, from the draws. */
  readonly p: number;
  /** Holm's correction for the number of pairs. */
  readonly pCorrected: number;
  readonly mcnemar: readonly SplitTest[];
}

/** The freeze points that cannot be told from the best, with wins and pairs. */
export interface Verdict {
  readonly level: number;
  /** Name of the score, as `--score` takes it. */
  readonly score: MeasureName;
  /** How it reads. */
  readonly scoreTitle: string;
  /** What the verdict holds for: other splits of these data, or the one split that was tried. */
  readonly scope: 'data' | 'split';
  /** What was resampled beside the images. */
  readonly over: Draws['over'];
  readonly counts: {
    readonly images: number;
    /** Groups, where images have them; else the images. */
    readonly units: number;
    readonly splits: number;
    /** Runs of each point. */
    readonly runs: number;
  };
  /** In the order of the table. */
  readonly points: readonly VerdictPoint[];
  /** The point with the largest score; the first of equals. */
  readonly best: string;
  /** Every point with the same score as the best, if there is more than one. */
  readonly tied: readonly string[];
  /** Points that cannot be told from the best at this level, in the order of the table. */
  readonly set: readonly string[];
  /** Share of the draws in which a point has the largest score; equal points share a draw. */
  readonly wins: Readonly<Record<string, number>>;
  readonly pairs: readonly VerdictPair[];
  /** What a classifier scores that looks at no image: it always says the commonest class of the test part. */
  readonly baseline: { readonly label: string; readonly score: number };
  /** For who reads one sentence only. */
  readonly sentence: string;
}

export interface VerdictOptions {
  /** f1 unless given */
  readonly score?: MeasureName;
  /** Class that is looked for, where the score has one. */
  readonly positive?: string;
  /** Confidence of the set and the intervals; 0.95 unless given. */
  readonly level?: number;
  /** How many times images, splits and seeds are drawn anew; 4000 unless given. */
  readonly draws?: number;
  readonly seed?: number;
}

/** Two scores are equal where they differ by rounding alone. */
const EQUAL = 1e-12;

/** @throws FrostlineError where the table lacks what the score needs, or the level is no confidence */
export function verdictOf(runs: Runs, options: VerdictOptions = {}): Verdict {
  const { score = 'f1', positive, level = 0.95, draws = 4000, seed = 1 } = options;
  if (!(level > 0.5 && level < 1)) {
    throw new FrostlineError(`--level ${level}: expected a confidence between 0.5 and 1, such as 0.95.`);
  }
  if (!(Number.isInteger(draws) && draws >= 100)) {
    throw new FrostlineError(`--draws ${draws}: expected a whole number, 100 or more.`);
  }
  const measure = measureOf(score, runs, positive);
  const drawn = drawDeviations(runs, measure, { draws, seed });
  const { scores } = drawn;
  const errors = standardErrors(drawn.deviations, runs.points.length);
  const points = runs.points.map((point, p): VerdictPoint => ({ point, ...standingOf(drawn, errors, p, level) }));
  const highest = Math.max(...scores);
  const equal = runs.points.filter((_, p) => highest - scores[p] <= EQUAL);
  const set = points.flatMap(({ point, p }) => (p >= 1 - level ? [point] : []));
  const baseline = baselineOf(runs, measure);
  return {
    level,
    score,
    scoreTitle: measure.title,
    scope: runs.splits.length > 1 ? 'data' : 'split',
    over: drawn.over,
    counts: { images: runs.images, units: runs.units, splits: runs.splits.length, runs: runs.trials.length },
    points,
    best: equal[0],
    tied: equal.length > 1 ? equal : [],
    set,
    wins: winsOf(runs.points, drawn),
    pairs: pairsOf(runs, drawn, level),
    baseline,
    sentence: sentenceOf({
      title: measure.title,
      level,
      splits: runs.splits.length,
      runs: runs.trials.length,
      points,
      best: equal[0],
      tied: equal,
      set,
      baseline,
      loss: (of) => lossOf(runs.points, drawn, level, of, equal[0]),
    }),
  };
}

/** A point's score with its interval, and how probable a difference to the others as large as the seen one is by chance. */
function standingOf(
  { scores, deviations }: Draws,
  errors: ArrayLike<number>,
  p: number,
  level: number,
): Omit<VerdictPoint, 'point'> {
  const count = scores.length;
  const largest = (of: (q: number) => number) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let q = 0; q < count; q++) if (q !== p) most = Math.max(most, of(q));
    return most;
  };
  const against = (q: number, value: number) => standardised(value, errors[q * count + p]);
  const seen = largest((q) => against(q, scores[q] - scores[p]));
  const asLarge = deviations.filter(
    (deviation) => largest((q) => against(q, deviation[q] - deviation[p])) >= seen - EQUAL,
  ).length;
  const half = quantile(
    deviations.map((deviation) => Math.abs(deviation[p])),
    level,
  );
  return {
    score: scores[p],
    interval: [Math.max(0, scores[p] - half), Math.min(1, scores[p] + half)],
    p: seen <= EQUAL ? 1 : asLarge / deviations.length,
  };
}

/** Mean score of some points below another's, with the half-width of its interval. */
function lossOf(
  points: readonly string[],
  { scores, deviations }: Draws,
  level: number,
  names: readonly string[],
  best: string,
) {
  const own = names.map((name) => points.indexOf(name));
  const b = points.indexOf(best);
  const contrast = (values: ArrayLike<number>) => values[b] - own.reduce((sum, p) => sum + values[p], 0) / own.length;
  return {
    loss: contrast(scores),
    half: quantile(
      deviations.map((deviation) => Math.abs(contrast(deviation))),
      level,
    ),
  };
}

/** 0 / 0 is 0: two points that agree on every image. */
const standardised = (value: number, error: number) => (Math.abs(value) <= EQUAL ? 0 : value / error);

/**
 * [a * count + b]: standard error of the difference of two points. By quantiles, for with few splits the draws have a
 * tail of Student's t, whose variance need not exist: half the central 68.27 %.
 */
function standardErrors(deviations: readonly Float64Array[], count: number): Float64Array {
  const errors = new Float64Array(count * count);
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const spread = quantile(
        deviations.map((deviation) => Math.abs(deviation[a] - deviation[b])),
        0.6827,
      );
      errors[a * count + b] = spread;
      errors[b * count + a] = spread;
    }
  }
  return errors;
}

/** The smallest value that at least this share of the values does not pass. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

function winsOf(points: readonly string[], { scores, deviations }: Draws): Record<string, number> {
  const wins = new Float64Array(points.length);
  for (const deviation of deviations) {
    const values = scores.map((score, p) => score + deviation[p]);
    const most = Math.max(...values);
    const winners = values.flatMap((value, p) => (most - value <= EQUAL ? [p] : []));
    for (const p of winners) wins[p] += 1 / winners.length / deviations.length;
  }
  return Object.fromEntries(points.map((point, p) => [point, wins[p]]));
}

function pairsOf(runs: Runs, { scores, deviations }: Draws, level: number): VerdictPair[] {
  const indices = runs.points.flatMap((_, a) => runs.points.slice(a + 1).map((_, k) => [a, a + 1 + k] as const));
  const tests = indices.map(([a, b]) => splitTests(runs, a, b));
  const corrected = runs.splits.map((_, s) => holm(tests.map((own) => own[s].p)));
  const pairs = indices.map(([a, b], i) => {
    const difference = scores[a] - scores[b];
    const moved = deviations.map((deviation) => Math.abs(deviation[a] - deviation[b]));
    const half = quantile(moved, level);
    // Never 0: a finite number of draws shows no more.
    const asFar = moved.filter((distance) => distance >= Math.abs(difference) - EQUAL).length;
    return {
      first: runs.points[a],
      second: runs.points[b],
      difference,
      interval: [difference - half, difference + half] as const,
      p: (asFar + 1) / (moved.length + 1),
      mcnemar: tests[i].map((test, s) => ({ ...test, pCorrected: corrected[s][i] })),
    };
  });
  const ps = holm(pairs.map(({ p }) => p));
  return pairs.map(({ mcnemar, ...pair }, i) => ({ ...pair, pCorrected: ps[i], mcnemar }));
}

/** Over several seeds, an image goes to the point that has it right in more of them: a sign test, McNemar's for one. */
function splitTests(runs: Runs, a: number, b: number): Omit<SplitTest, 'pCorrected'>[] {
  return runs.splits.map((split, s) => {
    const lead = new Map<number, number>();
    runs.trials.forEach((trial, t) => {
      if (trial.split !== s) return;
      const [first, second] = [runs.runs[a][t], runs.runs[b][t]];
      trial.units.forEach((unit, i) => {
        const label = first.labels[i];
        const gain = Number(first.predicted[i] === label) - Number(second.predicted[i] === label);
        lead.set(unit, (lead.get(unit) ?? 0) + gain);
      });
    });
    const onlyFirst = [...lead.values()].filter((gain) => gain > 0).length;
    const onlySecond = [...lead.values()].filter((gain) => gain < 0).length;
    return { split, onlyFirst, onlySecond, p: mcnemarExact(onlyFirst, onlySecond) };
  });
}
