/** A grid as it runs from the command line: on devices that may be lost, beside other processes, and until it is told to stop. */
import { FrostlineError } from '../../errors.ts';
import { acrossLosses, DeviceLostError } from '../../gpu/lost.ts';
import { keepPrinted, type Typed } from '../../report/printed-file.ts';
import { rehearsalText } from '../../report/rehearsal.ts';
import { StoppedError } from '../../train/checkpoint.ts';
import { runGrid } from '../../train/grid.ts';
import type { GridHooks } from '../../train/grid-hooks.ts';
import type { GridPlan } from '../../train/plan.ts';
import { rehearseGrid } from '../../train/rehearsal.ts';
import type { Context } from '../command.ts';
import { CellFollower, openTrackers } from '../tracking.ts';
import { followGrid } from './follow.ts';
import type { OpenedSweep } from './open.ts';
import { reportGrid } from './report.ts';
import type { SweepSettings } from './settings.ts';

/** Where a grid runs, and with whom; its cells do not hang on it. */
export interface SweepRun {
  readonly out: string;
  /** which cells this process runs, by their place among all; all unless given */
  readonly only?: GridHooks['only'];
  /** results of other processes are gathered, and must be there */
  readonly gathers?: boolean;
  /** a paper's rows, to be kept with the grid */
  readonly printed?: Typed;
  readonly tensorboard?: boolean;
  readonly mlflow?: string;
}

/** Runs the cells that are not finished yet and, where that completes the grid, writes its report. */
export async function runSweep(
  { gpu, reopen, experiment, plan }: OpenedSweep,
  settings: SweepSettings,
  run: SweepRun,
  context: Context,
): Promise<void> {
  const { out, only, gathers = false, printed } = run;
  const tracker = gathers ? undefined : await openTrackers(run, { out, title: plan.title }, context);
  const followed = followGrid(
    { experiment, plan },
    out,
    only,
    new CellFollower(tracker, { epochs: settings.epochs }),
    context,
  );
  const recorded = recordedOf(settings, plan);
  const ending = acrossLosses(
    gpu,
    reopen,
    async (device) => ({ device, result: await runGrid(device, experiment, plan, recorded, out, followed.hooks) }),
    ({ message }, losses) => {
      followed.stop();
      context.note(
        `${message.split('. ')[0]}. Finished cells are kept; going on with the device opened anew (${losses} of 3)`,
      );
    },
  );
  let ended: Awaited<typeof ending>;
  try {
    ended = await ending.finally(followed.stop);
  } catch (error) {
    if (error instanceof StoppedError)
      return context.stopped(`stopped ${error.message}; the same command goes on there`);
    if (!(error instanceof DeviceLostError)) throw error;
    throw new DeviceLostError(`${error.message}. Finished cells are kept in ${out}: the same command goes on there`);
  }
  const { device, result } = ended;
  if (printed !== undefined) await keepPrinted(out, printed);
  if (typeof result === 'number') return tellMissing(result, out, gathers, context);
  if (!gathers && followed.finished.before === result.cells.length) {
    context.note(`Every cell was finished before. To run them anew, delete ${out} or give another --out.`);
  }
  await reportGrid(device, experiment, plan, result, out, context);
}

/** @throws FrostlineError where the results were to be gathered */
function tellMissing(cells: number, out: string, gathers: boolean, context: Context): void {
  const missing = `${cells === 1 ? '1 cell' : `${cells} cells`} of ${out} ${cells === 1 ? 'has' : 'have'} no result yet`;
  if (gathers) throw new FrostlineError(`${missing}. Wait for the shards, or send the missing ones again.`);
  context.note(`${missing}: other shards run them, and the last one to end writes the report`);
  if (context.json) context.printJson({ missing: cells });
}

/** What the grid would take from here on; no cell is run. */
export async function rehearseSweep(
  { gpu, experiment, plan }: OpenedSweep,
  settings: SweepSettings,
  { out, only }: Pick<SweepRun, 'out' | 'only'>,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const rehearsal = await rehearseGrid(gpu, experiment, plan, recordedOf(settings, plan), out, { only, signal });
  if (context.json) context.printJson(rehearsal);
  else context.print(rehearsalText(rehearsal));
}

/** The settings as the grid's folder has them. */
const recordedOf = (settings: SweepSettings, { freeze }: Pick<GridPlan, 'freeze'>) => ({ ...settings, freeze });
