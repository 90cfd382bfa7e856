/** One cell of a grid, from a checkpoint where there is one, to its files. */
import { withoutNote } from '../errors.ts';
import { writeFilesIn } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { join } from '../host.ts';
import type { Network } from '../models/network.ts';
import { type Checkpoint, readCheckpoint, removeCheckpoint, StoppedError, saveCheckpoint } from './checkpoint.ts';
import type { Claim } from './claims.ts';
import type { TrainingData } from './data.ts';
import { detailOf } from './detail.ts';
import { DivergedError, divergenceOf } from './diverged.ts';
import type { OpenedDivision } from './division.ts';
import { type EpochRecord, validationScores } from './early-stopping.ts';
import type { Evaluator } from './evaluate.ts';
import type { StepRecord } from './fit.ts';
import { frozenHash, frozenRecord, frozenThroughout } from './frozen.ts';
import type { GridFolder } from './grid-folder.ts';
import type { GridHooks } from './grid-hooks.ts';
import { computeMetrics, confusionMatrix } from './metrics.ts';
import type { Model } from './model.ts';
import { type PhaseSteps, plannedEpochs, type RunHooks, trainedBy, trainPhases } from './phases.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import type { CellResult, GridAdapter } from './results.ts';
import { historyLines, logitsCsv, predictionsCsv } from './run-folder.ts';
import { saveRung } from './rung-file.ts';

export interface CellContext {
  readonly plan: GridPlan;
  readonly cell: PlannedCell;
  readonly index: number;
  /** its split, with the network compiled for it */
  readonly at: OpenedDivision;
  readonly model: Model;
  readonly steps: PhaseSteps;
  readonly folder: GridFolder;
  readonly claim: Claim;
  readonly hooks: GridHooks;
  /** where it waits for the others, after so many epochs; to its end unless given */
  readonly until?: number;
}

/** Ends a cell that another process has taken over, at the checkpoint where that shows. */
class ClaimLostError extends Error {}

/** Ends a cell's part at a rung, at the checkpoint from which it may go on. */
class PausedError extends Error {}

/** What a cell has done so far, in this process and up to the checkpoint that it goes on from. */
class Course {
  /** where its files lie */
  readonly folder: string;
  readonly key: string;
  readonly from: Checkpoint | undefined;
  readonly records: StepRecord[];
  readonly epochs: EpochRecord[];
  private readonly began: number;

  private constructor(folder: string, key: string, from: Checkpoint | undefined, began: number) {
    this.folder = folder;
    this.key = key;
    this.from = from;
    this.records = [...(from?.records ?? [])];
    this.epochs = [...(from?.epochs ?? [])];
    this.began = began;
  }

  /** @param key of the checkpoint that counts */
  static async begin(folder: string, key: string): Promise<Course> {
    const began = performance.now();
    return new Course(folder, key, await readCheckpoint(folder, key), began);
  }

  /** spent on it so far */
  get seconds(): number {
    return (this.from?.seconds ?? 0) + (performance.now() - this.began) / 1000;
  }
}

/** How a cell ended: what that adds to its result, and its files. */
interface Outcome {
  readonly result: Pick<CellResult, 'status'> & Partial<CellResult>;
  readonly files: Readonly<Record<string, string>>;
}

/** @returns nothing where the claim was lost on the way, and the cell is another process's; or where it waits at a rung */
export async function runCell(gpu: Gpu, context: CellContext): Promise<CellResult | undefined> {
  const { at, model, cell, index, folder, hooks } = context;
  const { experiment } = at;
  const { seed } = cell;
  const key = JSON.stringify([folder.configuration, cell.folder, bitsOf(gpu)]);
  const course = await Course.begin(join(folder.path, cell.folder), key);
  startFrom(gpu, model, experiment.withSeed(seed));
  if (course.from !== undefined) hooks.onResume?.(index, course.records.length);
  let outcome: Outcome;
  try {
    outcome = await trainAndTest(gpu, context, course);
  } catch (error) {
    if (error instanceof ClaimLostError) return undefined;
    if (error instanceof PausedError) {
      hooks.onPause?.(index);
      return undefined;
    }
    if (!(error instanceof DivergedError)) throw error;
    outcome = { result: { status: 'failed', error: withoutNote(error.message) }, files: {} };
  }
  const result: CellResult = { ...headOf(gpu, context, course), ...outcome.result };
  if (!(await isOurs(context))) return undefined;
  await writeFilesIn(course.folder, {
    ...outcome.files,
    'history.jsonl': historyLines(course.records),
    'result.json': `${JSON.stringify(result)}\n`,
  });
  await removeCheckpoint(course.folder);
  return result;
}

/** What a result says of a cell however it ended. */
function headOf(gpu: Gpu, { folder, cell, at }: CellContext, { seconds, records }: Course) {
  const { freeze, learningRate, newLayerRate, momentum, training, seed } = cell;
  return {
    configuration: folder.configuration,
    ...{ freeze, learningRate, newLayerRate, momentum, training },
    split: at.experiment.splitName,
    seed,
    folder: cell.folder,
    adapter: adapterOf(gpu),
    seconds,
    steps: records.length,
    lossHistory: records.map(({ loss }) => loss),
  };
}

async function trainAndTest(gpu: Gpu, context: CellContext, course: Course): Promise<Outcome> {
  const { at, plan, model, steps, cell } = context;
  const { learningRate, momentum, phases, seed } = cell;
  const masks = { newParameters: at.experiment.newParameters, newLayerFactor: plan.newLayerFactor };
  const still = frozenThroughout(model, trainedBy(model.network, phases, masks));
  const before = await frozenHash(gpu, model, still);
  const run = await trainPhases(
    gpu,
    model,
    steps,
    phases,
    masks,
    { ...plan.fit, learningRate, momentum, seed },
    hooksOf(context, course),
    course.from,
  );
  const frozen = await frozenRecord(gpu, model, still, before);
  const { result, files } = await test(context, course);
  return { result: { ...result, ...(run.phases.length > 1 && { phases: run.phases }), frozen }, files };
}

/** What is done between a cell's steps. */
function hooksOf(context: CellContext, course: Course): RunHooks {
  const { at, cell, hooks, until } = context;
  const { validation, experiment } = at;
  return {
    signal: hooks.signal,
    onStep(record, steps) {
      course.records.push(record);
      hooks.onStep?.(record, steps);
    },
    async onCheckpoint(progress) {
      if (!(await isOurs(context))) throw new ClaimLostError();
      await saveCheckpoint(course.folder, course.key, { ...progress, seconds: course.seconds });
      if (until !== undefined && progress.epochs.length >= until) {
        const { configuration } = context.folder;
        await saveRung(course.folder, until, { configuration, epochs: progress.epochs });
        throw new PausedError();
      }
      if (!hooks.stop?.aborted) return;
      throw new StoppedError(`after epoch ${progress.records.at(-1)!.epoch + 1} of ${plannedEpochs(cell.phases)}`);
    },
    ...(validation && {
      validate: async () => validationScores(await validation.run(hooks.signal), experiment.validation!.labels),
    }),
    onValidation: (record) => course.epochs.push(record),
  };
}

/** What the trained network comes to on the validation part, where there is one, and on the test part. */
async function test(context: CellContext, course: Course): Promise<Outcome> {
  const { at, plan, cell, hooks } = context;
  const { experiment } = at;
  const { records, epochs } = course;
  const validation = at.validation && (await score(at.validation, experiment.validation!, hooks.signal));
  const { evaluation, metrics, confusion } = await score(at.test, experiment.test!, hooks.signal);
  const [only, another] = new Set(evaluation.predictions);
  // Early stopping tests the best epoch's network, whatever came after it.
  const stopsEarly = cell.phases.at(-1)!.earlyStopping !== undefined;
  const diverged = stopsEarly ? undefined : divergenceOf(records.map(({ loss }) => loss));
  const lastEpoch = records.filter(({ epoch }) => epoch === records.at(-1)!.epoch);
  return {
    result: {
      ...(diverged === undefined ? { status: 'done' } : { status: 'diverged', error: diverged }),
      metrics,
      confusion,
      classes: experiment.classes,
      detail: detailOf(experiment, evaluation, validation?.evaluation, plan),
      ...(validation && { validation: { metrics: validation.metrics, confusion: validation.confusion } }),
      ...(another === undefined && { constant: experiment.classes[only] }),
      trainAccuracy: lastEpoch.reduce((sum, { accuracy }) => sum + accuracy, 0) / lastEpoch.length,
      finalLoss: records.at(-1)!.loss,
      ...(epochs.length > 0 && { epochs }),
    },
    files: {
      'predictions.csv': predictionsCsv(experiment, evaluation),
      ...(evaluation.logits && { 'logits.csv': logitsCsv(experiment, evaluation.logits) }),
    },
  };
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

/** Whether what the cell writes still counts. @throws FrostlineError where the grid's folder is another's */
async function isOurs({ folder, claim }: CellContext): Promise<boolean> {
  await folder.stillOurs();
  return await claim.holds();
}

const adapterOf = ({ name, driver, kind }: Gpu): GridAdapter => ({ name, driver, kind });

/** What may round differently: a checkpoint is gone on with where it was made alone. */
const bitsOf = ({ name, driver, kind, machine, tuning, algorithms, precision, subgroupMatrices }: Gpu) => [
  ...[name, driver, kind, tuning?.hash ?? null],
  ...(machine === undefined ? [] : [machine]),
  [...algorithms],
  ...(precision === 'f32' ? [] : [precision, subgroupMatrices]),
];
