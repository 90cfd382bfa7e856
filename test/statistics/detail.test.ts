/** Detailed scores against values of scikit-learn and scipy, and the coverage of their intervals. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { expectedCalibrationError, reliability } from '../../src/statistics/calibration.ts';
import { detailedScores } from '../../src/statistics/detail.ts';
import { computeMetrics, confusionMatrix } from '../../src/train/metrics.ts';
import { hasPython, python } from '../support/oracle.ts';

/** Two classes, 15 of 60 of the second, probabilities that overlap. */
function drawn(seed: number, count = 60) {
  const random = new Random(seed);
  const labels = Array.from({ length: count }, (_, i) => Number(i % 4 === 0));
  const probabilities = labels.flatMap((label) => {
    const p = 1 / (1 + Math.exp(-(random.normal() + 2 * label - 1)));
    return [1 - p, p];
  });
  return { labels, probabilities };
}
const classes = ['benign', 'melanoma'];

describe('detailed scores', () => {
  it('are the shares and areas that counting gives', () => {
    // benign: 0.9, 0.6, 0.3 for benign; melanoma: 0.2, 0.7.
    const scores = detailedScores(
      { labels: [0, 0, 0, 1, 1], probabilities: [0.9, 0.1, 0.6, 0.4, 0.3, 0.7, 0.2, 0.8, 0.7, 0.3] },
      { classes },
    );
    const [benign, melanoma] = scores.perClass;
    expect([benign.sensitivity.value, benign.specificity.value, benign.precision!.value]).toEqual([2 / 3, 0.5, 2 / 3]);
    expect([melanoma.sensitivity.value, melanoma.specificity.value]).toEqual([0.5, 2 / 3]);
    expect(scores.auc.value).toBeCloseTo(4 / 6, 12);
    expect(scores.balancedAccuracy.value).toBeCloseTo((2 / 3 + 1 / 2) / 2, 12);
    // The rarer class is looked for; to find 95 % of two is to find both.
    expect(scores.operatingPoint).toMatchObject({ positive: 'melanoma', threshold: 0.3, chosenOn: 'test' });
    expect(scores.operatingPoint!.sensitivity.value).toBe(1);
    expect(scores.operatingPoint!.specificity.value).toBeCloseTo(1 / 3, 12);
  });

  it('choose the threshold on the validation part where there is one', () => {
    const scores = detailedScores(drawn(1), { classes, validation: drawn(2), sensitivity: 0.9 });
    const { labels, probabilities } = drawn(2);
    const positives = labels
      .flatMap((label, i) => (label === 1 ? [probabilities[2 * i + 1]] : []))
      .sort((a, b) => b - a);
    expect(scores.operatingPoint).toMatchObject({ chosenOn: 'validation', threshold: positives[13] });
  });

  it('take whole groups where images have them: the interval is wider', () => {
    const run = drawn(5);
    const width = ({ f1 }: ReturnType<typeof detailedScores>) => f1.interval[1] - f1.interval[0];
    const copied = {
      labels: run.labels.flatMap((label) => [label, label, label, label]),
      probabilities: run.labels.flatMap((_, i) => new Array(4).fill(run.probabilities.slice(2 * i, 2 * i + 2)).flat()),
    };
    const ids = run.labels.flatMap((_, i) => [`${i}`, `${i}`, `${i}`, `${i}`]);
    // Four copies of each image are no more evidence than one, where the groups say so.
    expect(width(detailedScores(copied, { classes, groups: ids }))).toBeCloseTo(
      width(detailedScores(run, { classes })),
      1,
    );
    expect(width(detailedScores(copied, { classes }))).toBeLessThan(0.7 * width(detailedScores(run, { classes })));
  });

  it('hold the truth in about 95 % of samples', () => {
    const { labels, probabilities } = drawn(99, 40000);
    const predictions = labels.map((_, i) => Number(probabilities[2 * i + 1] > 0.5));
    const truth = computeMetrics(confusionMatrix(labels, predictions, 2)).f1;
    let held = 0;
    for (let seed = 0; seed < 200; seed++) {
      const { interval } = detailedScores(drawn(seed, 100), { classes, seed }).f1;
      if (interval[0] <= truth && truth <= interval[1]) held++;
    }
    expect(held / 200).toBeGreaterThan(0.89);
  });

  it('refuse a class that is none', () => {
    expect(() => detailedScores(drawn(1), { classes, positive: 'nevus' })).toThrow(/--positive 'nevus'/);
  });
});

describe('calibration', () => {
  it('is the weighted distance of the bins', () => {
    const [confidence, right] = [
      [0.95, 0.91, 0.55, 0.6],
      [true, false, true, true],
    ];
    expect(expectedCalibrationError(confidence, right)).toBeCloseTo((Math.abs(1.86 - 1) + Math.abs(1.15 - 2)) / 4, 12);
    const bins = reliability(confidence, right);
    expect(bins[9]).toMatchObject({ from: 0.9, count: 2, accuracy: 0.5, confidence: expect.closeTo(0.93, 12) });
    expect(bins[5]).toMatchObject({ count: 2, accuracy: 1 });
    expect(bins[0]).toEqual({ from: 0, to: 0.1, count: 0 });
  });
});

describe.skipIf(!hasPython('sklearn.metrics'))('against scikit-learn (needs sklearn)', () => {
  it('agrees on areas, balanced accuracy and calibration curve', () => {
    const { labels, probabilities } = drawn(3);
    const positive = labels.map((_, i) => probabilities[2 * i + 1]);
    const script = `
import json, sys
from sklearn.metrics import roc_auc_score, balanced_accuracy_score, recall_score
y, p = json.load(sys.stdin)
q = [int(v > 0.5) for v in p]
print(json.dumps([roc_auc_score(y, p), balanced_accuracy_score(y, q), recall_score(y, q)]))`;
    const [area, balanced, recall] = python<number[]>(script, [labels, positive], 'sklearn.metrics');
    const scores = detailedScores({ labels, probabilities }, { classes });
    expect(scores.auc.value).toBeCloseTo(area, 12);
    expect(scores.balancedAccuracy.value).toBeCloseTo(balanced, 12);
    expect(scores.perClass[1].sensitivity.value).toBeCloseTo(recall, 12);
  });
});
