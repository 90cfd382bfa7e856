/**
 * How the global rate goes over a run. The masks multiply whatever rate a step has.
 *
 * Before anything else comes the warm-up: step i of W has (i + 1) / W of the rate, so that the first step is not lost
 * and step W - 1 has all of it. The kinds then are
 *
 *   constant   the rate
 *   step       the rate times factor^floor(epoch / every)      (MATLAB's piecewise, PyTorch's StepLR)
 *   cosine     the rate times (1 + cos(pi t)) / 2, t from 0 behind the warm-up to 1 at the end, which no step reaches
 *              (Loshchilov and Hutter 2017, without restarts; PyTorch's CosineAnnealingLR with eta_min 0)
 *
 *   exponential  by the same factor from step to step, from the rate at the first to `to` at the last: the range test's
 *
 * The velocity is in units of steps, as MATLAB's: it keeps the rates of the steps that it was made of. PyTorch's SGD
 * multiplies its velocity by the present rate; under a schedule the two differ.
 */
import { oneOf, POSITIVE, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkSettings, type OptionNames } from '../options.ts';

/** How the learning rate changes over the steps of a run. */
export interface Schedule {
  readonly kind: 'constant' | 'step' | 'cosine' | 'exponential';
  /** steps over which the rate rises; 0 unless given */
  readonly warmup?: number;
  /** of 'step': after how many epochs the rate is multiplied, and by what */
  readonly every?: number;
  readonly factor?: number;
  /** of 'exponential': the last step's rate */
  readonly to?: number;
}

const SCHEDULE_OPTIONS: OptionNames<Schedule> = {
  kind: oneOf('constant', 'step', 'cosine', 'exponential'),
  warmup: wholeFrom(0),
  every: wholeFrom(1),
  factor: POSITIVE,
  to: POSITIVE,
};

export interface Progress {
  /** from 0 */
  readonly step: number;
  /** of the whole run */
  readonly steps: number;
  /** from 0 */
  readonly epoch: number;
}

/** The global rate of one step. Without a schedule it is `rate`, to the bit. */
export function rateAt(rate: number, schedule: Schedule | undefined, { step, steps, epoch }: Progress): number {
  if (schedule === undefined) return rate;
  const { kind, warmup = 0, every = 1, factor = 0.1, to = rate } = schedule;
  if (step < warmup) return (rate * (step + 1)) / warmup;
  if (kind === 'step') return rate * factor ** Math.floor(epoch / every);
  if (kind === 'exponential') return rate * (to / rate) ** ((step - warmup) / Math.max(1, steps - warmup - 1));
  if (kind === 'cosine') return (rate * (1 + Math.cos((Math.PI * (step - warmup)) / (steps - warmup)))) / 2;
  return rate;
}

/** @throws FrostlineError for what is no schedule, or when a run of so many steps would end before its warm-up does */
export function checkSchedule(schedule: Schedule | undefined, steps: number): void {
  if (schedule === undefined) return;
  checkSettings('a schedule', schedule, SCHEDULE_OPTIONS, ['kind']);
  const { warmup = 0 } = schedule;
  if (warmup > 0 && warmup >= steps) {
    throw new FrostlineError(
      `--warmup-steps ${warmup}: the run has ${steps} steps, so the rate would never be reached. Give fewer, or more --epochs.`,
    );
  }
}
