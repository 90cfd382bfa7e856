/** One run, from an experiment to a folder: train, test, export. */
import { checkArguments, FLAG, listOf, NOT_NEGATIVE, OBJECT, PATH, SHARE, TEXT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkWritable, isFolder, makeFolder, writeFilesIn } from '../files.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import type { CompiledMemory } from '../graph/compiled-graph.ts';
import { createHash, dirname, join } from '../host.ts';
import { writeModelFile } from '../onnx/write.ts';
import { checkSettings, type OptionNames } from '../options.ts';
import type { DetailedScores } from '../statistics/detail.ts';
import type { TrainingData } from './data.ts';
import { checkPositive, detailOf } from './detail.ts';
import { type EpochRecord, validationScores } from './early-stopping.ts';
import { Evaluator } from './evaluate.ts';
import { EXPERIMENT, type Experiment } from './experiment.ts';
import { checkFit, checkFitSettings, type FitHooks, type FitSettings } from './fit.ts';
import { type FrozenRecord, frozenHash, frozenRecord, frozenThroughout } from './frozen.ts';
import { computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { createModel, exportModel, type Model, parseMaskRules, releaseModel } from './model.ts';
import {
  type PhaseMasks,
  type PhaseRecord,
  PhaseSteps,
  type RunHooks,
  type RunRecord,
  trainedBy,
  trainPhases,
} from './phases.ts';
import {
  type Configuration,
  checkRunFolder,
  configurationHash,
  logitsCsv,
  predictionsCsv,
  RunLog,
  runFiles,
  type Settings,
} from './run-folder.ts';
import { type Phase, phasesOf, TRAINING_OPTIONS, type Training } from './strategy.ts';

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

const RUN_OPTIONS: OptionNames<RunOptions> = {
  training: OBJECT,
  newLayerFactor: NOT_NEGATIVE,
  mask: listOf(TEXT, 'a list of texts such as fc8.*=10'),
  layerDecay: SHARE,
  fit: OBJECT,
  settings: OBJECT,
  positive: TEXT,
  sensitivity: SHARE,
  logits: FLAG,
  out: PATH,
  export: PATH,
};

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

/** What is trained, and how, once it is checked. */
interface Course {
  readonly phases: readonly Phase[];
  readonly masks: PhaseMasks;
  readonly fit: FitSettings;
}

/** What training came to. */
interface Trained {
  readonly run: RunRecord;
  readonly frozen: FrozenRecord | undefined;
  /** of the first phase's step */
  readonly memory: CompiledMemory;
}

/** A run's scores of the test part, where there is one, and the files with what they are made of. */
interface Tested {
  readonly scores: Pick<RunResult, 'metrics' | 'confusion' | 'detail'>;
  readonly files: Readonly<Record<string, string>>;
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
  checkSettings('trainOnce', options, RUN_OPTIONS, ['training', 'newLayerFactor', 'mask', 'fit', 'settings', 'out']);
  checkSettings("trainOnce's training", options.training, TRAINING_OPTIONS, ['freeze']);
  checkFitSettings("trainOnce's fit", options.fit);
  const { out } = options;
  const course = courseOf(experiment, options);
  const whole = configurationOf(experiment, options);
  const check = () => checkRunFolder(out, whole);
  await check();
  await checkPlaces(options);
  const model = createModel(experiment.network);
  const began = performance.now();
  // What ran before on this device is no part of the run.
  gpu.resetPeak();
  const log = new RunLog(out, runFiles(whole, gpu), check);
  try {
    const { run, frozen, memory } = await trainModel(gpu, model, experiment, course, log, hooks);
    const { scores, files } = await testModel(gpu, model, experiment, options, hooks.signal);
    const configuration = configurationHash(whole);
    await log.stillOurs(configuration);
    const { parameters, momentum, transient } = memory;
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
    const metrics = `${JSON.stringify(result, null, 2)}\n`;
    const written = await writeResults(
      options,
      await exportModel(gpu, model),
      { ...files, 'metrics.json': metrics },
      log,
    );
    return { ...result, files: [...log.files, ...written] };
  } catch (error) {
    if (!hooks.signal?.aborted) await log.discard();
    throw error;
  } finally {
    await log.close();
    releaseModel(gpu, model);
  }
}

function configurationOf(experiment: Experiment, options: RunOptions): Configuration {
  const { training, newLayerFactor, mask, layerDecay, fit, settings, positive, sensitivity } = options;
  const { network, newParameters } = experiment;
  const drawn = createHash('sha256');
  for (const name of newParameters) drawn.update(network.parameters.get(name)!.data as NodeJS.ArrayBufferView);
  return {
    settings,
    training: {
      ...{ ...fit, ...training, newLayerFactor, mask, layerDecay, positive, sensitivity },
      newLayer: drawn.digest('hex'),
    },
    experiment,
  };
}

/** @throws FrostlineError for what cannot be trained so */
function courseOf(experiment: Experiment, options: RunOptions): Course {
  const { training, newLayerFactor, mask, layerDecay, fit } = options;
  const { newParameters, network, classes } = experiment;
  checkPositive(options.positive, classes);
  const masks = { newParameters, newLayerFactor, rules: parseMaskRules(mask) };
  const phases = phasesOf(network, training, { ...fit, layerDecay });
  for (const phase of phases) checkFit({ ...fit, ...phase }, experiment);
  return { phases, masks, fit };
}

/** @throws FrostlineError where the trained model could not be written, which is known before the training */
async function checkPlaces({ out, export: elsewhere }: RunOptions): Promise<void> {
  await checkWritable(out);
  if (elsewhere === undefined) return;
  await checkWritable(dirname(elsewhere));
  if (await isFolder(elsewhere)) {
    throw new FrostlineError(`--export ${elsewhere}: this is a folder. Give a file's name.`);
  }
}

/** Trains the model, and begins the log when all is ready for it. */
async function trainModel(
  gpu: Gpu,
  model: Model,
  { train: data, validation }: Experiment,
  { phases, masks, fit }: Course,
  log: RunLog,
  { signal, onStep }: FitHooks,
): Promise<Trained> {
  const still = frozenThroughout(model, trainedBy(model.network, phases, masks));
  const steps = new PhaseSteps(gpu, model, data, masks, fit);
  let evaluator: Evaluator | undefined;
  let trained: Omit<Trained, 'frozen'>;
  let before: string | undefined;
  try {
    const { memory } = (await steps.first(phases[0])).graph;
    evaluator = validation && (await Evaluator.compile(gpu, model, validation, fit.batchSize));
    before = await frozenHash(gpu, model, still);
    // Not before the step is ready to run: what is wrong with the settings shows until then.
    await log.begin();
    const validate = evaluator && (async () => validationScores(await evaluator!.run(signal), validation!.labels));
    const hooks: RunHooks = {
      signal,
      onStep(record, of) {
        log.append(record);
        onStep?.(record, of);
      },
      ...(validate && { validate }),
    };
    trained = { run: await trainPhases(gpu, model, steps, phases, masks, fit, hooks), memory };
  } finally {
    steps.destroy();
    evaluator?.destroy();
  }
  return { ...trained, frozen: await frozenRecord(gpu, model, still, before) };
}

/** Tests the trained model. */
async function testModel(
  gpu: Gpu,
  model: Model,
  experiment: Experiment,
  options: RunOptions,
  signal: AbortSignal | undefined,
): Promise<Tested> {
  const { test } = experiment;
  if (test === undefined) return { scores: {}, files: {} };
  const { batchSize } = options.fit;
  const evaluation = await evaluateModel(gpu, model, test, batchSize, signal, options.logits);
  const confusion = confusionMatrix(test.labels, evaluation.predictions, evaluation.classes);
  const onValidation =
    experiment.validation && (await evaluateModel(gpu, model, experiment.validation, batchSize, signal));
  return {
    scores: {
      metrics: computeMetrics(confusion),
      confusion,
      detail: detailOf(experiment, evaluation, onValidation, options),
    },
    files: {
      'predictions.csv': predictionsCsv(experiment, evaluation),
      ...(evaluation.logits && { 'logits.csv': logitsCsv(experiment, evaluation.logits) }),
    },
  };
}

/**
 * The models first: they are what a disk may have no room for. The folder's own is complete before the one that goes
 * elsewhere: where that fails, hours of training are kept.
 * @returns the files
 */
async function writeResults(
  { out, export: elsewhere }: RunOptions,
  onnx: Awaited<ReturnType<typeof exportModel>>,
  files: Readonly<Record<string, string>>,
  log: RunLog,
): Promise<string[]> {
  const own = join(out, 'model.onnx');
  await writeModelFile(own, onnx);
  const written = await writeFilesIn(out, files);
  log.keep();
  if (elsewhere === undefined) return [...written, own];
  const takeBack = await makeFolder(dirname(elsewhere));
  try {
    await writeModelFile(elsewhere, onnx);
  } catch (error) {
    await takeBack();
    throw error;
  }
  return [...written, own, elsewhere];
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
