/** One cell of a grid, from a checkpoint where there is one, to its files. */

import { writeFilesIn } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { join } from '../host.ts';
import type { Network } from '../models/network.ts';
import { readCheckpoint, removeCheckpoint, StoppedError, saveCheckpoint } from './checkpoint.ts';
import type { Claim } from './claims.ts';
import type { TrainingData } from './data.ts';
import { detailOf } from './detail.ts';
import { DivergedError, divergenceOf } from './diverged.ts';
import { type EpochRecord, validationScores } from './early-stopping.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import type { StepRecord } from './fit.ts';
import { frozenHash, frozenRecord, frozenThroughout } from './frozen.ts';
import type { GridHooks } from './grid.ts';
import { computeMetrics, confusionMatrix } from './metrics.ts';
import type { Model } from './model.ts';
import { type PhaseSteps, plannedEpochs, trainedBy, trainPhases } from './phases.ts';
import type { GridPlan, PlannedCell } from './plan.ts';
import type { CellResult, GridAdapter } from './results.ts';
import { historyLines, logitsCsv, predictionsCsv, stillOurs } from './run-folder.ts';
import { saveRung } from './rung-file.ts';

/** What the cells of one split share: its data, and the network compiled for its parts. */
export interface OpenedDivision {
  readonly division: number;
  readonly experiment: Experiment;
  readonly test: Evaluator;
  readonly validation?: Evaluator;
  destroy(): void;
}

export async function openDivision(
  gpu: Gpu,
  model: Model,
  experiment: Experiment,
  division: number,
  { fit: { batchSize }, logits }: Pick<GridPlan, 'fit' | 'logits'>,
): Promise<OpenedDivision> {
  const test = await Evaluator.compile(gpu, model, experiment.test!, batchSize, { logits });
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

const adapterOf = ({ name, driver, kind }: Gpu): GridAdapter => ({ name, driver, kind });

export interface CellContext {
  readonly configuration: string;
  readonly claim: Claim;
  readonly at: OpenedDivision;
  readonly plan: GridPlan;
  readonly model: Model;
  readonly steps: PhaseSteps;
  readonly cell: PlannedCell;
  readonly index: number;
  /** of its checkpoint */
  readonly key: string;
  readonly folder: string;
  readonly hooks: GridHooks;
  /** where it waits for the others, after so many epochs; to its end unless given */
  readonly until?: number;
}

/** Ends a cell that another process has taken over, at the checkpoint where that shows. */
class ClaimLostError extends Error {}

/** Ends a cell's part at a rung, at the checkpoint from which it may go on. */
class PausedError extends Error {}

/** @returns nothing where the claim was lost on the way, and the cell is another process's; or where it waits at a rung */
export async function runCell(gpu: Gpu, context: CellContext): Promise<CellResult | undefined> {
  const { at, plan, model, steps, cell, index, key, folder, hooks, configuration, claim, until } = context;
  const own = join(folder, cell.folder);
  const { experiment } = at;
  const { freeze, learningRate, newLayerRate, momentum, training, phases, seed } = cell;
  const masks = { newParameters: experiment.newParameters, newLayerFactor: plan.newLayerFactor };
  const began = performance.now();
  const from = await readCheckpoint(own, key);
  const records: StepRecord[] = [...(from?.records ?? [])];
  const epochs: EpochRecord[] = [...(from?.epochs ?? [])];
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
    momentum,
    training,
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
    const still = frozenThroughout(model, trainedBy(model.network, phases, masks));
    const before = await frozenHash(gpu, model, still);
    const run = await trainPhases(
      gpu,
      model,
      steps,
      phases,
      masks,
      { ...plan.fit, learningRate, momentum, seed },
      {
        signal: hooks.signal,
        onStep(record, steps) {
          records.push(record);
          hooks.onStep?.(record, steps);
        },
        async onCheckpoint(progress) {
          if (!(await isOurs())) throw new ClaimLostError();
          await saveCheckpoint(own, key, { ...progress, seconds: seconds() });
          if (until !== undefined && progress.epochs.length >= until) {
            await saveRung(own, until, { configuration, epochs: progress.epochs });
            throw new PausedError();
          }
          if (!hooks.stop?.aborted) return;
          throw new StoppedError(`after epoch ${progress.records.at(-1)!.epoch + 1} of ${plannedEpochs(phases)}`);
        },
        ...(at.validation && {
          validate: async () => validationScores(await at.validation!.run(hooks.signal), experiment.validation!.labels),
        }),
        onValidation: (record) => epochs.push(record),
      },
      from,
    );
    const frozen = await frozenRecord(gpu, model, still, before);
    const validation = at.validation && (await score(at.validation, experiment.validation!, hooks.signal));
    const { evaluation, metrics, confusion } = await score(at.test, experiment.test!, hooks.signal);
    const detail = detailOf(experiment, evaluation, validation?.evaluation, plan);
    const [only, another] = new Set(evaluation.predictions);
    // Early stopping tests the best epoch's network, whatever came after it.
    const diverged =
      phases.at(-1)!.earlyStopping === undefined ? divergenceOf(records.map(({ loss }) => loss)) : undefined;
    const lastEpoch = records.filter(({ epoch }) => epoch === records.at(-1)!.epoch);
    result = {
      ...common(),
      ...(diverged === undefined ? { status: 'done' as const } : { status: 'diverged' as const, error: diverged }),
      metrics,
      confusion,
      classes: experiment.classes,
      detail,
      ...(validation && { validation: { metrics: validation.metrics, confusion: validation.confusion } }),
      ...(another === undefined && { constant: experiment.classes[only] }),
      trainAccuracy: lastEpoch.reduce((sum, { accuracy }) => sum + accuracy, 0) / lastEpoch.length,
      finalLoss: records.at(-1)!.loss,
      ...(epochs.length > 0 && { epochs }),
      ...(run.phases.length > 1 && { phases: run.phases }),
      frozen,
    };
    files['predictions.csv'] = predictionsCsv(experiment, evaluation);
    if (evaluation.logits !== undefined) files['logits.csv'] = logitsCsv(experiment, evaluation.logits);
  } catch (error) {
    if (error instanceof ClaimLostError) return undefined;
    if (error instanceof PausedError) {
      hooks.onPause?.(index);
      return undefined;
    }
    if (!(error instanceof DivergedError)) throw error;
    result = { ...common(), status: 'failed', error: error.message };
  }
  files['history.jsonl'] = historyLines(records);
  files['result.json'] = `${JSON.stringify(result)}\n`;
  if (!(await isOurs())) return undefined;
  await writeFilesIn(own, files);
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
