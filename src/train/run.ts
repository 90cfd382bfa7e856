/** One run, from an experiment to a folder: train, test, export. */

import { checkArguments, OBJECT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkWritable, isFolder, makeFolder, writeFilesIn } from '../files.ts';
import { GPU, type Gpu } from '../gpu/device.ts';
import { dirname, join } from '../host.ts';
import { writeModelFile } from '../onnx/write.ts';
import type { DetailedScores } from '../statistics/detail.ts';
import type { TrainingData } from './data.ts';
import { checkPositive, detailOf } from './detail.ts';
import { type EpochRecord, validationScores } from './early-stopping.ts';
import { Evaluator } from './evaluate.ts';
import { EXPERIMENT, type Experiment } from './experiment.ts';
import { checkFit, type FitHooks, type FitSettings } from './fit.ts';
import { type FrozenRecord, frozenHash, frozenRecord, frozenThroughout } from './frozen.ts';
import { computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { createModel, exportModel, type Model, parseMaskRules, releaseModel } from './model.ts';
import { type PhaseRecord, PhaseSteps, type RunRecord, trainedBy, trainPhases } from './phases.ts';
import {
  checkRunFolder,
  configurationHash,
  logitsCsv,
  predictionsCsv,
  RunLog,
  runFiles,
  type Settings,
} from './run-folder.ts';
import { phasesOf, type Training } from './strategy.ts';

/** What `trainOnce` trains. */
export interface RunOptions {
  /** what is trained, and how */
  readonly training: Training;
  readonly newLayerFactor: number;
  /** PATTERN=FACTOR */
  readonly mask: readonly string[];
  /** factor on the rate for each layer before the last; see `masksOf` */
  readonly layerDecay?: number;
  readonly fit: FitSettings;
  /** the configuration as it is saved, and as it identifies the run */
  readonly settings: Settings;
  /** the class that is looked for, and the share of it that is to be found */
  readonly positive?: string;
  readonly sensitivity?: number;
  /** also write the test images' logits, as logits.csv */
  readonly logits?: boolean;
  readonly out: string;
  /** a further place for the trained model */
  readonly export?: string;
}

/** What a training run came to. */
export interface RunResult {
  /** the hash of the configuration that made it: config.json's */
  readonly configuration: string;
  readonly adapter: string;
  readonly steps: number;
  readonly seconds: number;
  readonly finalLoss: number;
  /** the validation part's scores after each epoch, where there is one */
  readonly epochs?: readonly EpochRecord[];
  /** how the phases went, where there are several */
  readonly phases?: readonly PhaseRecord[];
  /** that what is frozen stood still; none where nothing is */
  readonly frozen?: FrozenRecord;
  /** of the test part, where there is one */
  readonly metrics?: Metrics;
  readonly confusion?: readonly (readonly number[])[];
  readonly detail?: DetailedScores;
  /** bytes on the device at most, and of what they consist */
  readonly memory: {
    readonly peak: number;
    readonly parameters: number;
    readonly momentum: number;
    readonly transient: number;
  };
  readonly files: readonly string[];
}

/**
 * The folder appears with the first step, and the history grows with every one: a run that is interrupted leaves its
 * steps so far. All results are written when all is done; a run that fails takes back what it wrote.
 * @throws FrostlineError for a folder of another configuration, masks that match nothing, a loss that is not finite
 */
export async function trainOnce(
  gpu: Gpu,
  experiment: Experiment,
  options: RunOptions,
  hooks: FitHooks = {},
): Promise<RunResult> {
  checkArguments('trainOnce', {
    gpu: [gpu, GPU],
    experiment: [experiment, EXPERIMENT],
    options: [options, OBJECT],
    hooks: [hooks, OBJECT],
  });
  const { training, newLayerFactor, mask, layerDecay, fit, settings, out } = options;
  const { newParameters, network, test } = experiment;
  const models = [join(out, 'model.onnx'), ...(options.export === undefined ? [] : [options.export])];
  checkPositive(options.positive, experiment.classes);
  const masks = { newParameters, newLayerFactor, rules: parseMaskRules(mask) };
  const phases = phasesOf(network, training, { ...fit, layerDecay });
  for (const phase of phases) checkFit({ ...fit, ...phase }, experiment);
  await checkRunFolder(out, settings, experiment);
  for (const path of models) await checkWritable(dirname(path));
  if (options.export !== undefined && (await isFolder(options.export))) {
    throw new FrostlineError(`--export ${options.export}: this is a folder. Give a file's name.`);
  }
  const model = createModel(network);
  const began = performance.now();
  // What ran before on this device is no part of the run.
  gpu.resetPeak();
  const compiled = new PhaseSteps(gpu, model, experiment.train, masks, fit);
  let log: RunLog | undefined;
  let complete = false;
  try {
    const step = await compiled.first(phases[0]);
    const { parameters, momentum, transient } = step.graph.memory;
    const validation = experiment.validation;
    const evaluator = validation && (await Evaluator.compile(gpu, model, validation, fit.batchSize));
    const still = frozenThroughout(model, trainedBy(network, phases, masks));
    const before = await frozenHash(gpu, model, still);
    let run: RunRecord;
    try {
      // Not before the step is ready to run: what is wrong with the settings shows until then.
      const begun = await RunLog.begin(out, runFiles(settings, experiment, gpu), () =>
        checkRunFolder(out, settings, experiment),
      );
      log = begun;
      run = await trainPhases(gpu, model, compiled, phases, masks, fit, {
        signal: hooks.signal,
        onStep(record, of) {
          begun.append(record);
          hooks.onStep?.(record, of);
        },
        ...(evaluator && {
          validate: async () => validationScores(await evaluator.run(hooks.signal), validation!.labels),
        }),
      });
    } finally {
      compiled.destroy();
      evaluator?.destroy();
    }
    const frozen = await frozenRecord(gpu, model, still, before);
    const files: Record<string, string> = {};
    let scores: Pick<RunResult, 'metrics' | 'confusion' | 'detail'> = {};
    if (test !== undefined) {
      const evaluation = await evaluateModel(gpu, model, test, fit.batchSize, hooks.signal, options.logits);
      const confusion = confusionMatrix(test.labels, evaluation.predictions, evaluation.classes);
      const onValidation =
        experiment.validation && (await evaluateModel(gpu, model, experiment.validation, fit.batchSize, hooks.signal));
      scores = {
        metrics: computeMetrics(confusion),
        confusion,
        detail: detailOf(experiment, evaluation, onValidation, options),
      };
      files['predictions.csv'] = predictionsCsv(experiment, evaluation);
      if (evaluation.logits !== undefined) files['logits.csv'] = logitsCsv(experiment, evaluation.logits);
    }
    const configuration = configurationHash(settings, experiment);
    await log.stillOurs(configuration);
    const result = {
      configuration,
      adapter: gpu.describe(),
      steps: run.records.length,
      seconds: (performance.now() - began) / 1000,
      finalLoss: run.records.at(-1)!.loss,
      ...(run.epochs.length > 0 && { epochs: run.epochs }),
      ...(run.phases.length > 1 && { phases: run.phases }),
      frozen,
      ...scores,
      memory: { peak: gpu.memory().peak, parameters, momentum, transient },
    };
    files['metrics.json'] = `${JSON.stringify(result, null, 2)}\n`;
    // The models first: they are what a disk may have no room for. The folder's own is complete before the one that goes
    // elsewhere: where that fails, hours of training are kept.
    const onnx = await exportModel(gpu, model);
    const written: string[] = [];
    for (const path of models) {
      // The run's own folder is there, or somebody took it away.
      const takeBack = path === options.export ? await makeFolder(dirname(path)) : async () => {};
      try {
        await writeModelFile(path, onnx);
      } catch (error) {
        await takeBack();
        throw error;
      }
      if (complete) continue;
      written.push(...(await writeFilesIn(out, files)));
      complete = true;
    }
    return { ...result, files: [...log.files, ...written, ...models] };
  } catch (error) {
    if (!hooks.signal?.aborted && !complete) await log?.discard();
    throw error;
  } finally {
    await log?.close();
    releaseModel(gpu, model);
  }
}

async function evaluateModel(
  gpu: Gpu,
  model: Model,
  data: TrainingData,
  batch: number,
  signal?: AbortSignal,
  logits?: boolean,
) {
  const evaluator = await Evaluator.compile(gpu, model, data, batch, { logits });
  try {
    return await evaluator.run(signal);
  } finally {
    evaluator.destroy();
  }
}
