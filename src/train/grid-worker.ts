/**
 * What one process does of a grid: it claims a cell that nobody runs, and runs it, cell after cell; what others run it
 * waits for.
 */
import { makeFolderIn } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { sleep } from '../host.ts';
import { writeModelFile } from '../onnx/write.ts';
import { runCell } from './cell.ts';
import { StoppedError } from './checkpoint.ts';
import { Claim } from './claims.ts';
import { Divisions } from './division.ts';
import type { Experiment } from './experiment.ts';
import type { GridFolder } from './grid-folder.ts';
import type { GridHooks } from './grid-hooks.ts';
import type { KeptModels } from './kept-models.ts';
import { createModel, exportModel, type Model, releaseModel } from './model.ts';
import type { GridPlan } from './plan.ts';
import type { Standing } from './standing.ts';

/** ms between two looks for the cells that other processes run. */
const POLL = 1000;

export class GridWorker {
  private readonly gpu: Gpu;
  private readonly plan: GridPlan;
  private readonly folder: GridFolder;
  private readonly standing: Standing;
  private readonly kept: KeptModels;
  private readonly hooks: GridHooks;
  private readonly model: Model;
  private readonly divisions: Divisions;

  constructor(
    gpu: Gpu,
    experiment: Experiment,
    plan: GridPlan,
    folder: GridFolder,
    standing: Standing,
    kept: KeptModels,
    hooks: GridHooks,
  ) {
    this.gpu = gpu;
    this.plan = plan;
    this.folder = folder;
    this.standing = standing;
    this.kept = kept;
    this.hooks = hooks;
    this.model = createModel(experiment.network);
    this.divisions = new Divisions(gpu, this.model, experiment, plan, standing.cells.length);
  }

  /** Runs all own cells up to a rung, or to their end. */
  async runAll(until?: number): Promise<void> {
    const { standing, hooks } = this;
    while (true) {
      for (const index of standing.cells.keys()) {
        if (!this.isOwn(index) || (await standing.isOver(index, until))) continue;
        hooks.signal?.throwIfAborted();
        if (hooks.stop?.aborted) throw new StoppedError('between two cells');
        await this.runIfFree(index, until);
      }
      let elsewhere = 0;
      for (const index of standing.cells.keys()) {
        if (this.isOwn(index) && !(await standing.isOver(index, until))) elsewhere++;
      }
      if (elsewhere === 0) return;
      hooks.onWait?.(elsewhere);
      await pause(hooks);
    }
  }

  destroy(): void {
    this.divisions.destroy();
    releaseModel(this.gpu, this.model);
  }

  private isOwn(index: number): boolean {
    return this.hooks.only?.(index) !== false;
  }

  /** Runs a cell, unless another process does. */
  private async runIfFree(index: number, until: number | undefined): Promise<void> {
    const { gpu, folder } = this;
    const cell = this.standing.cells[index];
    if (!folder.isOpen) {
      // Not before the first cell is ready to run: what is wrong with the plan shows until then.
      await this.divisions.prepare(cell);
      await folder.open(gpu, this.standing.cells);
    }
    await folder.stillOurs();
    const claim = await Claim.take(await makeFolderIn(folder.path, cell.folder));
    if (claim === undefined) return;
    try {
      await this.runClaimed(index, claim, until);
    } finally {
      await claim.release();
    }
  }

  private async runClaimed(index: number, claim: Claim, until: number | undefined): Promise<void> {
    const { gpu, plan, model, folder, standing, hooks } = this;
    const cell = standing.cells[index];
    // Another process may have finished it between the look for its result and the claim.
    if (await standing.isOver(index, until)) return;
    hooks.onBegin?.(index);
    const prepared = await this.divisions.prepare(cell);
    const result = await runCell(gpu, { ...prepared, plan, model, cell, index, folder, hooks, claim, until });
    if (result === undefined) return;
    standing.finish(cell, result);
    await this.kept.add(result, standing.results, async (file) => writeModelFile(file, await exportModel(gpu, model)));
    await claim.settle();
    hooks.onEnd?.(index, result);
  }
}

/** Waits before the next look for the cells that other processes run. */
async function pause({ signal, stop }: GridHooks): Promise<void> {
  const ends = [signal, stop].filter((one) => one !== undefined);
  await sleep(POLL, undefined, { signal: AbortSignal.any(ends) }).catch((error) => {
    if (signal?.aborted || !stop?.aborted) throw error;
    throw new StoppedError('while other processes run what is left');
  });
}
