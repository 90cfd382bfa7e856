/**
 * Scores of a classifier from its confusion matrix. Rows are true classes, columns predicted ones.
 *
 *   precision_c = m[c][c] / sum_r m[r][c]      recall_c = m[c][c] / sum_k m[c][k]
 *   macro precision, macro recall = the plain means over the classes
 *   F1 = 2 P R / (P + R) of the two macros
 *
 * F1 here is that of Barburiceanu, Miclea and Terebes ("Deep learning strategies based on fine-tuning"): the harmonic
 * mean of the macro averages, where a class that is never predicted has precision 1 (0/0 = 1). Most libraries report
 * the mean of the per-class F1 instead; it is given beside it, and the two differ on unbalanced data.
 */
import { checkArguments, listOf, NUMBERS, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { wilsonInterval } from '../statistics/binomial.ts';
import { confusionScores } from '../statistics/scores.ts';

/** Rows are true classes, columns predicted ones; counts of images. */
export type ConfusionMatrix = readonly (readonly number[])[];

/** Precision, recall and F1 of one class. */
export interface ClassMetrics {
  /** Images of this class. */
  readonly support: number;
  /** Images predicted as this class. */
  readonly predicted: number;
  /** 1 where the class is never predicted. */
  readonly precision: number;
  readonly recall: number;
  /** 2 TP / (2 TP + FP + FN). */
  readonly f1: number;
}

/** Accuracy, and macro averages over classes, of a confusion matrix. */
export interface Metrics {
  readonly total: number;
  readonly correct: number;
  readonly accuracy: number;
  /** Wilson 95 % interval of the accuracy: [low, high]. */
  readonly accuracyInterval: readonly [number, number];
  readonly macroPrecision: number;
  readonly macroRecall: number;
  /** The paper's F1: harmonic mean of macro precision and macro recall. */
  readonly f1: number;
  /** Mean of the per-class F1. */
  readonly meanClassF1: number;
  readonly perClass: readonly ClassMetrics[];
}

/**
 * Counts (true, predicted) pairs.
 * @param labels true class of each image, integers in [0, classes)
 * @param predictions predicted class of each image, same length
 * @returns classes x classes counts, rows are true classes
 */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): number[][] {
  checkArguments('confusionMatrix', {
    labels: [labels, NUMBERS],
    predictions: [predictions, NUMBERS],
    classes: [classes, wholeFrom(1)],
  });
  if (labels.length !== predictions.length) {
    throw new FrostlineError(
      `confusion matrix: ${labels.length} labels but ${predictions.length} predictions; give one prediction for each label`,
    );
  }
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) {
    matrix[classIndex(labels[i], classes, `label ${i}`)][classIndex(predictions[i], classes, `prediction ${i}`)]++;
  }
  return matrix;
}

function classIndex(value: number, classes: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value < classes) return value;
  throw new FrostlineError(
    `confusion matrix: ${what} is ${value}; expected a class number from 0 to ${classes - 1} (${classes} classes)`,
  );
}

/**
 * All scores of one confusion matrix.
 * @throws FrostlineError if the matrix is not square, holds anything but non-negative integers, or has a class without
 * true samples: its recall is 0/0, and no convention for it is agreed on, so no macro average is made up.
 */
export function computeMetrics(confusion: ConfusionMatrix): Metrics {
  checkConfusion(confusion);
  const perClass = confusion.map((row, c): ClassMetrics => {
    const hits = row[c];
    const support = sum(row);
    const predicted = sum(confusion.map((r) => r[c]));
    return {
      support,
      predicted,
      precision: predicted === 0 ? 1 : hits / predicted,
      recall: hits / support,
      f1: (2 * hits) / (predicted + support),
    };
  });
  const total = sum(perClass.map((c) => c.support));
  const correct = sum(confusion.map((row, c) => row[c]));
  return {
    total,
    correct,
    ...confusionScores(confusion),
    accuracyInterval: wilsonInterval(correct, total),
    perClass,
  };
}

function checkConfusion(confusion: ConfusionMatrix): void {
  checkArguments('computeMetrics', {
    'the confusion matrix': [confusion, listOf(NUMBERS, 'a list of rows of counts')],
  });
  const classes = confusion.length;
  if (classes === 0) throw new FrostlineError('confusion matrix: it is empty; give one row for each true class');
  for (const [r, row] of confusion.entries()) {
    if (row.length !== classes) {
      throw new FrostlineError(
        `confusion matrix: row ${r} has ${row.length} entries; expected ${classes}, as there are ${classes} rows (rows are true classes, columns predicted ones)`,
      );
    }
    for (const [c, count] of row.entries()) {
      if (!Number.isSafeInteger(count) || count < 0) {
        throw new FrostlineError(
          `confusion matrix: entry [${r}][${c}] is ${count}; expected a count of images: an integer, 0 or more`,
        );
      }
    }
    if (sum(row) === 0) {
      throw new FrostlineError(
        `confusion matrix: row ${r} is all zeros, so class ${r} has no true samples and its recall (0/0) is undefined; add test images of that class or leave the class out`,
      );
    }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
