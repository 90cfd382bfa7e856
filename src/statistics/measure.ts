/** The scores by which points can be compared: each a function of one run and of the weights of its images. */
import { FrostlineError } from '../errors.ts';
import { areaUnderRoc, ranking } from './roc.ts';
import type { Run, Runs } from './runs.ts';
import { type ConfusionScores, confusionScores } from './scores.ts';

export const measureNames = [
  'f1',
  'class-f1',
  'accuracy',
  'balanced-accuracy',
  'precision',
  'sensitivity',
  'specificity',
  'auc',
] as const;
/** Names of the scores that a verdict can be about. */
export type MeasureName = (typeof measureNames)[number];

export interface Measure {
  readonly name: MeasureName;
  /** How it reads in a sentence. */
  readonly title: string;
  /** Prepares a run once; what it returns is called for every draw of weights, each above 0. Larger is better. */
  prepare(run: Run): (weights: ArrayLike<number>) => number;
}

const ofConfusion: Partial<Record<MeasureName, readonly [keyof ConfusionScores, string]>> = {
  f1: ['f1', 'F1'],
  'class-f1': ['meanClassF1', 'mean class F1'],
  accuracy: ['accuracy', 'accuracy'],
  'balanced-accuracy': ['macroRecall', 'balanced accuracy'],
  precision: ['macroPrecision', 'macro precision'],
};

/**
 * @param positive the class that is looked for, for sensitivity and specificity, and for the area of two classes; the
 * one with the fewest images where left out and there are two
 * @throws FrostlineError where the table lacks what the score needs
 */
export function measureOf(name: MeasureName, runs: Runs, positive?: string): Measure {
  const { classes } = runs;
  const known = ofConfusion[name];
  if (known !== undefined) {
    const [key, title] = known;
    return {
      name,
      title,
      prepare: (run) => weighted(run, classes.length, (confusion) => confusionScores(confusion)[key]),
    };
  }
  if (positive !== undefined && !classes.includes(positive)) {
    throw new FrostlineError(
      `--positive '${positive}': the table has the classes ${classes.join(', ')}. Give one of them.`,
    );
  }
  if (name === 'auc') {
    if (!runs.probabilities) {
      throw new FrostlineError(
        `--score auc needs probabilities: a column p_CLASS for each class (${classes.map((c) => `p_${c}`).join(', ')}).`,
      );
    }
    // Of two classes both areas are the same.
    const asked = positive === undefined ? classes.map((_, c) => c) : [classes.indexOf(positive)];
    return { name, title: 'AUC', prepare: (run) => area(run, classes.length, asked) };
  }
  if (positive === undefined && classes.length > 2) {
    throw new FrostlineError(
      `--score ${name} of ${classes.length} classes: say with --positive which one is looked for (${classes.join(', ')}).`,
    );
  }
  const c = classes.indexOf(positive ?? rarest(runs));
  const title = `${name} for ${classes[c]}`;
  return {
    name,
    title,
    prepare: (run) =>
      weighted(run, classes.length, (confusion) => {
        const sum = (row: ArrayLike<number>) => Array.from(row).reduce((a, b) => a + b, 0);
        if (name === 'sensitivity') return confusion[c][c] / sum(confusion[c]);
        const others = confusion.filter((_, k) => k !== c);
        const all = others.reduce((total, row) => total + sum(row), 0);
        return 1 - others.reduce((total, row) => total + row[c], 0) / all;
      }),
  };
}

/** The class with the fewest test images. */
export function rarest({ classes, runs }: Runs): string {
  const counts = classes.map((_, c) =>
    runs[0].reduce((sum, { labels }) => sum + labels.reduce((n, label) => n + (label === c ? 1 : 0), 0), 0),
  );
  return classes[counts.indexOf(Math.min(...counts))];
}

function weighted(
  { labels, predicted }: Run,
  classes: number,
  score: (confusion: Float64Array[]) => number,
): (weights: ArrayLike<number>) => number {
  const confusion = Array.from({ length: classes }, () => new Float64Array(classes));
  return (weights) => {
    for (const row of confusion) row.fill(0);
    for (let i = 0; i < labels.length; i++) confusion[labels[i]][predicted[i]] += weights[i];
    return score(confusion);
  };
}

/** Mean of the areas of these classes, each against the rest. */
function area({ labels, probabilities }: Run, classes: number, asked: readonly number[]) {
  const prepared = asked.map((c) => ({
    ranked: ranking(Float64Array.from(labels, (_, i) => probabilities![i * classes + c])),
    positive: Array.from(labels, (label) => label === c),
  }));
  return (weights: ArrayLike<number>) =>
    prepared.reduce((sum, { ranked, positive }) => sum + areaUnderRoc(ranked, positive, weights), 0) / prepared.length;
}
