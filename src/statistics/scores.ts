/**
 * Scores of one run from its confusion matrix, whose entries may be weights: rows are true classes, columns predicted
 * ones. A class that is never predicted has precision 1, as in the paper (0/0 = 1); a class without true samples has no
 * recall, so callers refuse it first.
 */

/** Rows are true classes, columns predicted ones: counts of images, or sums of their weights. */
export type WeightedConfusion = readonly ArrayLike<number>[];

/** The means over classes that a table of results shows. */
export interface ConfusionScores {
  readonly accuracy: number;
  readonly macroPrecision: number;
  /** Mean recall of the classes; also called balanced accuracy. */
  readonly macroRecall: number;
  /** The paper's: harmonic mean of macro precision and macro recall. */
  readonly f1: number;
  /** Mean of the per-class F1, what most libraries call macro F1. */
  readonly meanClassF1: number;
}

/** @param confusion square, every row with a sum above 0 */
export function confusionScores(confusion: WeightedConfusion): ConfusionScores {
  const classes = confusion.length;
  let [total, correct, precision, recall, classF1] = [0, 0, 0, 0, 0];
  for (let c = 0; c < classes; c++) {
    let [support, predicted] = [0, 0];
    for (let k = 0; k < classes; k++) {
      support += confusion[c][k];
      predicted += confusion[k][c];
    }
    const hits = confusion[c][c];
    total += support;
    correct += hits;
    precision += (predicted === 0 ? 1 : hits / predicted) / classes;
    recall += hits / support / classes;
    classF1 += (2 * hits) / (predicted + support) / classes;
  }
  return {
    accuracy: correct / total,
    macroPrecision: precision,
    macroRecall: recall,
    f1: harmonicMean(precision, recall),
    meanClassF1: classF1,
  };
}

/** 0 where both are 0. */
export function harmonicMean(a: number, b: number): number {
  return a + b === 0 ? 0 : (2 * a * b) / (a + b);
}
