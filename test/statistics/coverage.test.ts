/**
 * The promise of the verdict, on grids whose truth is known: the set holds the truly best point, and is not everything.
 * Another 300 grids each of twenty splits, three of three seeds, two of two, and five with twice the spread held it in
 * 94 to 97 %; their time is not spent here.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { verdictOf } from '../../src/statistics/verdict.ts';
import { simulate } from './simulate.ts';

const GRIDS = 500;
const DRAWS = 200;

/** Share of grids whose set holds the truly best point, and the sets' mean size. */
function study(points: readonly number[], splits: number) {
  const best = `p${points.indexOf(Math.max(...points))}`;
  let [held, size] = [0, 0];
  for (let grid = 0; grid < GRIDS; grid++) {
    const runs = simulate({ points, splits, seeds: 1 }, new Random(grid, 7));
    const { set } = verdictOf(runs, { score: 'accuracy', draws: DRAWS, seed: grid });
    if (set.includes(best)) held++;
    size += set.length;
  }
  return { held: held / GRIDS, size: size / GRIDS };
}

const flat = new Array<number>(8).fill(1.5);

describe('over 500 simulated grids of ten splits, the set of points that cannot be told from the best', () => {
  it('holds a given one of eight equal points in 93 % or more', () => {
    expect(study(flat, 10).held).toBeGreaterThanOrEqual(0.93);
  });

  it('holds the one that is better by 0.6 logits, with six points on average at most', () => {
    const { held, size } = study(
      flat.map((logit, p) => (p === 3 ? logit + 0.6 : logit)),
      10,
    );
    expect(held).toBeGreaterThanOrEqual(0.93);
    expect(size).toBeLessThanOrEqual(6);
  });

  it('holds the upper end of a slope', () => {
    const { held, size } = study(
      flat.map((logit, p) => logit - 0.15 * p),
      10,
    );
    expect(held).toBeGreaterThanOrEqual(0.93);
    expect(size).toBeLessThanOrEqual(6);
  });
});
