/** What a grid tells while it runs: progress of the cells that this process runs, remarks, and runs of the trackers. */
import { visible, visibleName } from '../../text.ts';
import type { GridHooks } from '../../train/grid-hooks.ts';
import type { PlannedCell } from '../../train/plan.ts';
import type { Context } from '../command.ts';
import { type GridProgress, gridProgress } from '../progress.ts';
import type { CellFollower } from '../tracking.ts';

export interface Followed {
  readonly hooks: GridHooks;
  /** cells of before, or of other processes, and those that ended here */
  readonly finished: { readonly before: number; readonly here: number };
  /** Restores the terminal; also done when the command ends. */
  stop(): void;
}

/** @param only which cells this process runs; all unless given */
export function followGrid(
  out: string,
  only: ((index: number) => boolean) | undefined,
  follower: CellFollower,
  context: Context,
): Followed {
  const finished = { before: 0, here: 0 };
  let planned: readonly PlannedCell[] = [];
  let running: PlannedCell | undefined;
  let progress: GridProgress | undefined;
  let waiting = false;
  context.defer(() => {
    if (!context.signal.aborted) return;
    const cells = finished.before + finished.here;
    context.note(`interrupted after ${cells} cells, which are in ${out}; the same command goes on there`);
  });
  const hooks: GridHooks = {
    signal: context.signal,
    stop: context.stopSignal(),
    only,
    onPlan(cells) {
      follower.plan(cells);
      planned = cells;
      finished.before = 0;
      progress = ownProgress(cells, only, context);
    },
    onSkip(index) {
      finished.before++;
      progress?.skip(index);
    },
    onWait(left) {
      if (!waiting) context.note(`waiting for ${left} cells that other processes run in ${out}`);
      waiting = true;
    },
    onResume(index, steps) {
      context.note(`cell ${index + 1} goes on after step ${steps}`);
      follower.resume(steps);
    },
    onBegin(index) {
      running = planned[index];
      progress?.begin(index);
      follower.begin(index);
    },
    onStep(record, steps) {
      const { step, epoch, loss, imagesPerSecond } = record;
      const { epochs } = running!;
      progress?.update({ step: step + 1, steps, epoch: epoch + 1, epochs, loss, imagesPerSecond });
      follower.step(record);
    },
    onPause: () => progress?.pause(),
    onDrop: (index) => progress?.drop(index),
    onEnd(_, cell) {
      const { status, metrics, error } = cell;
      follower.end(cell);
      finished.here++;
      progress?.end(status, status === 'done' ? `F1 ${metrics!.f1.toFixed(3)}` : visible(error ?? ''));
    },
  };
  return { hooks, finished, stop: () => progress?.stop() };
}

/** Progress over the cells of this process, told by their place among all; there is none where it runs none. */
function ownProgress(
  cells: readonly PlannedCell[],
  only: GridHooks['only'],
  context: Context,
): GridProgress | undefined {
  const own = [...cells.keys()].filter((index) => only?.(index) !== false);
  if (own.length === 0) return undefined;
  const shown = gridProgress(
    own.map((index) => ({ ...cells[index], label: visibleName(cells[index].label) })),
    { stream: context.stderr },
  );
  context.defer(() => shown.stop());
  const places = new Map(own.map((index, place) => [index, place]));
  const ofOwn = (tell: (place: number) => void) => (index: number) => {
    const place = places.get(index);
    if (place !== undefined) tell(place);
  };
  return { ...shown, skip: ofOwn(shown.skip), begin: ofOwn(shown.begin), drop: ofOwn(shown.drop) };
}
