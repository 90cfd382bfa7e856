import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { wilsonInterval } from '../../src/statistics/binomial.ts';
import { computeMetrics, confusionMatrix } from '../../src/train/metrics.ts';
import { hasPython, python } from '../support/oracle.ts';

describe('computeMetrics', () => {
  it('scores the two-class example as worked out by hand', () => {
    // 40 benign of which 38 found, 10 melanoma of which 7 found.
    const m = computeMetrics([
      [38, 2],
      [3, 7],
    ]);
    expect(m.accuracy).toBeCloseTo(0.9, 12);
    expect(m.perClass[0].precision).toBeCloseTo(38 / 41, 12);
    expect(m.perClass[1].precision).toBeCloseTo(7 / 9, 12);
    expect(m.perClass[0].recall).toBeCloseTo(0.95, 12);
    expect(m.perClass[1].recall).toBeCloseTo(0.7, 12);
    expect(m.macroPrecision).toBeCloseTo(0.8523035230352303, 12); // (342 + 287) / 738 = 629/738
    expect(m.macroRecall).toBeCloseTo(0.825, 12);
    // 2 * 629/738 * 33/40 / (629/738 + 33/40) = 41514 / 49514
    expect(m.f1).toBeCloseTo(41514 / 49514, 12);
    // (76/81 + 14/19) / 2
    expect(m.meanClassF1).toBeCloseTo((76 / 81 + 14 / 19) / 2, 12);
    expect([m.total, m.correct]).toEqual([50, 45]);
  });

  it('tells rows (true) from columns (predicted)', () => {
    const m = computeMetrics([
      [1, 3],
      [0, 4],
    ]);
    expect(m.perClass.map((c) => c.recall)).toEqual([0.25, 1]);
    expect(m.perClass.map((c) => c.precision)).toEqual([1, 4 / 7]);
    expect(m.perClass.map((c) => c.support)).toEqual([4, 4]);
    expect(m.perClass.map((c) => c.predicted)).toEqual([1, 7]);
  });

  it('gives a class that is never predicted precision 1, as the paper does', () => {
    // Everything called benign: precision (40/50 + 1)/2 = 0.9, recall (1 + 0)/2, F1 = 0.9/1.4.
    const m = computeMetrics([
      [40, 0],
      [10, 0],
    ]);
    expect(m.macroPrecision).toBeCloseTo(0.9, 12);
    expect(m.macroRecall).toBeCloseTo(0.5, 12);
    expect(m.f1).toBeCloseTo(0.9 / 1.4, 12);
    expect(m.meanClassF1).toBeCloseTo(40 / 90, 12);
  });

  it('is 0, not NaN, where nothing is right', () => {
    const m = computeMetrics([
      [0, 5],
      [3, 0],
    ]);
    expect([m.accuracy, m.macroPrecision, m.macroRecall, m.f1, m.meanClassF1]).toEqual([0, 0, 0, 0, 0]);
  });

  it('scores three classes as worked out by hand', () => {
    const m = computeMetrics([
      [5, 1, 0],
      [2, 3, 1],
      [0, 0, 8],
    ]);
    const precision = (5 / 7 + 3 / 4 + 8 / 9) / 3;
    const recall = (5 / 6 + 1 / 2 + 1) / 3;
    expect(m.macroPrecision).toBeCloseTo(precision, 12);
    expect(m.macroRecall).toBeCloseTo(recall, 12);
    expect(m.f1).toBeCloseTo((2 * precision * recall) / (precision + recall), 12);
    expect(m.meanClassF1).toBeCloseTo((10 / 13 + 6 / 10 + 16 / 17) / 3, 12);
  });

  it.each([
    [[], /empty/],
    [[[1, 2], [3]], /row 1 has 1 entries; expected 2/],
    [[[1, 2, 3]], /row 0 has 3 entries; expected 1/],
    [
      [
        [1, -1],
        [0, 1],
      ],
      /\[0\]\[1\] is -1/,
    ],
    [
      [
        [1, 0],
        [0.5, 1],
      ],
      /\[1\]\[0\] is 0\.5/,
    ],
    [
      [
        [1, 0],
        [Number.NaN, 1],
      ],
      /is NaN/,
    ],
    [
      [
        [1, 2],
        [0, 0],
      ],
      /class 1 has no true samples/,
    ],
  ])('refuses %j', (matrix, message) => {
    expect(() => computeMetrics(matrix)).toThrow(FrostlineError);
    expect(() => computeMetrics(matrix)).toThrow(message);
  });
});

describe('wilsonInterval', () => {
  it('equals published values', () => {
    // Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for (const [successes, trials, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0.0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ]) {
      const interval = wilsonInterval(successes, trials);
      expect(interval[0]).toBeCloseTo(low, 4);
      expect(interval[1]).toBeCloseTo(high, 4);
    }
  });

  it('solves |p - q| = z sqrt(q (1 - q) / n) at both ends and stays in [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(), (trials, seed) => {
        const successes = seed % (trials + 1);
        const p = successes / trials;
        for (const q of wilsonInterval(successes, trials)) {
          expect(q).toBeGreaterThanOrEqual(0);
          expect(q).toBeLessThanOrEqual(1);
          expect(Math.abs(p - q)).toBeCloseTo(1.959963984540054 * Math.sqrt((q * (1 - q)) / trials), 9);
        }
      }),
    );
  });
});

describe('confusionMatrix', () => {
  it('counts true classes in rows', () => {
    expect(confusionMatrix([0, 0, 1, 2, 2, 2], Uint32Array.of(0, 1, 1, 0, 2, 2), 3)).toEqual([
      [1, 1, 0],
      [0, 1, 0],
      [1, 0, 2],
    ]);
  });

  it('names a class number out of range, and unequal lengths', () => {
    expect(() => confusionMatrix([0, 3], [0, 0], 3)).toThrow(/label 1 is 3; expected a class number from 0 to 2/);
    expect(() => confusionMatrix([0, 1], [0, -1], 3)).toThrow(/prediction 1 is -1/);
    expect(() => confusionMatrix([0, 1], [0], 2)).toThrow(/2 labels but 1 predictions/);
  });
});

describe.skipIf(!hasPython('sklearn.metrics'))('against scikit-learn (needs sklearn)', () => {
  it('agrees on random labels', () => {
    const labels = Array.from({ length: 97 }, (_, i) => i % 4);
    const predictions = labels.map((label, i) => (i % 5 === 0 ? (label * 7 + i) % 4 : label));
    const script = `
import json, sys
from sklearn.metrics import precision_recall_fscore_support as s
y, p = json.load(sys.stdin)
print(json.dumps(s(y, p, average='macro', zero_division=1)[:3]))`;
    const [precision, recall, f1] = python<number[]>(script, [labels, predictions], 'sklearn.metrics');
    const m = computeMetrics(confusionMatrix(labels, predictions, 4));
    expect(m.macroPrecision).toBeCloseTo(precision, 12);
    expect(m.macroRecall).toBeCloseTo(recall, 12);
    expect(m.meanClassF1).toBeCloseTo(f1, 12);
  });
});
