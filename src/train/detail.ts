/** The detailed scores of an evaluated test part: what `src/statistics/detail.ts` needs, from an experiment's. */
import { FrostlineError } from '../errors.ts';
import { type DetailedScores, detailedScores } from '../statistics/detail.ts';
import type { Evaluation } from './evaluate.ts';
import type { Experiment } from './experiment.ts';

/** Before the training that it would end. @throws FrostlineError where the class that is looked for is none */
export function checkPositive(positive: string | undefined, classes: readonly string[]): void {
  if (positive === undefined || classes.includes(positive)) return;
  throw new FrostlineError(`--positive '${positive}': the classes are ${classes.join(', ')}. Give one of them.`);
}

/** @param validation where the threshold of the operating point is chosen, if there is a validation part */
export function detailOf(
  { classes, test, testGroups, validation: chosenOn }: Experiment,
  evaluation: Evaluation,
  validation: Evaluation | undefined,
  { positive, sensitivity }: { readonly positive?: string; readonly sensitivity?: number },
): DetailedScores {
  return detailedScores(
    { labels: test!.labels, probabilities: evaluation.probabilities },
    {
      classes,
      groups: testGroups,
      positive,
      sensitivity,
      validation: validation && { labels: chosenOn!.labels, probabilities: validation.probabilities },
    },
  );
}
