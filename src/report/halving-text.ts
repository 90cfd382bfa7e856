/** Successive halving in words, for the terminal and the report. */
import type { RungArm } from '../train/halving.ts';
import type { GridResult } from '../train/results.ts';
import { freezeLabel, percent, plural, rate, score } from './format.ts';

export const armLabel = ({ freeze, learningRate, momentum }: RungArm): string =>
  `${freezeLabel(freeze)} at ${rate(learningRate)}${momentum === undefined ? '' : `, momentum ${momentum}`}`;

/** A line a rung, and what that means for the verdict; nothing where the whole grid was run. */
export function halvingLines({ halving, dropped = [] }: GridResult): string[] {
  if (halving === undefined) return [];
  return [
    ...halving.rungs.map(({ epochs, arms }) => {
      const kept = arms.filter((arm) => arm.kept);
      const worst = kept.at(-1)?.f1;
      return `after ${plural(epochs, 'epoch')} ${kept.length} of ${plural(arms.length, 'point')} and rates went on${worst === undefined ? '' : `, from a validation F1 of ${score(worst)} on`}`;
    }),
    `${plural(dropped.length, 'cell')} not trained to the end: ${percent(halving.share, 0)} of the full grid's steps; the verdict compares those that were`,
  ];
}
