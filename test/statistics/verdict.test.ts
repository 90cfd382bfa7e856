/** The verdict's parts against values of scipy 1.10 and scikit-learn 1.2 (named beside them), and its refusals. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { holm, mcnemarExact, wilsonInterval } from '../../src/statistics/binomial.ts';
import { measureOf } from '../../src/statistics/measure.ts';
import { drawDeviations } from '../../src/statistics/resample.ts';
import { areaInterval, areaUnderRoc, operatingPoint, ranking } from '../../src/statistics/roc.ts';
import { gatherRuns, type PredictionRow } from '../../src/statistics/runs.ts';
import { parsePredictions } from '../../src/statistics/table.ts';
import { verdictOf } from '../../src/statistics/verdict.ts';
import { simulate } from './simulate.ts';

describe('counts', () => {
  it('gives the exact p of McNemar', () => {
    // scipy.stats.binomtest(3, 14).pvalue, (0, 5), (7, 15), (400, 1000)
    expect(mcnemarExact(3, 11)).toBeCloseTo(0.057373046875, 14);
    expect(mcnemarExact(5, 0)).toBeCloseTo(0.0625, 14);
    expect(mcnemarExact(7, 8)).toBe(1);
    expect(mcnemarExact(0, 0)).toBe(1);
    expect(mcnemarExact(400, 600) / 2.728464156065976e-10).toBeCloseTo(1, 9);
  });

  it("corrects by Holm's steps", () => {
    // statsmodels.stats.multitest.multipletests([0.01, 0.04, 0.03, 0.005], method='holm')
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02].map((p) => expect.closeTo(p, 12)));
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
  });

  it("gives Wilson's interval", () => {
    // scipy.stats.binomtest(45, 50).proportion_ci(method='wilson')
    expect(wilsonInterval(45, 50)).toEqual([expect.closeTo(0.7864, 5), expect.closeTo(0.95652, 5)]);
  });
});

describe('ROC', () => {
  const values = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9];
  const positive = [false, false, true, true, true, false];

  it('is the share of pairs in order, equal ones by half', () => {
    // sklearn.metrics.roc_auc_score([0,0,1,1,1,0], values)
    expect(areaUnderRoc(ranking(values), positive)).toBeCloseTo(0.5, 12);
    const twice = [1, 2, 3, 1, 2, 1];
    const repeat = <T>(list: readonly T[]) => list.flatMap((item, i) => new Array<T>(twice[i]).fill(item));
    expect(areaUnderRoc(ranking(values), positive, twice)).toBeCloseTo(
      areaUnderRoc(ranking(repeat(values)), repeat(positive)),
      12,
    );
  });

  it('covers the true area in about 95 % of samples', () => {
    const random = new Random(3);
    let held = 0;
    for (let i = 0; i < 400; i++) {
      const labels = Array.from({ length: 60 }, (_, k) => k < 20);
      const drawn = labels.map((is) => random.normal() + (is ? 1 : 0));
      const [low, high] = areaInterval(drawn, labels);
      // Two normals a standard deviation apart: Phi(1 / sqrt 2).
      if (low <= 0.76025 && 0.76025 <= high) held++;
    }
    expect(held / 400).toBeGreaterThan(0.92);
    expect(held / 400).toBeLessThan(0.98);
  });

  it('takes the highest threshold that finds enough', () => {
    expect(operatingPoint(values, positive, 0.95)).toEqual({ threshold: 0.35, sensitivity: 1, specificity: 1 / 3 });
    expect(operatingPoint(values, positive, 0.3)).toMatchObject({ threshold: 0.8, specificity: 2 / 3 });
  });
});

/** Eight images of two classes in one split; each point errs on the images named. */
function table(points: Record<string, readonly number[]>, more: Partial<PredictionRow> = {}): PredictionRow[] {
  return Object.entries(points).flatMap(([point, wrong]) =>
    Array.from({ length: 8 }, (_, i) => {
      const label = i < 4 ? 'a' : 'b';
      const predicted = wrong.includes(i) ? (label === 'a' ? 'b' : 'a') : label;
      return { point, split: '1', seed: '1', image: `i${i}`, label, predicted, ...more };
    }),
  );
}

describe('a verdict', () => {
  it('shows equal points as equal', () => {
    const verdict = verdictOf(gatherRuns(table({ none: [1], conv1: [1], conv2: [1] })), { draws: 200 });
    expect(verdict.tied).toEqual(['none', 'conv1', 'conv2']);
    expect(verdict.set).toEqual(['none', 'conv1', 'conv2']);
    expect(Object.values(verdict.wins)).toEqual([1, 1, 1].map((x) => expect.closeTo(x / 3, 9)));
    for (const { difference, interval, p, mcnemar } of verdict.pairs) {
      expect([difference, ...interval, p, mcnemar[0].p]).toEqual([0, 0, 0, 1, 1]);
    }
    expect(verdict.sentence).toMatch(/Every point has the same score/);
  });

  it('names what loses, and that one split is one split', () => {
    const verdict = verdictOf(gatherRuns(table({ none: [], conv1: [], fc6: [0, 1, 2, 3, 4, 5, 6, 7] })), {
      draws: 400,
    });
    expect(verdict.set).toEqual(['none', 'conv1']);
    expect(verdict.scope).toBe('split');
    expect(verdict.sentence).toMatch(
      /^Freezing nothing or freezing through conv1 cannot be told apart at 95 % for this split and this seed/,
    );
    expect(verdict.sentence).toMatch(/freezing more \(fc6\) loses 1\.00 ± 0\.00 of F1 against none/);
    const pair = verdict.pairs.find(({ second }) => second === 'fc6')!;
    expect(pair.mcnemar[0]).toMatchObject({ onlyFirst: 8, onlySecond: 0, p: expect.closeTo(2 / 256, 12) });
    expect(pair.mcnemar[0].pCorrected).toBeCloseTo(6 / 256, 12);
  });

  it('weights images as the bootstrap would: the deviation of an accuracy is that of a binomial share', () => {
    const runs = simulate({ points: [1, 1], splits: 1, seeds: 1, images: 400, test: 400 }, new Random(5));
    const { scores, deviations } = drawDeviations(runs, measureOf('accuracy', runs), { draws: 4000, seed: 2 });
    const sd = Math.sqrt(deviations.reduce((sum, deviation) => sum + deviation[0] ** 2, 0) / deviations.length);
    expect(sd / Math.sqrt((scores[0] * (1 - scores[0])) / 400)).toBeCloseTo(1, 1);
  });

  it('widens with the spread over splits', () => {
    const half = (split: number) => {
      const runs = simulate({ points: [1, 1], splits: 6, seeds: 1, split }, new Random(8));
      const [{ interval }] = verdictOf(runs, { score: 'accuracy', draws: 500 }).pairs;
      return interval[1] - interval[0];
    };
    expect(half(2)).toBeGreaterThan(1.5 * half(0));
  });

  it('treats the images of a group as one', () => {
    const alone = gatherRuns(table({ none: [0, 1], conv1: [] }));
    const rows = table({ none: [0, 1], conv1: [] }).map((row, i) => ({ ...row, group: `g${Math.floor((i % 8) / 2)}` }));
    const grouped = gatherRuns(rows);
    expect([alone.units, grouped.units, grouped.images]).toEqual([8, 4, 8]);
    const width = (runs: typeof alone) => verdictOf(runs, { score: 'accuracy' }).pairs[0].interval[1];
    expect(width(grouped)).toBeGreaterThan(width(alone));
  });

  it('refuses points that were tested on other images', () => {
    const text = ['point,image,label,predicted,p_a,p_b']
      .concat(
        ['none', 'conv1'].flatMap((point) =>
          [0.9, 0.6, 0.4, 0.2].map((p, i) => {
            const label = (point === 'none' ? [0, 1] : [0, 2]).includes(i) ? 'a' : 'b';
            return [point, `${i}`, label, p > 0.5 ? 'a' : 'b', p, 1 - p].join();
          }),
        ),
      )
      .join('\n');
    expect(() => gatherRuns(parsePredictions(text, 'x.csv').rows)).toThrow(/has the class 'b', and 'a' at/);
    const rows = parsePredictions(text.replaceAll('conv1,', 'conv1,x'), 'x.csv').rows;
    expect(() => gatherRuns(rows)).toThrow(/tested on other images/);
  });

  it('refuses tables that cannot be compared, by name', () => {
    const two = table({ none: [], conv1: [] });
    expect(() => gatherRuns(table({ none: [] }))).toThrow(/one point, 'none'/);
    expect(() => gatherRuns([...two, two[0]])).toThrow(/has the image 'i0' twice/);
    expect(() => gatherRuns(two.slice(0, -1))).toThrow(/tested on other images/);
    expect(() => gatherRuns([...two, ...table({ none: [] }, { seed: '2' })])).toThrow(
      /lacks a run: point 'conv1', split '1', seed '2'/,
    );
    expect(() => gatherRuns([...two, { ...two[0], split: '2' }, { ...two[8], split: '2' }])).toThrow(
      /Split '2' tests no image of class 'b'/,
    );
    const runs = gatherRuns(two);
    expect(() => verdictOf(runs, { score: 'auc' })).toThrow(/needs probabilities: a column p_CLASS/);
    expect(() => verdictOf(runs, { score: 'sensitivity', positive: 'c' })).toThrow(/--positive 'c'/);
    expect(() => parsePredictions('point,image,label\nnone,1,a', 'x.csv')).toThrow(/no column predicted/);
    expect(() => parsePredictions('point,image,label,predicted\nnone,,a,a', 'x.csv')).toThrow(/line 2: image is empty/);
  });

  it('reads the rows that a grid chose', () => {
    const text = 'chosen,point,image,label,predicted\n1,none,1,a,a\n0,none,1,a,b\n';
    expect(parsePredictions(text, 'x.csv').rows).toEqual([
      { point: 'none', split: '1', seed: '1', image: '1', label: 'a', predicted: 'a' },
    ]);
  });
});
