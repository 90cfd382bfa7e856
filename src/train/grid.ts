/**
 * The freezing experiment: a grid of runs over freeze points and learning rates, all from the same weights, the same
 * split and the same seed. Each cell's result is a file; a grid that was interrupted goes on where it stopped.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { freezePoints, freezeThrough } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';
import { frostlineVersion } from '../version.ts';
import { DivergedError } from './diverged.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import { type FitSettings, type StepRecord, TrainingStep } from './fit.ts';
import { computeMetrics, confusionMatrix } from './metrics.ts';
import { createModel, describeFreeze, type Model, releaseModel, setMasks } from './model.ts';
import type { CellResult, FreezePoint, GridAdapter, GridResult } from './results.ts';
import { checkRunFolder, historyLines, parseRunFile, predictionsCsv, runFiles, type Settings } from './run-folder.ts';

export interface GridPlan {
  readonly title: string;
  /** 'none', 'all', numbers or names; in the order to run */
  readonly freeze: readonly (number | string)[];
  readonly learningRates: readonly number[];
  /** factor on the new layer's rate */
  readonly newLayerFactor: number;
  /** further rates of the new layer, tried with all other layers frozen */
  readonly allFrozenRates: readonly number[];
  readonly seeds: readonly number[];
  readonly fit: Omit<FitSettings, 'learningRate' | 'seed'>;
  readonly notes: { readonly model?: string; readonly dataset?: string };
}

export interface PlannedCell {
  /** where its files lie, below the grid's folder */
  readonly folder: string;
  readonly label: string;
  readonly freezeAt: number | string;
  readonly freeze: FreezePoint;
  readonly learningRate: number;
  readonly newLayerRate: number;
  readonly seed: number;
  /** proportional to the arithmetic of its steps */
  readonly cost: number;
}

export interface GridHooks {
  onPlan?(cells: readonly PlannedCell[]): void;
  onSkip?(index: number): void;
  onBegin?(index: number): void;
  onStep?(record: StepRecord, steps: number): void;
  onEnd?(index: number, result: CellResult): void;
  readonly signal?: AbortSignal;
}

/** Every freeze point: none, then each learnable layer but the last. */
export function allFreezePoints(network: Network): (number | string)[] {
  return [
    'none',
    ...freezePoints(network)
      .slice(0, -1)
      .map(({ number }) => number),
  ];
}

/** Multiply-adds of a training step for an image: forward, and above the frost line two products backward. */
export function trainingCost(network: Network, freeze: number | string): number {
  const frozen = freezeThrough(network, freeze);
  const shapes = inferShapes(network, 1);
  let cost = 0;
  let above = false;
  for (const node of network.nodes) {
    if (node.weight === undefined) continue;
    const weight = network.parameters.get(node.weight)!.shape.reduce((product, extent) => product * extent, 1);
    const places = (shapes.get(node.output) ?? []).slice(2).reduce((product, extent) => product * extent, 1);
    const products = 1 + (frozen.has(node.weight) ? 0 : 1) + (above ? 1 : 0);
    cost += products * weight * places;
    above ||= !frozen.has(node.weight);
  }
  return cost;
}

export function planCells(network: Network, plan: GridPlan): PlannedCell[] {
  const cell = (freezeAt: number | string, learningRate: number, seed: number): PlannedCell => {
    const freeze = describeFreeze(network, freezeAt);
    const where = freeze.number === null ? 'none' : `${freeze.number}-${freeze.name.replaceAll(/[^\w.-]/g, '_')}`;
    const label = freeze.number === null ? 'nothing frozen' : `frozen to ${freeze.number} ${freeze.name}`;
    return {
      folder: join('cells', `${where}_rate-${learningRate}_seed-${seed}`),
      label: `${label}, rate ${learningRate}${plan.seeds.length > 1 ? `, seed ${seed}` : ''}`,
      freezeAt,
      freeze,
      learningRate,
      newLayerRate: Number((learningRate * plan.newLayerFactor).toPrecision(12)),
      seed,
      cost: trainingCost(network, freezeAt),
    };
  };
  const cells = plan.seeds.flatMap((seed) => [
    ...plan.freeze.flatMap((freeze) => plan.learningRates.map((rate) => cell(freeze, rate, seed))),
    ...plan.allFrozenRates.map((rate) => cell('all', Number((rate / plan.newLayerFactor).toPrecision(12)), seed)),
  ]);
  return [...new Map(cells.map((planned) => [planned.folder, planned])).values()];
}

/**
 * Runs the grid into a folder. A cell whose loss is not finite is marked as failed, and the grid goes on.
 * @throws FrostlineError when the folder holds another configuration, or nothing can be tested
 */
export async function runGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  settings: Settings,
  folder: string,
  hooks: GridHooks = {},
): Promise<GridResult> {
  const { network, test } = experiment;
  if (test === undefined) throw new FrostlineError('A grid needs test images: give a share to train on below 1.');
  const cells = planCells(network, plan);
  let opened = await checkRunFolder(folder, settings, experiment);
  hooks.onPlan?.(cells);
  const startedAt = new Date().toISOString();
  const results = new Map<PlannedCell, CellResult>();
  for (const [index, cell] of cells.entries()) {
    const finished = await readFinished(folder, cell, adapterOf(gpu));
    if (finished === undefined) continue;
    results.set(cell, finished);
    hooks.onSkip?.(index);
  }

  const model = createModel(network);
  const evaluator = await Evaluator.compile(gpu, model, test, plan.fit.batchSize);
  let step: TrainingStep | undefined;
  let compiledFor: number | string | undefined;
  try {
    for (const [index, cell] of cells.entries()) {
      if (results.has(cell)) continue;
      hooks.signal?.throwIfAborted();
      hooks.onBegin?.(index);
      if (step === undefined || compiledFor !== cell.freezeAt) {
        step?.destroy();
        setMasks(model, { ...plan, freeze: cell.freezeAt, newParameters: experiment.newParameters });
        // What stands still from here on may have been trained by the cells before.
        for (const parameter of model.parameters.values()) parameter.reset(gpu);
        step = await TrainingStep.compile(gpu, model, experiment.train, plan.fit);
        compiledFor = cell.freezeAt;
      }
      // Not before the first cell is ready to run: what is wrong with the plan shows until then.
      if (!opened) await writeFilesAtomically(folder, runFiles(settings, experiment, gpu));
      opened = true;
      const result = await runCell(gpu, { experiment, plan, model, step, evaluator, cell, folder, hooks });
      results.set(cell, result);
      hooks.onEnd?.(index, result);
    }
  } finally {
    step?.destroy();
    evaluator.destroy();
    releaseModel(gpu, model);
  }
  const list = cells.map((cell) => results.get(cell)!);
  return {
    title: plan.title,
    startedAt,
    seconds: list.reduce((sum, { seconds }) => sum + seconds, 0),
    model: {
      ...experiment.source,
      parameters: [...network.parameters.values()].reduce(
        (sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1),
        0,
      ),
      note: plan.notes.model,
    },
    dataset: {
      name: experiment.dataset.name,
      classes: experiment.classes,
      train: experiment.train.labels.length,
      test: test.labels.length,
      counts: experiment.counts,
      note: plan.notes.dataset,
    },
    adapters: uniqueAdapters(list),
    settings,
    freezePoints: uniqueFreezePoints(cells),
    learningRates: plan.learningRates,
    cells: list,
    frostlineVersion,
  };
}

function uniqueFreezePoints(cells: readonly PlannedCell[]): FreezePoint[] {
  const points = new Map(cells.map(({ freeze }) => [freeze.number ?? 0, freeze]));
  return [...points.values()].sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
}

const adapterOf = ({ name, driver, kind }: Gpu): GridAdapter => ({ name, driver, kind });

function uniqueAdapters(cells: readonly CellResult[]): GridAdapter[] {
  return [...new Map(cells.map(({ adapter }) => [`${adapter.kind} ${adapter.name}`, adapter])).values()];
}

/** @param adapter for a cell that does not say what it ran on */
async function readFinished(folder: string, cell: PlannedCell, adapter: GridAdapter): Promise<CellResult | undefined> {
  const file = join(folder, cell.folder, 'result.json');
  if (!existsSync(file)) return undefined;
  const result = parseRunFile<CellResult | null>(file, await readFile(file, 'utf8'));
  if (typeof result?.learningRate !== 'number' || typeof result.status !== 'string') {
    throw new FrostlineError(`${file} is no result of a cell. Delete it, and the cell is run again.`);
  }
  return {
    ...result,
    adapter: result.adapter ?? adapter,
    lossHistory: result.lossHistory?.map((loss) => loss ?? Number.NaN),
  };
}

interface CellContext {
  readonly experiment: Experiment;
  readonly plan: GridPlan;
  readonly model: Model;
  readonly step: TrainingStep;
  readonly evaluator: Evaluator;
  readonly cell: PlannedCell;
  readonly folder: string;
  readonly hooks: GridHooks;
}

async function runCell(gpu: Gpu, context: CellContext): Promise<CellResult> {
  const { experiment, plan, model, step, evaluator, cell, folder, hooks } = context;
  const { freeze, learningRate, newLayerRate, seed } = cell;
  const began = performance.now();
  const records: StepRecord[] = [];
  const common = () => ({
    freeze,
    learningRate,
    newLayerRate,
    seed,
    adapter: adapterOf(gpu),
    seconds: (performance.now() - began) / 1000,
    steps: records.length,
    lossHistory: records.map(({ loss }) => loss),
  });
  startFrom(gpu, model, experiment.withSeed(seed));
  const files: Record<string, string> = {};
  let result: CellResult;
  try {
    await step.fit(
      { ...plan.fit, learningRate, seed },
      {
        signal: hooks.signal,
        onStep(record, steps) {
          records.push(record);
          hooks.onStep?.(record, steps);
        },
      },
    );
    const evaluation = await evaluator.run(hooks.signal);
    const confusion = confusionMatrix(experiment.test!.labels, evaluation.predictions, experiment.classes.length);
    const lastEpoch = records.filter(({ epoch }) => epoch === plan.fit.epochs - 1);
    result = {
      ...common(),
      status: 'done',
      metrics: computeMetrics(confusion),
      confusion,
      trainAccuracy: lastEpoch.reduce((sum, { accuracy }) => sum + accuracy, 0) / lastEpoch.length,
      finalLoss: records.at(-1)!.loss,
    };
    files['predictions.csv'] = predictionsCsv(experiment, evaluation);
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    result = { ...common(), status: 'failed', error: error.message };
  }
  files['history.jsonl'] = historyLines(records);
  files['result.json'] = `${JSON.stringify(result)}\n`;
  await writeFilesAtomically(join(folder, cell.folder), files);
  return result;
}

/** Sets all parameters to a network's values. */
export function startFrom(gpu: Gpu, model: Model, network: Network): void {
  for (const [name, parameter] of model.parameters) {
    parameter.reset(gpu, network.parameters.get(name)!.data as Float32Array<ArrayBuffer>);
  }
}
