/**
 * Grids whose truth is known: images differ in difficulty, shared by all points; each suits a point more or less; every
 * training split and every seed moves a point's network a little. A prediction is right with the logistic probability.
 */
import type { Random } from '../../src/random.ts';
import type { Run, Runs, Trial } from '../../src/statistics/runs.ts';

export interface World {
  /** logits of each point on a middling image */
  readonly points: readonly number[];
  readonly splits: number;
  readonly seeds: number;
  readonly images?: number;
  readonly test?: number;
  /** standard deviations, in logits */
  readonly difficulty?: number;
  readonly suits?: number;
  readonly split?: number;
  readonly seed?: number;
}

export function simulate(world: World, random: Random): Runs {
  const { points, splits, seeds, images = 200, test = 50 } = world;
  const { difficulty = 1.5, suits = 0.7, split = 0.25, seed = 0.2 } = world;
  const ease = Array.from({ length: images }, () => difficulty * random.normal());
  const fit = points.map(() => Array.from({ length: images }, () => suits * random.normal()));
  const trials: Trial[] = [];
  const runs: Run[][] = points.map(() => []);
  for (let s = 0; s < splits; s++) {
    const tested = [...random.permutation(images)].slice(0, test);
    const moved = points.map(() => split * random.normal());
    for (let r = 0; r < seeds; r++) {
      trials.push({ split: s, seed: String(r), units: Uint32Array.from(tested) });
      for (const [p, logit] of points.entries()) {
        const own = logit + moved[p] + seed * random.normal();
        const labels = Uint32Array.from(tested, (_, i) => i % 2);
        const predicted = labels.map((label, i) => {
          const right = random.uniform() < 1 / (1 + Math.exp(-(own + ease[tested[i]] + fit[p][tested[i]])));
          return right ? label : 1 - label;
        });
        runs[p].push({ labels, predicted });
      }
    }
  }
  return {
    points: points.map((_, p) => `p${p}`),
    classes: ['a', 'b'],
    splits: Array.from({ length: splits }, (_, s) => String(s)),
    images,
    units: images,
    grouped: false,
    trials,
    runs,
    probabilities: false,
  };
}
