/** Live progress of a grid: a bar on a terminal, plain lines elsewhere. */
import { Presets, SingleBar } from 'cli-progress';
import { duration, imageRate } from '../report/format.ts';
import { type Cost, TimeEstimate } from './time-estimate.ts';

export interface PlannedCell {
  /** Such as '10 conv3, rate 0.0001'. */
  readonly label: string;
  /** A number is proportional to the time it should take; only ratios matter. */
  readonly cost: number | Cost;
}

/** Where the current cell stands. */
export interface CellProgress {
  /** Steps done and in all. */
  readonly step: number;
  readonly steps: number;
  /** The share of the cell's cost that is behind it, where it is not that of its steps. */
  readonly share?: number;
  /** Counted from 1. */
  readonly epoch?: number;
  readonly epochs?: number;
  readonly loss?: number;
  readonly imagesPerSecond?: number;
}

export interface GridProgress {
  /** A cell that an earlier run has finished. */
  skip(index: number): void;
  /** @param cost of what it runs now, where it is another than was thought before; told anew where it goes on */
  begin(index: number, cost?: Cost): void;
  /** What cells that are not begun cost may have changed. @param costs by cell; asked for when they are needed */
  reckon(costs: () => ReadonlyMap<number, Cost>): void;
  /** Of the cell begun last; may be called at every step. */
  update(progress: CellProgress): void;
  /** @param outcome such as 'F1 0.913', or the error */
  end(status: 'done' | 'diverged' | 'failed', outcome: string): void;
  /** The cell begun last goes on later. */
  pause(): void;
  /** This cell is not trained to its end. */
  drop(index: number): void;
  /** Restores the terminal; call it however the grid ends. */
  stop(): void;
}

export interface ProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** Seconds between lines where the stream is no terminal. */
  readonly everySeconds?: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  /** What is counted; 'cells' unless given. */
  readonly noun?: string;
}

/** Progress over `cells` in the order in which they will run. */
export function gridProgress(cells: readonly PlannedCell[], options: ProgressOptions): GridProgress {
  const { stream, everySeconds = 15, now = () => performance.now(), noun = 'cells' } = options;
  const estimate = new TimeEstimate(
    cells.map((cell) => cell.cost),
    now,
  );
  return stream.isTTY
    ? barProgress(cells, estimate, stream, noun)
    : lineProgress(cells, estimate, stream, everySeconds * 1000, now);
}

function barProgress(
  cells: readonly PlannedCell[],
  estimate: TimeEstimate,
  stream: ProgressOptions['stream'],
  noun: string,
): GridProgress {
  let label = '';
  let state: CellProgress | undefined;
  const bar = new SingleBar(
    {
      stream,
      fps: 8,
      hideCursor: true,
      format: () => progressLine(estimate, cells.length, label, state, (stream.columns ?? 80) - 1, noun),
    },
    Presets.shades_classic,
  );
  bar.start(1, 0);
  const draw = (): void => bar.update(estimate.fraction);
  // The clock goes on while a long step runs.
  const clock = setInterval(draw, 1000).unref();
  return {
    // Many at once: the clock shows them.
    skip: (index) => estimate.skip(index),
    begin(index, cost) {
      label = cells[index].label;
      state = undefined;
      estimate.begin(index, cost);
      draw();
    },
    reckon: (costs) => estimate.reckon(costs),
    update(progress) {
      state = progress;
      estimate.advance(shareOf(progress));
      draw();
    },
    end(status) {
      estimate.end(status === 'done');
      draw();
    },
    pause() {
      estimate.pause();
      draw();
    },
    drop(index) {
      estimate.skip(index);
      draw();
    },
    stop() {
      clearInterval(clock);
      bar.stop();
    },
  };
}

/** One line: the bar takes what the text leaves; on a narrow terminal the least needed parts go first. */
export function progressLine(
  estimate: TimeEstimate,
  total: number,
  label: string,
  state: CellProgress | undefined,
  width: number,
  noun = 'cells',
): string {
  const count = `${estimate.finished}/${total} ${noun}`;
  const left = timeLeft(estimate);
  const details = stateParts(state);
  const elapsed = `${duration(estimate.elapsed())} elapsed`;
  const choices = [
    [count, label, ...details, elapsed, left],
    [count, label, ...details, left],
    [count, label, ...details.slice(0, 2), left],
    [count, label, left],
    [count, left],
    [count],
  ].map((parts) => parts.filter((part) => part !== '').join(' · '));
  const leastBar = 10;
  const text = choices.find((choice) => choice.length + leastBar + 1 <= width) ?? choices.at(-1)!;
  const length = Math.min(30, width - text.length - 1);
  if (length < leastBar) return text.slice(0, width);
  const filled = Math.round(length * estimate.fraction);
  return `${'█'.repeat(filled)}${'░'.repeat(length - filled)} ${text}`;
}

function lineProgress(
  cells: readonly PlannedCell[],
  estimate: TimeEstimate,
  stream: ProgressOptions['stream'],
  every: number,
  now: () => number,
): GridProgress {
  let label = '';
  let begunAt = 0;
  let writtenAt = now();
  const write = (text: string): void => {
    writtenAt = now();
    const count = String(estimate.finished).padStart(String(cells.length).length);
    const times = `${duration(estimate.elapsed())} elapsed${estimate.finished < cells.length ? `, ${timeLeft(estimate)}` : ''}`;
    stream.write(`[${count}/${cells.length}] ${text}; ${times}\n`);
  };
  return {
    skip(index) {
      estimate.skip(index);
      write(`${cells[index].label}: finished before`);
    },
    begin(index, cost) {
      label = cells[index].label;
      begunAt = now();
      estimate.begin(index, cost);
    },
    reckon: (costs) => estimate.reckon(costs),
    update(progress) {
      estimate.advance(shareOf(progress));
      if (now() - writtenAt >= every) write(`${label}: ${stateParts(progress).join(', ')}`);
    },
    end(status, outcome) {
      estimate.end(status === 'done');
      write(`${label}: ${status === 'done' ? '' : `${status}: `}${outcome} in ${duration((now() - begunAt) / 1000)}`);
    },
    pause() {
      estimate.pause();
      write(`${label}: waits for the others`);
    },
    drop(index) {
      estimate.skip(index);
      write(`${cells[index].label}: dropped`);
    },
    stop() {},
  };
}

const shareOf = ({ step, steps, share = step / steps }: CellProgress): number => share;

function stateParts(state: CellProgress | undefined): string[] {
  if (state === undefined) return [];
  const { epoch, epochs, step, steps, loss, imagesPerSecond } = state;
  return [
    epoch === undefined ? `step ${step}/${steps}` : `epoch ${epoch}${epochs === undefined ? '' : `/${epochs}`}`,
    loss === undefined ? '' : `loss ${loss.toFixed(3)}`,
    imagesPerSecond === undefined ? '' : imageRate(imagesPerSecond),
  ].filter((part) => part !== '');
}

function timeLeft(estimate: TimeEstimate): string {
  const left = estimate.left();
  return left === undefined ? 'time left not known yet' : `about ${duration(Math.max(1, Math.round(left)))} left`;
}
