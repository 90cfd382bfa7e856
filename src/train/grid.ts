/**
 * The freezing experiment: a grid of runs over splits, seeds, freeze points and learning rates, all from the same
 * weights; the points of one split and seed see the same images, new layer and order. Each cell's result is a file; a grid that was interrupted goes on where it stopped.
 */

import { checkArguments, OBJECT, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { makeFolderIn, writeFilesIn } from '../files.ts';
import { GPU, type Gpu } from '../gpu/device.ts';
import { join, rm, sleep } from '../host.ts';
import { writeModelFile } from '../onnx/write.ts';
import { readTextIfThere } from '../read-files.ts';
import { type OpenedDivision, openDivision, runCell } from './cell.ts';
import { removeCheckpoint, StoppedError } from './checkpoint.ts';
import { Claim, clearClaims } from './claims.ts';
import { EXPERIMENT, type Experiment } from './experiment.ts';
import type { StepRecord } from './fit.ts';
import { armKey, judgeRung, type Rung, rungEpochs, scoreAfter } from './halving.ts';
import { headOf, pendingOf, planFile } from './head.ts';
import { judge } from './judge.ts';
import { createModel, exportModel, releaseModel } from './model.ts';
import { PhaseSteps } from './phases.ts';
import { checkPlan, type GridPlan, type PlannedCell, planCells } from './plan.ts';
import { cellResult, withScores } from './result-schema.ts';
import { type CellResult, type GridAdapter, type GridResult, pointKey, pointName } from './results.ts';
import {
  checkRunFolder,
  configurationHash,
  openRunFolder,
  parseRunFile,
  runFiles,
  type Settings,
  stillOurs,
  tellOtherMachine,
} from './run-folder.ts';
import { readRung } from './rung-file.ts';
import { bestCell } from './select.ts';

/** What `runGrid` tells while it works. */
export interface GridHooks {
  onPlan?(cells: readonly PlannedCell[]): void;
  onSkip?(index: number): void;
  /** All that is left runs in other processes; called again and again until it is finished. */
  onWait?(cells: number): void;
  onBegin?(index: number): void;
  onStep?(record: StepRecord, steps: number): void;
  /** It waits at a rung, and goes on later or is dropped. */
  onPause?(index: number): void;
  onDrop?(index: number): void;
  onEnd?(index: number, result: CellResult): void;
  /** A cell goes on from a checkpoint, this many steps in. */
  onResume?(index: number, steps: number): void;
  /** ends at once */
  readonly signal?: AbortSignal;
  /** ends at the next checkpoint or cell, with a StoppedError */
  readonly stop?: AbortSignal;
  /** which cells to run; the others are left to other processes. All, unless given */
  readonly only?: (index: number) => boolean;
}

/** Settings of which a grid may get more, or that do not touch its cells: those that are finished hold. */
export const GROWS = [
  'data',
  'freeze',
  'tuneOnly',
  'strategy',
  'learningRates',
  'allFrozenRates',
  'repeats',
  'splits',
  'select',
  'keep',
  'logits',
  'budget',
  'title',
  'preset',
] as const;

/** ms between two looks for the cells that other processes run. */
const POLL = 1000;

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
  const { network } = experiment;
  const select = plan.select ?? 'test';
  checkPlan(plan, experiment);
  const cells = planCells(network, plan, experiment.divisions, experiment.newParameters);
  await checkRunFolder(folder, settings, experiment, GROWS);
  hooks.onPlan?.(cells);
  const startedAt = new Date().toISOString();
  const results = new Map<PlannedCell, CellResult>();
  const configuration = configurationHash(settings, experiment, GROWS);
  /** Whether a cell's result is there: from before, or another process's. */
  const isFinished = async (index: number) => {
    const finished = await readFinished(folder, cells[index], configuration);
    if (finished === undefined) return false;
    results.set(cells[index], finished);
    hooks.onSkip?.(index);
    return true;
  };
  for (const index of cells.keys()) await isFinished(index);
  const isOwn = (index: number) => hooks.only?.(index) !== false;
  const dropped = new Map<PlannedCell, number>();
  const isOver = async (index: number, until: number | undefined) =>
    results.has(cells[index]) ||
    dropped.has(cells[index]) ||
    (await isFinished(index)) ||
    (until !== undefined && (await readRung(join(folder, cells[index].folder), until, configuration)) !== undefined);

  const model = createModel(network);
  let at: (OpenedDivision & { readonly steps: PhaseSteps }) | undefined;
  let opened = false;
  const masks = { newParameters: experiment.newParameters, newLayerFactor: plan.newLayerFactor };
  // Cells of one split and seed see the same images, and begin with the same weights.
  const shared = cells.length > experiment.divisions * plan.seeds.length;
  /** Makes the network ready for a cell's split and first phase. */
  const prepare = async (cell: PlannedCell) => {
    if (at?.division !== cell.division) {
      at?.steps.destroy();
      at?.destroy();
      const division = await openDivision(gpu, model, experiment.at(cell.division), cell.division, plan);
      at = { ...division, steps: new PhaseSteps(gpu, model, division.experiment.train, masks, plan.fit, { shared }) };
    }
    await at.steps.first(cell.phases[0]);
    return { at, steps: at.steps };
  };
  const runClaimed = async (index: number, claim: Claim, until: number | undefined) => {
    const cell = cells[index];
    // Another process may have finished it between the look for its result and the claim.
    if (await isOver(index, until)) return;
    hooks.onBegin?.(index);
    const result = await runCell(gpu, {
      ...(await prepare(cell)),
      plan,
      model,
      cell,
      index,
      key: JSON.stringify([configuration, cell.folder, bitsOf(gpu)]),
      folder,
      hooks,
      configuration,
      claim,
      until,
    });
    if (result === undefined) return;
    const before = [...results.values()];
    results.set(cell, result);
    if (result.status === 'done' && plan.keep !== undefined) {
      const best = bestCell([...before, result], select);
      if (plan.keep === 'all' || best === result) {
        await writeModelFile(join(folder, cell.folder, 'model.onnx'), await exportModel(gpu, model));
      }
      if (plan.keep === 'best' && best === result) {
        for (const { folder: other } of before) await rm(join(folder, other!, 'model.onnx'), { force: true });
      }
    }
    await claim.settle();
    hooks.onEnd?.(index, result);
  };
  /** Runs all own cells up to a rung, or to their end. */
  const runAll = async (until?: number) => {
    while (true) {
      for (const [index, cell] of cells.entries()) {
        if (!isOwn(index) || (await isOver(index, until))) continue;
        hooks.signal?.throwIfAborted();
        if (hooks.stop?.aborted) throw new StoppedError('between two cells');
        // Not before the first cell is ready to run: what is wrong with the plan shows until then.
        if (!opened) {
          await prepare(cell);
          const written = { grows: GROWS, protocol: plan.protocol };
          const files = {
            ...runFiles(settings, experiment, gpu, written),
            'plan.json': planFile(headOf(experiment, plan, settings, cells), startedAt, cells, configuration),
          };
          await tellOtherMachine(folder, gpu);
          await openRunFolder(folder, files, () => checkRunFolder(folder, settings, experiment, GROWS));
          opened = true;
        }
        await stillOurs(folder, configuration);
        const claim = await Claim.take(await makeFolderIn(folder, cell.folder));
        if (claim === undefined) continue;
        try {
          await runClaimed(index, claim, until);
        } finally {
          await claim.release();
        }
      }
      let elsewhere = 0;
      for (const index of cells.keys()) if (isOwn(index) && !(await isOver(index, until))) elsewhere++;
      if (elsewhere === 0) return;
      hooks.onWait?.(elsewhere);
      await pause(hooks);
    }
  };
  const rungs: Rung[] = [];
  /** Drops the worse half. @returns whether all had come so far */
  const halve = async (epochs: number) => {
    const alive = cells.filter((cell) => !dropped.has(cell));
    const runs: Parameters<typeof judgeRung>[1][number][] = [];
    for (const cell of alive) {
      const own = results.get(cell)?.epochs ?? (await readRung(join(folder, cell.folder), epochs, configuration));
      if (own === undefined && !results.has(cell)) return false;
      const earlyStopping = plan.fit.earlyStopping !== undefined;
      runs.push({ arm: cell, score: scoreAfter(own, epochs, earlyStopping) });
    }
    const rung = judgeRung(epochs, runs);
    rungs.push(rung);
    const kept = new Set(rung.arms.filter((arm) => arm.kept).map(armKey));
    for (const [index, cell] of cells.entries()) {
      if (!alive.includes(cell) || kept.has(armKey(cell)) || results.has(cell)) continue;
      dropped.set(cell, epochs);
      hooks.onDrop?.(index);
      await clearClaims(join(folder, cell.folder));
      await removeCheckpoint(join(folder, cell.folder));
    }
    return true;
  };
  const planned = plan.budget === undefined ? [] : rungEpochs(plan.budget, plan.fit.epochs);
  try {
    let together = true;
    for (const until of planned) {
      await runAll(until);
      together = await halve(until);
      if (!together) break;
    }
    if (together) await runAll();
    if (opened) await stillOurs(folder, configuration);
  } finally {
    at?.steps.destroy();
    at?.destroy();
    releaseModel(gpu, model);
  }
  // Other shards have gone on in the meantime. Each looks when its own last result is there: the last of all sees all.
  for (const index of cells.keys()) if (!results.has(cells[index])) await isFinished(index);
  const missing = cells.filter((cell) => !results.has(cell) && !dropped.has(cell)).length;
  if (missing > 0) return missing;
  const list = cells.flatMap((cell) => results.get(cell) ?? []);
  // Each process has kept the best that it knew of.
  const best = bestCell(list, select);
  if (plan.keep === 'best') {
    for (const other of list) if (other !== best) await rm(join(folder, other.folder!, 'model.onnx'), { force: true });
  }
  const judged = await judge(folder, experiment, list, select);
  const leftOut = [...judged.leftOut, ...droppedPoints(dropped, list)];
  const { verdict, table } = judged;
  const files = { 'predictions.csv': table, ...(verdict && { 'verdict.json': json({ ...verdict, leftOut }) }) };
  await writeFilesIn(folder, files);
  return {
    ...headOf(experiment, plan, settings, cells),
    startedAt,
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

/** Waits before the next look for the cells that other processes run. */
async function pause({ signal, stop }: GridHooks): Promise<void> {
  const ends = [signal, stop].filter((one) => one !== undefined);
  await sleep(POLL, undefined, { signal: AbortSignal.any(ends) }).catch((error) => {
    if (signal?.aborted || !stop?.aborted) throw error;
    throw new StoppedError('while other processes run what is left');
  });
}

/** What may round differently: a checkpoint is gone on with where it was made alone. */
const bitsOf = ({ name, driver, kind, machine, tuning, algorithms, precision, subgroupMatrices }: Gpu) => [
  ...[name, driver, kind, tuning?.hash ?? null],
  ...(machine === undefined ? [] : [machine]),
  [...algorithms],
  ...(precision === 'f32' ? [] : [precision, subgroupMatrices]),
];

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function uniqueAdapters(cells: readonly CellResult[]): GridAdapter[] {
  return [...new Map(cells.map(({ adapter }) => [`${adapter.kind} ${adapter.name}`, adapter])).values()];
}

/**
 * The result of a cell, where it is there.
 * @throws FrostlineError where it is damaged, or was made by another configuration
 */
async function readFinished(folder: string, cell: PlannedCell, configuration: string): Promise<CellResult | undefined> {
  const file = join(folder, cell.folder, 'result.json');
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const parsed = cellResult.safeParse(parseRunFile(file, text));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    const where = path.length > 0 ? `${path.join('.')}: ` : '';
    throw new FrostlineError(
      `${file} is no result of a cell (${where}${message}). Delete it, and the cell is run again.`,
    );
  }
  if (parsed.data.configuration !== configuration) {
    throw new FrostlineError(
      `${file} was made by another configuration than the one asked for. Give another --out, or delete ` +
        `${join(folder, cell.folder)}, and the cell is run again.`,
    );
  }
  await clearClaims(join(folder, cell.folder));
  // Left by a process that was killed between the result and this.
  await removeCheckpoint(join(folder, cell.folder));
  return { ...withScores(parsed.data), folder: cell.folder };
}
