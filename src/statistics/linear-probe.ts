/**
 * A linear probe (Alain and Bengio 2016): how well a linear classifier tells the classes apart from features that stand
 * still. The classifier is a ridge regression onto the classes, 1 or -1, with an intercept that is not penalised; the class
 * with the largest value is predicted (sklearn's RidgeClassifier). Leaving a sample out needs no new fit: with the hat
 * matrix H, the residuals of the left-out samples G are (I - H_GG)^-1 (y - H y)_G (Allen 1974, PRESS; for whole groups
 * the same holds with the group's block). The penalty is the one of five with the smallest squared error of left-out
 * samples; it is one number for all of them, and not nested.
 */
import { inverse, Matrix } from 'ml-matrix';
import { centred, oneHot, spectrumOf } from './gram.ts';
import { confusionScores } from './scores.ts';

/** Penalties, as multiples of the mean of the centred features' squares. */
export const PENALTIES = [1e-3, 1e-2, 1e-1, 1, 10] as const;

export interface LinearProbe {
  /** the paper's, of all left-out predictions together */
  readonly f1: number;
  readonly accuracy: number;
  /** the multiple that was chosen */
  readonly penalty: number;
  /** class of each sample as predicted by the others */
  readonly predicted: Uint32Array;
}

/**
 * @param gram of the features, `gramMatrix`
 * @param groups for each sample what is left out with it: a patient; itself alone where left out
 */
export function linearProbe(
  gram: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  groups: readonly (string | undefined)[] = [],
): LinearProbe {
  const n = gram.rows;
  const kernel = centred(gram);
  const { values, vectors } = spectrumOf(kernel);
  const scale = kernel.trace() / n;
  const targets = oneHot(labels, classes).mul(2).sub(1);
  const projected = vectors.transpose().mmul(targets.clone().subRowVector(targets.mean('column')));
  const parts = leftOutTogether(n, groups);
  let best: { error: number; penalty: number; left: Matrix } | undefined;
  for (const penalty of PENALTIES) {
    const shrunk = values.map((value) => (value === 0 ? 0 : value / (value + penalty * scale)));
    const fitted = vectors.mmul(projected.clone().mulColumnVector(shrunk)).addRowVector(targets.mean('column'));
    const residuals = Matrix.sub(targets, fitted);
    const hat = vectors
      .clone()
      .mulRowVector(shrunk)
      .mmul(vectors.transpose())
      .add(1 / n);
    const left = Matrix.zeros(n, classes);
    for (const part of parts) {
      const block = Matrix.sub(Matrix.eye(part.length), hat.selection(part, part));
      const own = inverse(block).mmul(residuals.selection(part, [...Array(classes).keys()]));
      for (const [r, i] of part.entries()) left.setRow(i, own.getRow(r));
    }
    const error = left.norm('frobenius');
    if (best === undefined || error < best.error) best = { error, penalty, left };
  }
  const { penalty, left } = best!;
  const predicted = Uint32Array.from({ length: n }, (_, i) => {
    const scores = targets.getRow(i).map((target, c) => target - left.get(i, c));
    return scores.indexOf(Math.max(...scores));
  });
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < n; i++) confusion[labels[i]][predicted[i]]++;
  const { f1, accuracy } = confusionScores(confusion);
  return { f1, accuracy, penalty, predicted };
}

function leftOutTogether(samples: number, groups: readonly (string | undefined)[]): number[][] {
  const parts = new Map<string, number[]>();
  for (let i = 0; i < samples; i++) {
    const key = groups[i] === undefined ? `sample ${i}` : `group ${groups[i]}`;
    parts.set(key, [...(parts.get(key) ?? []), i]);
  }
  return [...parts.values()];
}
