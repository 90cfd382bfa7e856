import { describe, expect, it } from 'vitest';
import { commonestF1 } from '../../src/statistics/baseline.ts';
import { gatherRuns, type PredictionRow } from '../../src/statistics/runs.ts';
import { verdictOf } from '../../src/statistics/verdict.ts';

/** 12 'a' and 3 'b' on two splits; what a point says of each, by its place. */
function rows(says: Readonly<Record<string, (i: number, label: string) => string>>): PredictionRow[] {
  return Object.entries(says).flatMap(([point, say]) =>
    ['1', '2'].flatMap((split) =>
      Array.from({ length: 15 }, (_, i) => {
        const label = i < 12 ? 'a' : 'b';
        return { point, split, seed: '1', image: `${split}-${i}`, label, predicted: say(i, label) };
      }),
    ),
  );
}

describe('the classifier that always says the commonest class', () => {
  it('has the F1 of its confusion matrix: precision 0.8 and 1, recall 1 and 0', () => {
    const [precision, recall] = [(0.8 + 1) / 2, 0.5];
    const { index, f1 } = commonestF1([40, 10]);
    expect([index, f1]).toEqual([0, expect.closeTo((2 * precision * recall) / (precision + recall), 12)]);
    expect(commonestF1([3, 9, 9]).index).toBe(1);
  });

  it('is said first where nothing beats it', () => {
    const { baseline, sentence } = verdictOf(
      gatherRuns(rows({ none: () => 'a', conv1: (i, label) => (i === 0 ? 'b' : label === 'b' ? 'a' : label) })),
      { draws: 200 },
    );
    expect(baseline).toEqual({ label: 'a', score: expect.closeTo(0.642857, 6) });
    expect(sentence).toMatch(/^No freeze point beats the classifier that always says 'a' \(F1 0\.64\), so none can/);
  });

  it('is said where even the best may be no better, and not where it is', () => {
    const unsure = verdictOf(
      gatherRuns(rows({ none: (i, label) => (i === 0 ? 'b' : i === 12 ? label : 'a'), conv1: () => 'a' })),
      {
        draws: 400,
      },
    );
    expect(unsure.sentence).toMatch(/^Not even the best can be told from the classifier that always says 'a'/);
    const sure = verdictOf(gatherRuns(rows({ none: (_, label) => label, conv1: () => 'a' })), { draws: 200 });
    expect(sure.sentence).not.toContain('always says');
  });

  it('has its area and accuracy, too', () => {
    const table = rows({ none: (_, label) => label, conv1: () => 'a' });
    const runs = gatherRuns(table.map((row) => ({ ...row, probabilities: { a: 0.5, b: 0.5 } })));
    expect(verdictOf(runs, { score: 'accuracy', draws: 200 }).baseline.score).toBeCloseTo(0.8, 12);
    expect(verdictOf(runs, { score: 'auc', draws: 200 }).baseline.score).toBeCloseTo(0.5, 12);
  });
});
