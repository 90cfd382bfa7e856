/** One run, from an experiment to a folder: train, test, export. */
import { dirname, join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { checkWritable, isFolder, makeFolder, writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { writeModelFile } from '../onnx/write.ts';
import type { DetailedScores } from '../statistics/detail.ts';
import type { TrainingData } from './data.ts';
import { checkPositive, detailOf } from './detail.ts';
import { type EpochRecord, validationScores } from './early-stopping.ts';
import { Evaluator } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import { checkFit, type FitHooks, type FitSettings, TrainingStep } from './fit.ts';
import { type FrozenRecord, frozenHash, frozenRecord } from './frozen.ts';
import { computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { createModel, exportModel, type Model, parseMaskRules, releaseModel, setMasks } from './model.ts';
import { checkRunFolder, configurationHash, predictionsCsv, RunLog, runFiles, type Settings } from './run-folder.ts';

export interface RunOptions {
  /** 'none', 'all', a layer's number or name */
  readonly freeze: number | string;
  readonly newLayerFactor: number;
  /** PATTERN=FACTOR */
  readonly mask: readonly string[];
  /** the layers that alone are trained, and the factor on the rate for each layer before the last; see `setMasks` */
  readonly tuneOnly?: readonly string[];
  readonly layerDecay?: number;
  readonly fit: FitSettings;
  /** the configuration as it is saved, and as it identifies the run */
  readonly settings: Settings;
  /** the class that is looked for, and the share of it that is to be found */
  readonly positive?: string;
  readonly sensitivity?: number;
  readonly out: string;
  /** a further place for the trained model */
  readonly export?: string;
}

export interface RunResult {
  /** the hash of the configuration that made it: config.json's */
  readonly configuration: string;
  readonly adapter: string;
  readonly steps: number;
  readonly seconds: number;
  readonly finalLoss: number;
  /** the validation part's scores after each epoch, where there is one */
  readonly epochs?: readonly EpochRecord[];
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
  const { freeze, newLayerFactor, mask, tuneOnly, layerDecay, fit, settings, out } = options;
  const { newParameters, network, test } = experiment;
  const models = [join(out, 'model.onnx'), ...(options.export === undefined ? [] : [options.export])];
  checkPositive(options.positive, experiment.classes);
  checkFit(fit, experiment);
  await checkRunFolder(out, settings, experiment);
  for (const path of models) await checkWritable(dirname(path));
  if (options.export !== undefined && (await isFolder(options.export))) {
    throw new FrostlineError(`--export ${options.export}: this is a folder. Give a file's name.`);
  }
  const model = createModel(network);
  setMasks(model, { freeze, newLayerFactor, newParameters, tuneOnly, layerDecay, rules: parseMaskRules(mask) });
  const began = performance.now();
  // What ran before on this device is no part of the run.
  gpu.resetPeak();
  let log: RunLog | undefined;
  let complete = false;
  try {
    const step = await TrainingStep.compile(gpu, model, experiment.train, fit);
    const { parameters, momentum, transient } = step.graph.memory;
    const validation = experiment.validation;
    const evaluator = validation && (await Evaluator.compile(gpu, model, validation, fit.batchSize));
    const before = await frozenHash(gpu, model);
    const epochs: EpochRecord[] = [];
    let steps = 0;
    let finalLoss = Number.NaN;
    try {
      // Not before the step is ready to run: what is wrong with the settings shows until then.
      const begun = await RunLog.begin(out, runFiles(settings, experiment, gpu), () =>
        checkRunFolder(out, settings, experiment),
      );
      log = begun;
      await step.fit(fit, {
        signal: hooks.signal,
        onStep(record, of) {
          steps++;
          finalLoss = record.loss;
          begun.append(record);
          hooks.onStep?.(record, of);
        },
        ...(evaluator && {
          validate: async () => validationScores(await evaluator.run(hooks.signal), validation!.labels),
        }),
        onValidation: (record) => epochs.push(record),
      });
    } finally {
      step.destroy();
      evaluator?.destroy();
    }
    const frozen = await frozenRecord(gpu, model, before);
    const files: Record<string, string> = {};
    let scores: Pick<RunResult, 'metrics' | 'confusion' | 'detail'> = {};
    if (test !== undefined) {
      const evaluation = await evaluateModel(gpu, model, test, fit.batchSize, hooks.signal);
      const confusion = confusionMatrix(test.labels, evaluation.predictions, evaluation.classes);
      const onValidation =
        experiment.validation && (await evaluateModel(gpu, model, experiment.validation, fit.batchSize, hooks.signal));
      scores = {
        metrics: computeMetrics(confusion),
        confusion,
        detail: detailOf(experiment, evaluation, onValidation, options),
      };
      files['predictions.csv'] = predictionsCsv(experiment, evaluation);
    }
    const configuration = configurationHash(settings, experiment);
    await log.stillOurs(configuration);
    const result = {
      configuration,
      adapter: gpu.describe(),
      steps,
      seconds: (performance.now() - began) / 1000,
      finalLoss,
      ...(epochs.length > 0 && { epochs }),
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
      const takeBack = await makeFolder(dirname(path));
      try {
        await writeModelFile(path, onnx);
      } catch (error) {
        await takeBack();
        throw error;
      }
      if (complete) continue;
      written.push(...(await writeFilesAtomically(out, files)));
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

async function evaluateModel(gpu: Gpu, model: Model, data: TrainingData, batch: number, signal?: AbortSignal) {
  const evaluator = await Evaluator.compile(gpu, model, data, batch);
  try {
    return await evaluator.run(signal);
  } finally {
    evaluator.destroy();
  }
}
