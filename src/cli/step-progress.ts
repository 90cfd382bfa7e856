/** Progress of one training run: a bar on a terminal, a line every quarter of a minute elsewhere. */
import { SingleBar } from 'cli-progress';
import { imageRate } from '../report/format.ts';
import type { StepRecord } from '../train/fit.ts';
import type { Context } from './command.ts';

/** ms between two lines. */
const EVERY = 15_000;

export interface StepProgress {
  /** @param of how many steps the run has */
  step(record: StepRecord, of: number): void;
  /** Restores the terminal. */
  stop(): void;
}

export function stepProgress({ stderr, note }: Pick<Context, 'stderr' | 'note'>): StepProgress {
  const textOf = ({ loss, imagesPerSecond }: StepRecord) => ({
    loss: loss.toFixed(4),
    rate: imageRate(imagesPerSecond),
  });
  if (!stderr.isTTY) {
    let noted = performance.now();
    return {
      step(record, of) {
        const { loss, rate } = textOf(record);
        if (performance.now() - noted <= EVERY && record.step + 1 < of) return;
        noted = performance.now();
        note(`step ${record.step + 1} of ${of}, epoch ${record.epoch + 1}, loss ${loss}, ${rate}`);
      },
      stop() {},
    };
  }
  const bar = new SingleBar({
    stream: stderr,
    hideCursor: true,
    format: '{bar} step {value} of {total}, loss {loss}, {rate}, {eta_formatted} left',
  });
  return {
    step(record, of) {
      if (record.step === 0) bar.start(of, 0, textOf(record));
      bar.update(record.step + 1, textOf(record));
    },
    stop: () => bar.stop(),
  };
}
