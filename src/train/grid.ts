/**
 * The freezing experiment: a grid of runs over splits, seeds, freeze points and learning rates, all from the same
 * weights; the points of one split and seed see the same images, new layer and order. Each cell's result is a file; a grid that was interrupted goes on where it stopped.
 */
import { checkArguments, OBJECT, PATH } from '../arguments.ts';
import { writeFilesIn } from '../files.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { EXPERIMENT, type Experiment } from './experiment.ts';
import { GridFolder } from './grid-folder.ts';
import type { GridHooks } from './grid-hooks.ts';
import { GridWorker } from './grid-worker.ts';
import { halve } from './halve.ts';
import { type Rung, rungEpochs } from './halving.ts';
import { headOf, pendingOf } from './head.ts';
import { judge } from './judge.ts';
import { KeptModels } from './kept-models.ts';
import { checkPlan, type GridPlan, type PlannedCell, planCells } from './plan.ts';
import { type CellResult, type GridAdapter, type GridResult, pointKey, pointName } from './results.ts';
import type { Settings } from './run-folder.ts';
import { Standing } from './standing.ts';

/**
 * Runs the grid into a folder. Any number of processes may share it: each claims a cell before it runs it, and all end
 * when every cell is finished. A cell whose loss is not finite is marked as failed, and the grid goes on.
 * @throws FrostlineError when the folder holds another configuration, or nothing can be tested
 */
export async function runGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  settings: Settings,
  folder: string,
  hooks?: GridHooks & { readonly only?: undefined },
): Promise<GridResult>;
/** @returns how many cells have no result yet, where other processes have not finished theirs */
export async function runGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  settings: Settings,
  folder: string,
  hooks?: GridHooks,
): Promise<GridResult | number>;
export async function runGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  settings: Settings,
  folder: string,
  hooks: GridHooks = {},
): Promise<GridResult | number> {
  checkArguments('runGrid', {
    gpu: [gpu, GPU],
    experiment: [experiment, EXPERIMENT],
    plan: [plan, OBJECT],
    settings: [settings, OBJECT],
    folder: [folder, PATH],
    hooks: [hooks, OBJECT],
  });
  const select = plan.select ?? 'test';
  checkPlan(plan, experiment);
  const cells = planCells(experiment.network, plan, experiment.divisions, experiment.newParameters);
  const home = new GridFolder(folder, settings, experiment, plan);
  await home.check();
  hooks.onPlan?.(cells);
  const standing = new Standing(folder, home.configuration, cells, hooks);
  await standing.lookForAll();
  const kept = new KeptModels(folder, plan.keep, select);
  const worker = new GridWorker(gpu, experiment, plan, home, standing, kept, hooks);
  const rungs: Rung[] = [];
  const planned = plan.budget === undefined ? [] : rungEpochs(plan.budget, plan.fit.epochs);
  try {
    for (const epochs of planned) {
      await worker.runAll(epochs);
      const rung = await halve(folder, standing, epochs, plan.fit.earlyStopping !== undefined, hooks);
      if (rung === undefined) break;
      rungs.push(rung);
    }
    if (rungs.length === planned.length) await worker.runAll();
    await home.stillOurs();
  } finally {
    worker.destroy();
  }
  // Other shards have gone on in the meantime. Each looks when its own last result is there: the last of all sees all.
  await standing.lookForAll();
  if (standing.missing > 0) return standing.missing;
  const { results: list, dropped } = standing;
  await kept.settle(list);
  const judged = await judge(folder, experiment, list, select);
  const leftOut = [...judged.leftOut, ...droppedPoints(dropped, list)];
  const { verdict, table } = judged;
  const files = { 'predictions.csv': table, ...(verdict && { 'verdict.json': json({ ...verdict, leftOut }) }) };
  await writeFilesIn(folder, files);
  return {
    ...headOf(experiment, plan, settings, cells),
    startedAt: home.startedAt,
    seconds: list.reduce((sum, { seconds }) => sum + seconds, 0),
    adapters: uniqueAdapters(list),
    verdict,
    leftOut,
    ...(rungs.length > 0 && { halving: { rungs, share: stepsShare(list, dropped, plan.fit.epochs) } }),
    ...(dropped.size > 0 && { dropped: [...dropped].map(([cell, epochs]) => ({ ...pendingOf(cell), epochs })) }),
    cells: list,
  };
}

/** Points of which no rate went on to the end. */
function droppedPoints(dropped: ReadonlyMap<PlannedCell, number>, list: readonly CellResult[]) {
  const last = new Map<string, { point: string; epochs: number }>();
  for (const [{ freeze }, epochs] of dropped) {
    const key = pointKey(freeze);
    if (list.some((cell) => pointKey(cell.freeze) === key)) continue;
    last.set(key, { point: pointName(freeze), epochs: Math.max(epochs, last.get(key)?.epochs ?? 0) });
  }
  return [...last.values()].map(({ point, epochs }) => ({
    point,
    why: `dropped after ${epochs} epochs, among the worse half on the validation part`,
  }));
}

/** Of the epochs of all cells; a cell that is not dropped counts whole. */
function stepsShare(list: readonly CellResult[], dropped: ReadonlyMap<PlannedCell, number>, epochs: number): number {
  const spent = [...dropped.values()].reduce((sum, own) => sum + own, 0) + list.length * epochs;
  return spent / ((list.length + dropped.size) * epochs);
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function uniqueAdapters(cells: readonly CellResult[]): GridAdapter[] {
  return [...new Map(cells.map(({ adapter }) => [`${adapter.kind} ${adapter.name}`, adapter])).values()];
}
