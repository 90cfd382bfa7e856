import { FrostlineError } from '../errors.ts';

/** A loss or an output is NaN or infinite: this run is over, others may go on. */
export class DivergedError extends FrostlineError {}

/** How many times its start a run's loss may end at. */
const MOST = 100;
/** Nats: a start below it, of a classifier that is right already, is taken for this much. */
const LEAST_START = 0.1;
/** Steps whose mean is the end: a single batch may hold the one image that is hard. */
const END_STEPS = 5;

/**
 * Whether the loss is finite but ended a hundred times above its start: what then is tested is no trained network.
 * @param history the mini-batch loss of each step
 * @returns what to tell, with the remedy; nothing where the run did not diverge
 */
export function divergenceOf(history: readonly number[]): string | undefined {
  if (history.length === 0) return undefined;
  const start = Math.max(history[0], LEAST_START);
  const last = history.slice(-END_STEPS);
  const end = last.reduce((sum, loss) => sum + loss, 0) / last.length;
  if (!(end > MOST * start)) return undefined;
  const began = history[0].toPrecision(3);
  const from =
    start === history[0] ? `where it began (${began})` : `${start}, from which a start of ${began} is counted`;
  return (
    `The loss ended at ${end.toPrecision(3)}, ${Math.round(end / start)} times ${from}. ` +
    'Use a smaller learning rate or a smaller momentum.'
  );
}
