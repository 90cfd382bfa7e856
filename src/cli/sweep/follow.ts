/** What a grid tells while it runs: progress of the cells that this process runs, remarks, and runs of the trackers. */
import { visible, visibleName } from '../../text.ts';
import type { Experiment } from '../../train/experiment.ts';
import type { GridHooks } from '../../train/grid-hooks.ts';
import type { GridPlan, PlannedCell } from '../../train/plan.ts';
import { GridWork, type Piece, runsOf, workOf } from '../../train/work.ts';
import { WorkAhead } from '../../train/work-ahead.ts';
import type { Context } from '../command.ts';
import { type GridProgress, gridProgress } from '../progress.ts';
import type { Cost } from '../time-estimate.ts';
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
  { experiment, plan }: { readonly experiment: Experiment; readonly plan: GridPlan },
  out: string,
  only: ((index: number) => boolean) | undefined,
  follower: CellFollower,
  context: Context,
): Followed {
  const finished = { before: 0, here: 0 };
  let planned: readonly PlannedCell[] = [];
  let running: PlannedCell | undefined;
  let progress: OwnProgress | undefined;
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
      const work = new WorkAhead(GridWork.of(experiment, plan, cells.length), cells, plan, only);
      progress = ownProgress(cells, only, work, context);
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
      progress?.resume(steps);
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

const costOf = (pieces: readonly Piece[]): Cost => ({ work: workOf(pieces), runs: runsOf(pieces) });

interface OwnProgress extends Omit<GridProgress, 'reckon'> {
  /** The cell begun last goes on from a checkpoint, so many steps in. */
  resume(steps: number): void;
}

/** Progress over the cells of this process, told by their place among all; there is none where it runs none. */
function ownProgress(
  cells: readonly PlannedCell[],
  only: GridHooks['only'],
  work: WorkAhead,
  context: Context,
): OwnProgress | undefined {
  const own = [...cells.keys()].filter((index) => only?.(index) !== false);
  if (own.length === 0) return undefined;
  const places = new Map(own.map((index, place) => [index, place]));
  const costs = () => new Map([...work.pieces()].map(([index, pieces]) => [places.get(index)!, costOf(pieces)]));
  const shown = gridProgress(
    own.map((index) => ({ label: visibleName(cells[index].label), cost: 0 })),
    { stream: context.stderr },
  );
  context.defer(() => shown.stop());
  shown.reckon(costs);
  let current = 0;
  let all = 0;
  const left = (tell: (place: number) => void, change: (index: number) => void) => (index: number) => {
    const place = places.get(index);
    if (place === undefined) return;
    tell(place);
    change(index);
    shown.reckon(costs);
  };
  const begin = (pieces: readonly Piece[]) => {
    all = workOf(pieces);
    shown.begin(places.get(current)!, costOf(pieces));
    shown.reckon(costs);
  };
  return {
    ...shown,
    skip: left(shown.skip, (index) => work.skip(index)),
    drop: left(shown.drop, (index) => work.drop(index)),
    begin(index) {
      current = index;
      begin(work.begin(index));
    },
    resume: (steps) => begin(work.resume(steps)),
    update: (progress) => shown.update({ ...progress, share: workOf(work.behind(progress.step)) / all }),
    pause() {
      shown.pause();
      work.pause();
      shown.reckon(costs);
    },
    end(status, outcome) {
      work.end();
      shown.end(status, outcome);
    },
  };
}
