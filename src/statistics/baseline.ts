/** The classifier that every other must beat: it looks at no image and always says the commonest class. */
import type { Measure } from './measure.ts';
import type { Run, Runs } from './runs.ts';
import { confusionScores } from './scores.ts';

export interface Baseline {
  /** The class that it says. */
  readonly label: string;
  readonly score: number;
}

/** Its score by any measure: the mean over splits of their seeds' means, as for the points. */
export function baselineOf({ classes, splits, trials, runs }: Runs, measure: Measure): Baseline {
  // All points share their runs' images.
  const [own] = runs;
  const counts = classes.map((_, c) => own.reduce((sum, { labels }) => sum + countOf(labels, c), 0));
  const commonest = counts.indexOf(Math.max(...counts));
  const scores = own.map((run) => measure.prepare(always(run, commonest, classes.length))(ones(run.labels.length)));
  const bySplit = splits.map((_, s) => mean(scores.filter((_, t) => trials[t].split === s)));
  return { label: classes[commonest], score: mean(bySplit) };
}

const ones = (length: number) => new Float64Array(length).fill(1);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const countOf = (labels: Uint32Array, c: number) => labels.reduce((sum, label) => sum + (label === c ? 1 : 0), 0);

function always({ labels }: Run, c: number, classes: number): Run {
  const probabilities = new Float64Array(labels.length * classes);
  for (let i = 0; i < labels.length; i++) probabilities[i * classes + c] = 1;
  return { labels, predicted: new Uint32Array(labels.length).fill(c), probabilities };
}

/** The paper's F1 of that classifier on a test part, from its counts by class. */
export function commonestF1(counts: readonly number[]): { readonly index: number; readonly f1: number } {
  const index = counts.indexOf(Math.max(...counts));
  return { index, f1: confusionScores(counts.map((count) => counts.map((_, c) => (c === index ? count : 0)))).f1 };
}
