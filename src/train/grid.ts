/**
 * The freezing experiment: a grid of runs over splits, seeds, freeze points and learning rates, all from the same
 * weights; the points of one split and seed see the same images, new layer and order. Each cell's result is a file; a grid that was interrupted goes on where it stopped.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { FrostlineError } from '../errors.ts';
import { makeFolderIn, writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { freezePoints, freezeThrough } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';
import { writeModelFile } from '../onnx/write.ts';
import { frostlineVersion } from '../version.ts';
import { readCheckpoint, removeCheckpoint, StoppedError, saveCheckpoint } from './checkpoint.ts';
import { Claim, clearClaims } from './claims.ts';
import type { TrainingData } from './data.ts';
import { checkPositive, detailOf } from './detail.ts';
import { DivergedError } from './diverged.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import { type FitSettings, type StepRecord, TrainingStep } from './fit.ts';
import { judge } from './judge.ts';
import { computeMetrics, confusionMatrix } from './metrics.ts';
import { createModel, describeFreeze, exportModel, type Model, releaseModel, setMasks } from './model.ts';
import type { Protocol } from './protocol.ts';
import { cellResult, withScores } from './result-schema.ts';
import type { CellResult, FreezePoint, GridAdapter, GridResult } from './results.ts';
import {
  checkRunFolder,
  configurationHash,
  historyLines,
  openRunFolder,
  parseRunFile,
  predictionsCsv,
  runFiles,
  type Settings,
  stillOurs,
} from './run-folder.ts';
import { bestCell, type Select } from './select.ts';

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
  /** where rates and the best cell are chosen; 'test' unless given, as the paper did */
  readonly select?: Select;
  /** the class that is looked for, and the share of it that is to be found */
  readonly positive?: string;
  readonly sensitivity?: number;
  /** trained networks to keep: that of the best cell so far, or every cell's, as model.onnx in the cell's folder */
  readonly keep?: 'best' | 'all';
  readonly protocol?: Protocol;
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
  /** from 0 */
  readonly division: number;
  readonly seed: number;
  /** proportional to the arithmetic of its steps */
  readonly cost: number;
}

export interface GridHooks {
  onPlan?(cells: readonly PlannedCell[]): void;
  onSkip?(index: number): void;
  /** All that is left runs in other processes; called again and again until it is finished. */
  onWait?(cells: number): void;
  onBegin?(index: number): void;
  onStep?(record: StepRecord, steps: number): void;
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
    const name = node.parameters['weight'];
    if (name === undefined) continue;
    const weight = network.parameters.get(name)!.shape.reduce((product, extent) => product * extent, 1);
    const places = (shapes.get(node.outputs[0]) ?? []).slice(2).reduce((product, extent) => product * extent, 1);
    const products = 1 + (frozen.has(name) ? 0 : 1) + (above ? 1 : 0);
    cost += products * weight * places;
    above ||= !frozen.has(name);
  }
  return cost;
}

/** @param divisions how many splits or folds; every one has all seeds */
export function planCells(network: Network, plan: GridPlan, divisions = 1): PlannedCell[] {
  const cell = (freezeAt: number | string, rate: number, division: number, seed: number): PlannedCell => {
    const learningRate = Number(rate.toPrecision(12));
    const freeze = describeFreeze(network, freezeAt);
    const where = freeze.number === null ? 'none' : `${freeze.number}-${freeze.name.replaceAll(/[^\w.-]/g, '_')}`;
    const label = freeze.number === null ? 'nothing frozen' : `frozen to ${freeze.number} ${freeze.name}`;
    const split = divisions > 1 ? `, split ${division + 1}` : '';
    return {
      folder: `cells/${where}_rate-${decimal(learningRate)}_split-${division + 1}_seed-${seed}`,
      label: `${label}, rate ${learningRate}${split}${plan.seeds.length > 1 ? `, seed ${seed}` : ''}`,
      freezeAt,
      freeze,
      learningRate,
      newLayerRate: Number((learningRate * plan.newLayerFactor).toPrecision(12)),
      division,
      seed,
      cost: trainingCost(network, freezeAt),
    };
  };
  const cells = Array.from({ length: divisions }, (_, division) => division).flatMap((division) =>
    plan.seeds.flatMap((seed) => [
      ...plan.freeze.flatMap((freeze) => plan.learningRates.map((rate) => cell(freeze, rate, division, seed))),
      ...plan.allFrozenRates.map((rate) => cell('all', rate / plan.newLayerFactor, division, seed)),
    ]),
  );
  // A step is compiled for a split and a freeze point: what shares it runs together.
  const order = new Map(cells.map(({ freeze }) => freeze.number).map((number, i) => [number, i]));
  return [...new Map(cells.map((planned) => [planned.folder, planned])).values()].sort(
    (a, b) => a.division - b.division || order.get(a.freeze.number)! - order.get(b.freeze.number)!,
  );
}

/** Without an exponent, in which languages differ: 0.000025. */
const decimal = (value: number) => (value < 1e-6 ? value.toFixed(12).replace(/0+$/, '') : String(value));

/** Settings of which a grid may get more, or that do not touch its cells: those that are finished hold. */
export const GROWS = [
  'data',
  'freeze',
  'learningRates',
  'allFrozenRates',
  'repeats',
  'splits',
  'select',
  'keep',
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
  const { network } = experiment;
  const select = plan.select ?? 'test';
  checkPlan(plan, experiment);
  const cells = planCells(network, plan, experiment.divisions);
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

  const model = createModel(network);
  let step: TrainingStep | undefined;
  let compiledFor: PlannedCell | undefined;
  let at: OpenedDivision | undefined;
  let opened = false;
  /** Makes the network ready for a cell's split and freeze point. */
  const prepare = async (cell: PlannedCell) => {
    if (at?.division !== cell.division) {
      at?.destroy();
      at = await openDivision(gpu, model, experiment.at(cell.division), cell.division, plan.fit.batchSize);
    }
    if (step === undefined || compiledFor!.freezeAt !== cell.freezeAt || compiledFor!.division !== cell.division) {
      step?.destroy();
      setMasks(model, { ...plan, freeze: cell.freezeAt, newParameters: experiment.newParameters });
      // What stands still from here on may have been trained by the cells before.
      for (const parameter of model.parameters.values()) parameter.reset(gpu);
      step = await TrainingStep.compile(gpu, model, at.experiment.train, plan.fit);
      compiledFor = cell;
    }
    return { at, step };
  };
  const runClaimed = async (index: number, claim: Claim) => {
    const cell = cells[index];
    // Another process may have finished it between the look for its result and the claim.
    if (await isFinished(index)) return;
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
  try {
    while (true) {
      for (const [index, cell] of cells.entries()) {
        if (!isOwn(index) || results.has(cell) || (await isFinished(index))) continue;
        hooks.signal?.throwIfAborted();
        if (hooks.stop?.aborted) throw new StoppedError('between two cells');
        // Not before the first cell is ready to run: what is wrong with the plan shows until then.
        if (!opened) {
          await prepare(cell);
          const written = { grows: GROWS, protocol: plan.protocol };
          await openRunFolder(folder, runFiles(settings, experiment, gpu, written), () =>
            checkRunFolder(folder, settings, experiment, GROWS),
          );
          opened = true;
        }
        await stillOurs(folder, configuration);
        const claim = await Claim.take(await makeFolderIn(folder, cell.folder));
        if (claim === undefined) continue;
        try {
          await runClaimed(index, claim);
        } finally {
          await claim.release();
        }
      }
      const elsewhere = cells.filter((cell, index) => isOwn(index) && !results.has(cell)).length;
      if (elsewhere === 0) break;
      hooks.onWait?.(elsewhere);
      await pause(hooks);
    }
    if (opened) await stillOurs(folder, configuration);
  } finally {
    step?.destroy();
    at?.destroy();
    releaseModel(gpu, model);
  }
  // Other shards have gone on in the meantime. Each looks when its own last result is there: the last of all sees all.
  for (const [index, cell] of cells.entries()) if (!results.has(cell)) await isFinished(index);
  if (results.size < cells.length) return cells.length - results.size;
  const list = cells.map((cell) => results.get(cell)!);
  // Each process has kept the best that it knew of.
  const best = bestCell(list, select);
  if (plan.keep === 'best') {
    for (const other of list) if (other !== best) await rm(join(folder, other.folder!, 'model.onnx'), { force: true });
  }
  const { verdict, leftOut, table } = await judge(folder, experiment, list, select);
  const files = { 'predictions.csv': table, ...(verdict && { 'verdict.json': json({ ...verdict, leftOut }) }) };
  await writeFilesAtomically(folder, files);
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
      test: experiment.test!.labels.length,
      counts: experiment.counts,
      note: plan.notes.dataset,
    },
    adapters: uniqueAdapters(list),
    settings,
    protocol: plan.protocol,
    select,
    verdict,
    leftOut,
    freezePoints: uniqueFreezePoints(cells),
    learningRates: plan.learningRates,
    cells: list,
    frostlineVersion,
  };
}

/** Waits before the next look for the cells that other processes run. */
async function pause({ signal, stop }: GridHooks): Promise<void> {
  const ends = [signal, stop].filter((one) => one !== undefined);
  await setTimeout(POLL, undefined, { signal: AbortSignal.any(ends) }).catch((error) => {
    if (signal?.aborted || !stop?.aborted) throw error;
    throw new StoppedError('while other processes run what is left');
  });
}

/** What may round differently: a checkpoint is gone on with where it was made alone. */
const bitsOf = ({ name, driver, kind, tuning, algorithms }: Gpu) => [
  ...[name, driver, kind, tuning?.hash ?? null],
  [...algorithms],
];

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

export interface Rehearsal {
  readonly cells: readonly PlannedCell[];
  /** steps of each cell */
  readonly steps: number;
  /** multiply-adds of all steps of all cells */
  readonly work: number;
  /** by cell: training and testing; without compilation and decoding */
  readonly seconds: readonly number[];
}

/**
 * Times a few steps of the cheapest and of the costliest cell, and the test part, and reckons the others between them.
 * Writes nothing.
 * @throws FrostlineError as `runGrid` for a plan that cannot be run
 */
export async function rehearseGrid(
  gpu: Gpu,
  experiment: Experiment,
  plan: GridPlan,
  signal?: AbortSignal,
): Promise<Rehearsal> {
  checkPlan(plan, experiment);
  const cells = planCells(experiment.network, plan, experiment.divisions);
  const byCost = [...cells].sort((a, b) => a.cost - b.cost);
  const model = createModel(experiment.network);
  let at: OpenedDivision | undefined;
  try {
    const first = experiment.at(0);
    at = await openDivision(gpu, model, first, 0, plan.fit.batchSize);
    const time = async (cell: PlannedCell) => {
      setMasks(model, { ...plan, freeze: cell.freezeAt, newParameters: experiment.newParameters });
      const step = await TrainingStep.compile(gpu, model, first.train, plan.fit);
      try {
        return { cost: cell.cost, steps: step.stepsAnEpoch() * plan.fit.epochs, seconds: await timeSteps(step, cell) };
      } finally {
        step.destroy();
      }
    };
    const timeSteps = async (step: TrainingStep, cell: PlannedCell): Promise<number> => {
      const landed: number[] = [];
      const enough = new AbortController();
      const settings = { ...plan.fit, learningRate: 0, seed: cell.seed, epochs: 1 };
      const hooks = {
        signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
        onStep() {
          landed.push(performance.now());
          if (landed.length > STEPS_TIMED) enough.abort();
        },
      };
      // An epoch too short to leave its first step out is timed again, warm.
      for (let i = 0; i < 2 && landed.length <= STEPS_TIMED; i++) {
        landed.length = 0;
        landed.push(performance.now());
        await step.fit(settings, hooks).catch((error) => {
          if (!enough.signal.aborted) throw error;
        });
      }
      return (landed.at(-1)! - landed[0]) / 1000 / (landed.length - 1);
    };
    const low = await time(byCost[0]);
    const high = byCost.at(-1)!.cost === low.cost ? low : await time(byCost.at(-1)!);
    const began = performance.now();
    await at.test.run(signal);
    await at.validation?.run(signal);
    const testing = (performance.now() - began) / 1000;
    const slope = high.cost === low.cost ? 0 : (high.seconds - low.seconds) / (high.cost - low.cost);
    return {
      cells,
      steps: low.steps,
      work: cells.reduce((sum, { cost }) => sum + cost * plan.fit.batchSize * low.steps, 0),
      seconds: cells.map(({ cost }) => low.steps * (low.seconds + slope * (cost - low.cost)) + testing),
    };
  } finally {
    at?.destroy();
    releaseModel(gpu, model);
  }
}

/** after the first ones, in which pipelines are made */
const STEPS_TIMED = 5;

function checkPlan(plan: GridPlan, experiment: Experiment): void {
  if (experiment.test === undefined) {
    throw new FrostlineError('A grid needs test images: give a share to train on below 1.');
  }
  refuseBlindChoice(plan, experiment);
  checkPositive(plan.positive, experiment.classes);
}

/** Several rates, nothing to choose between them on, and no word that the test part may be used for it. */
function refuseBlindChoice({ select, learningRates, allFrozenRates }: GridPlan, { validation }: Experiment): void {
  if (select !== 'validation' || validation !== undefined || learningRates.length + allFrozenRates.length < 2) return;
  throw new FrostlineError(
    'There are several rates and no validation part to choose among them on. Give --validation-fraction 0.2, or, as ' +
      'the paper did, --select test: the scores of what is chosen are then too good.',
  );
}

/** What the cells of one split share: its data, and the network compiled for its parts. */
interface OpenedDivision {
  readonly division: number;
  readonly experiment: Experiment;
  readonly test: Evaluator;
  readonly validation?: Evaluator;
  destroy(): void;
}

async function openDivision(
  gpu: Gpu,
  model: Model,
  experiment: Experiment,
  division: number,
  batchSize: number,
): Promise<OpenedDivision> {
  const test = await Evaluator.compile(gpu, model, experiment.test!, batchSize);
  const validation = experiment.validation && (await Evaluator.compile(gpu, model, experiment.validation, batchSize));
  return {
    division,
    experiment,
    test,
    validation,
    destroy() {
      test.destroy();
      validation?.destroy();
    },
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

/**
 * The result of a cell, where it is there.
 * @throws FrostlineError where it is damaged, or was made by another configuration
 */
async function readFinished(folder: string, cell: PlannedCell, configuration: string): Promise<CellResult | undefined> {
  const file = join(folder, cell.folder, 'result.json');
  if (!existsSync(file)) return undefined;
  const parsed = cellResult.safeParse(parseRunFile<unknown>(file, await readFile(file, 'utf8')));
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

interface CellContext {
  readonly configuration: string;
  readonly claim: Claim;
  readonly at: OpenedDivision;
  readonly plan: GridPlan;
  readonly model: Model;
  readonly step: TrainingStep;
  readonly cell: PlannedCell;
  readonly index: number;
  /** of its checkpoint */
  readonly key: string;
  readonly folder: string;
  readonly hooks: GridHooks;
}

/** Ends a cell that another process has taken over, at the checkpoint where that shows. */
class ClaimLostError extends Error {}

/** @returns nothing where the claim was lost on the way: the cell is another process's */
async function runCell(gpu: Gpu, context: CellContext): Promise<CellResult | undefined> {
  const { at, plan, model, step, cell, index, key, folder, hooks, configuration, claim } = context;
  const own = join(folder, cell.folder);
  const { experiment } = at;
  const { freeze, learningRate, newLayerRate, seed } = cell;
  const began = performance.now();
  const from = await readCheckpoint(own, key, step.graph.stateSizes);
  const records: StepRecord[] = [...(from?.records ?? [])];
  const isOurs = async () => {
    await stillOurs(folder, configuration);
    return await claim.holds();
  };
  const seconds = () => (from?.seconds ?? 0) + (performance.now() - began) / 1000;
  const common = () => ({
    configuration,
    freeze,
    learningRate,
    newLayerRate,
    split: experiment.splitName,
    seed,
    folder: cell.folder,
    adapter: adapterOf(gpu),
    seconds: seconds(),
    steps: records.length,
    lossHistory: records.map(({ loss }) => loss),
  });
  startFrom(gpu, model, experiment.withSeed(seed));
  if (from !== undefined) hooks.onResume?.(index, records.length);
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
        async onEpoch(epoch, done) {
          if (!(await isOurs())) throw new ClaimLostError();
          await saveCheckpoint(own, key, { records: done, state: await step.graph.readState(), seconds: seconds() });
          if (hooks.stop?.aborted) throw new StoppedError(`after epoch ${epoch + 1} of ${plan.fit.epochs}`);
        },
      },
      from,
    );
    const validation = at.validation && (await score(at.validation, experiment.validation!, hooks.signal));
    const { evaluation, metrics, confusion } = await score(at.test, experiment.test!, hooks.signal);
    const detail = detailOf(experiment, evaluation, validation?.evaluation, plan);
    const [only, another] = new Set(evaluation.predictions);
    const lastEpoch = records.filter(({ epoch }) => epoch === plan.fit.epochs - 1);
    result = {
      ...common(),
      status: 'done',
      metrics,
      confusion,
      detail,
      ...(validation && { validation: { metrics: validation.metrics, confusion: validation.confusion } }),
      ...(another === undefined && { constant: experiment.classes[only] }),
      trainAccuracy: lastEpoch.reduce((sum, { accuracy }) => sum + accuracy, 0) / lastEpoch.length,
      finalLoss: records.at(-1)!.loss,
    };
    files['predictions.csv'] = predictionsCsv(experiment, evaluation);
  } catch (error) {
    if (error instanceof ClaimLostError) return undefined;
    if (!(error instanceof DivergedError)) throw error;
    result = { ...common(), status: 'failed', error: error.message };
  }
  files['history.jsonl'] = historyLines(records);
  files['result.json'] = `${JSON.stringify(result)}\n`;
  if (!(await isOurs())) return undefined;
  await writeFilesAtomically(own, files);
  await removeCheckpoint(own);
  return result;
}

async function score(evaluator: Evaluator, data: TrainingData, signal?: AbortSignal) {
  const evaluation = await evaluator.run(signal);
  const confusion = confusionMatrix(data.labels, evaluation.predictions, evaluation.classes);
  return { evaluation, confusion, metrics: computeMetrics(confusion) };
}

/** Sets all parameters to a network's values. */
export function startFrom(gpu: Gpu, model: Model, network: Network): void {
  for (const [name, parameter] of model.parameters) {
    parameter.reset(gpu, network.parameters.get(name)!.data as Float32Array<ArrayBuffer>);
  }
}
