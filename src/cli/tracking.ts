/** --tensorboard and --mlflow: where runs are followed beside frostline's own files. */
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Scalars, Tracker } from '../tracking/tracker.ts';
import type { StepRecord } from '../train/fit.ts';
import type { PlannedCell } from '../train/plan.ts';
import { type CellResult, pointName } from '../train/results.ts';
import type { Context } from './command.ts';

export const trackingOptions = {
  tensorboard: z
    .boolean()
    .default(false)
    .describe('also write event files for TensorBoard, below tensorboard in the folder of --out'),
  mlflow: z
    .string()
    .optional()
    .meta({ valueName: 'URL' })
    .describe('also send parameters and metrics to this MLflow server; its experiment is the title'),
};

/**
 * Closed when the command ends, however it does.
 * @returns nothing where none was asked for
 */
export async function openTrackers(
  { tensorboard, mlflow }: { tensorboard?: boolean; mlflow?: string },
  { out, title }: { readonly out: string; readonly title: string },
  context: Pick<Context, 'note' | 'defer'>,
): Promise<Tracker | undefined> {
  if (!tensorboard && mlflow === undefined) return undefined;
  const [{ together }, { TensorBoard }, { Mlflow }] = await Promise.all([
    import('../tracking/tracker.ts'),
    import('../tracking/tensorboard.ts'),
    import('../tracking/mlflow.ts'),
  ]);
  const tracker = together([
    ...(tensorboard ? [new TensorBoard(join(out, 'tensorboard'))] : []),
    ...(mlflow === undefined ? [] : [await Mlflow.open({ url: mlflow, experiment: title, onLoss: context.note })]),
  ]);
  context.defer(() => tracker.close());
  return tracker;
}

export const stepScalars = ({ loss, accuracy, learningRate, imagesPerSecond }: StepRecord): Scalars => ({
  'training/loss': loss,
  'training/accuracy': accuracy,
  'training/rate': learningRate,
  'training/images_per_second': imagesPerSecond,
});

/** At the last step of each epoch the validation part's scores, at the last of all the test part's. */
export function trackResult(
  tracker: Tracker,
  result: Pick<CellResult, 'epochs' | 'metrics' | 'detail' | 'steps'>,
): void {
  const { epochs = [], metrics, detail, steps } = result;
  for (const { epoch, validationLoss, accuracy, f1 } of epochs) {
    tracker.scalars(Math.round((steps * (epoch + 1)) / epochs.length) - 1, {
      'validation/loss': validationLoss,
      'validation/accuracy': accuracy,
      'validation/f1': f1,
    });
  }
  if (metrics === undefined) return;
  tracker.scalars(Math.max(0, steps - 1), {
    'test/accuracy': metrics.accuracy,
    'test/f1': metrics.f1,
    'test/macro_precision': metrics.macroPrecision,
    'test/macro_recall': metrics.macroRecall,
    ...(detail && { 'test/auc': detail.auc.value, 'test/calibration_error': detail.calibrationError.value }),
  });
}

/** Tells a tracker of a grid's cells as they run: a run a cell, under the cell's folder name. */
export class CellFollower {
  private readonly tracker: Tracker | undefined;
  private readonly common: Readonly<Record<string, string | number>>;
  private cells: readonly PlannedCell[] = [];
  private cell: PlannedCell | undefined;
  private resumedAt: number | undefined;
  private begun = false;

  /** @param common what all cells share */
  constructor(tracker: Tracker | undefined, common: Readonly<Record<string, string | number>>) {
    this.tracker = tracker;
    this.common = common;
  }

  plan(cells: readonly PlannedCell[]): void {
    this.cells = cells;
  }

  begin(index: number): void {
    this.cell = this.cells[index];
    this.resumedAt = undefined;
    this.begun = false;
  }

  resume(steps: number): void {
    this.resumedAt = steps;
  }

  step(record: StepRecord): void {
    this.tell();
    this.tracker?.scalars(record.step, stepScalars(record));
  }

  end(result: CellResult): void {
    if (this.tracker === undefined) return;
    this.tell();
    trackResult(this.tracker, result);
    this.tracker.end(result.status);
  }

  /** The run begins with its first step: by then it is known where the cell goes on from. */
  private tell(): void {
    if (this.begun || this.cell === undefined) return;
    this.begun = true;
    const { folder, freeze, learningRate, newLayerRate, momentum, division, seed } = this.cell;
    const own = { freeze: pointName(freeze), learningRate, newLayerRate, momentum, split: division + 1, seed };
    this.tracker?.begin({ name: basename(folder), parameters: { ...own, ...this.common }, resumedAt: this.resumedAt });
  }
}
