/**
 * How far the mean score of each point could lie from what was seen, with other images, and other splits or seeds. The
 * two are crossed, for the same images stand in the test parts of many splits, and are drawn apart and added:
 *
 *   images   every unit (image, or group of images) gets an exponential weight, the same in all runs and for all points
 *            (Rubin's Bayesian bootstrap, 1981: no class ever falls out of a test part)
 *   splits   the runs' deviations from their point's mean, with normal multipliers that all points share, on the scale
 *            sqrt((C-1) / chi2(C-1)) / sqrt(C(C-1)): Student's t for the C splits that there are
 *
 * Resampling images alone claims too much, by far where splits differ. The spread over splits holds some of the images'
 * already, for each split tests others: that part, as the weights show it, is taken off again, all points together.
 * Of one split nothing is known about others: then seeds take the place of splits, and with one seed the images are
 * all there is.
 */
import { Random } from '../random.ts';
import type { Measure } from './measure.ts';
import type { Runs } from './runs.ts';

/** How many times and from which seed is resampled. */
export interface Draws {
  /** Mean score of each point over all its runs; splits count alike, however many seeds each has. */
  readonly scores: readonly number[];
  /** [draw][point]: a possible deviation of `scores` from the truth. */
  readonly deviations: readonly Float64Array[];
  /** What was resampled beside the images. */
  readonly over: 'splits' | 'seeds' | 'images alone';
}

const IMAGE_STREAM = 0x696d6167;
const SPLIT_STREAM = 0x73706c69;

/** @param draws how many; @param seed the same seed gives the same draws */
export function drawDeviations(runs: Runs, measure: Measure, { draws, seed }: { draws: number; seed: number }): Draws {
  const { points, trials, splits } = runs;
  const prepared = runs.runs.map((own) => own.map((run) => measure.prepare(run)));
  // What a trial adds to its point's mean: splits alike, within a split seeds alike.
  const inSplit = splits.map((_, s) => trials.filter(({ split }) => split === s).length);
  const share = trials.map(({ split }) => 1 / (splits.length * inSplit[split]));
  const even = trials.map(({ units }) => new Float64Array(units.length).fill(1));
  const byTrial = prepared.map((own) => own.map((score, t) => score(even[t])));
  const scores = byTrial.map((own) => own.reduce((sum, score, t) => sum + share[t] * score, 0));

  const over = splits.length > 1 ? 'splits' : trials.length > 1 ? 'seeds' : 'images alone';
  const clusterOf = trials.map(({ split }, t) => (over === 'splits' ? split : t));
  const clusters = over === 'images alone' ? 0 : new Set(clusterOf).size;
  // [cluster][point]: deviation of the cluster's mean from the mean over clusters.
  const spread = Array.from({ length: clusters }, (_, c) =>
    points.map((_, p) => {
      const own = trials.flatMap((_, t) => (clusterOf[t] === c ? [byTrial[p][t]] : []));
      return own.reduce((sum, score) => sum + score, 0) / own.length - scores[p];
    }),
  );

  const inCluster = spread.map((_, c) => clusterOf.filter((own) => own === c).length);
  const imageRandom = new Random(seed, IMAGE_STREAM);
  const splitRandom = new Random(seed, SPLIT_STREAM);
  const unitWeights = new Float64Array(runs.units);
  const weights = trials.map(({ units }) => new Float64Array(units.length));
  const doubled = new SquaredDeviations(clusters, points.length);
  const deviations = Array.from({ length: draws }, () => {
    const moved = Array.from({ length: clusters }, () => new Float64Array(points.length));
    for (let u = 0; u < unitWeights.length; u++) unitWeights[u] = -Math.log(1 - imageRandom.uniform()) + 1e-12;
    const deviation = new Float64Array(points.length);
    trials.forEach(({ units }, t) => {
      for (let i = 0; i < units.length; i++) weights[t][i] = unitWeights[units[i]];
      for (let p = 0; p < points.length; p++) {
        const score = prepared[p][t](weights[t]);
        deviation[p] += share[t] * score;
        if (clusters > 0) moved[clusterOf[t]][p] += (score - byTrial[p][t]) / inCluster[clusterOf[t]];
      }
    });
    doubled.add(moved);
    return deviation;
  });
  // Centred: a score that is no mean, as F1, moves a little when images are weighted, for all draws alike.
  for (let p = 0; p < points.length; p++) {
    const centre = deviations.reduce((sum, deviation) => sum + deviation[p], 0) / draws;
    for (const deviation of deviations) deviation[p] -= centre;
  }
  if (clusters > 1) {
    const seen = new SquaredDeviations(clusters, points.length);
    seen.add(spread);
    // The share of the spread that images do not explain.
    const own = seen.sum === 0 ? 0 : Math.max(0, 1 - doubled.sum / draws / seen.sum);
    for (const deviation of deviations) {
      let chiSquared = 0;
      for (let k = 1; k < clusters; k++) chiSquared += splitRandom.normal() ** 2;
      const scale = Math.sqrt((own * (clusters - 1)) / chiSquared / (clusters * (clusters - 1)));
      for (const cluster of spread) {
        const multiplier = scale * splitRandom.normal();
        for (let p = 0; p < points.length; p++) deviation[p] += multiplier * cluster[p];
      }
    }
  }
  return { scores, deviations, over };
}

/** Sums the squares of what points differ by between clusters: [cluster][point], less the means of both. */
class SquaredDeviations {
  sum = 0;
  private readonly clusters: number;
  private readonly points: number;

  constructor(clusters: number, points: number) {
    this.clusters = clusters;
    this.points = points;
  }

  add(values: readonly ArrayLike<number>[]): void {
    const ofPoint = new Float64Array(this.points);
    for (const row of values) for (let p = 0; p < this.points; p++) ofPoint[p] += row[p] / this.clusters;
    for (const row of values) {
      let mean = 0;
      for (let p = 0; p < this.points; p++) mean += (row[p] - ofPoint[p]) / this.points;
      for (let p = 0; p < this.points; p++) this.sum += (row[p] - ofPoint[p] - mean) ** 2;
    }
  }
}
