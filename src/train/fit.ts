/**
 * One training run. Everything of a step runs on the device: sampling, forward, loss, backward, update, count of correct
 * predictions. The host sends indices and transforms, keeps a few steps in flight, and reads each step's loss late.
 */
import {
  BELOW_ONE,
  checkArguments,
  FLAG,
  INTEGER,
  NOT_NEGATIVE,
  NUMBERS,
  OBJECT,
  oneOf,
  wholeFrom,
} from '../arguments.ts';
import { type AugmentPreset, drawTransforms } from '../data/augment.ts';
import { batchesOf, epochOrder, type Shuffle } from '../data/batches.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Precision } from '../gpu/storage.ts';
import { type CompiledGraph, compile } from '../graph/compile.ts';
import { argMax, countCorrect, softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { input, type Parameter, type Tensor } from '../graph/tensor.ts';
import { SCALING } from '../kernels/loss-scale/state.ts';
import { buildNetwork } from '../models/build.ts';
import { checkOptions, checkSettings, type OptionNames } from '../options.ts';
import { DATA, type TrainingData } from './data.ts';
import { DivergedError } from './diverged.ts';
import {
  checkEarlyStopping,
  type EpochRecord,
  EpochWatch,
  type ValidationScores,
  type Watched,
} from './early-stopping.ts';
import { FeatureStore, keptEpochs, standsStill } from './feature-store.ts';
import { FrozenPrefix } from './features.ts';
import { createFeed, type Feed } from './feed.ts';
import { MODEL, type Model } from './model.ts';
import { whereNotFinite } from './not-finite.ts';
import { checkOptimizer, type OptimizerSettings } from './optimizer.ts';
import { checkSchedule, rateAt, type Schedule } from './schedule.ts';

/** Rates, epochs, batch and seed of a training run. */
export interface FitSettings extends OptimizerSettings {
  /** the global rate; a parameter's mask multiplies it */
  readonly learningRate: number;
  /** L2 factor, on weights, not on biases */
  readonly weightDecay: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly shuffle: Shuffle;
  readonly augment: AugmentPreset;
  /** false leaves dropout layers out */
  readonly dropout: boolean;
  /**
   * batch normalisation that is trained goes by each batch's statistics, and keeps running ones; false, the default: by the
   * running ones of the file, which stand still
   */
  readonly batchStatistics?: boolean;
  readonly seed: number;
  /** a weight for each class in the loss */
  readonly classWeights?: readonly number[];
  /** share of each label that is spread over all classes in the loss; 0 unless given */
  readonly labelSmoothing?: number;
  /** how the rate goes; constant unless given */
  readonly schedule?: Schedule;
  /** epochs without a lower validation loss behind which a run ends; the best epoch's parameters are then restored */
  readonly earlyStopping?: number;
  /** what the device that trains must have been opened with; f32 unless given */
  readonly precision?: Precision;
}

const FIT_OPTIONS: OptionNames<FitSettings> = {
  learningRate: NOT_NEGATIVE,
  momentum: BELOW_ONE,
  weightDecay: NOT_NEGATIVE,
  batchSize: wholeFrom(1),
  epochs: wholeFrom(1),
  shuffle: oneOf('every-epoch', 'once', 'never'),
  augment: OBJECT,
  dropout: FLAG,
  seed: INTEGER,
  batchStatistics: FLAG,
  optimizer: oneOf('sgdm', 'adam', 'adamw'),
  secondMomentum: BELOW_ONE,
  epsilon: BELOW_ONE,
  classWeights: NUMBERS,
  labelSmoothing: BELOW_ONE,
  schedule: OBJECT,
  earlyStopping: wholeFrom(1),
  precision: oneOf('f32', 'f16'),
};
const { learningRate: _, seed: __, ...GRID_FIT_OPTIONS } = FIT_OPTIONS;
const GRID_FIT_NEEDED = ['momentum', 'weightDecay', 'batchSize', 'epochs', 'shuffle', 'augment', 'dropout'] as const;

/** @throws FrostlineError for a setting that there is not, that is missing, or that is not what is expected */
export function checkFitSettings(what: string, settings: FitSettings): void {
  checkSettings(what, settings, FIT_OPTIONS, ['learningRate', ...GRID_FIT_NEEDED, 'seed']);
}

/** Of a grid, whose cells have rates and seeds of their own. @throws FrostlineError as `checkFitSettings` */
export function checkGridFit(what: string, settings: Omit<FitSettings, 'learningRate' | 'seed'>): void {
  checkSettings(what, settings, GRID_FIT_OPTIONS, GRID_FIT_NEEDED);
}

/** What a step is compiled for, and what each setting is where it is left out. */
const COMPILED = {
  ...{ batchSize: undefined, dropout: undefined, batchStatistics: false, classWeights: undefined },
  ...{ optimizer: 'sgdm', labelSmoothing: 0, precision: 'f32' },
} as const;
type CompiledSettings = Pick<FitSettings, keyof typeof COMPILED | 'augment'>;

/** What a training step did: its loss, and when. */
export interface StepRecord {
  /** from 0 */
  readonly step: number;
  /** from 0 */
  readonly epoch: number;
  /** mean loss of the mini-batch, before the update */
  readonly loss: number;
  /** share of the mini-batch classified rightly, before the update */
  readonly accuracy: number;
  readonly learningRate: number;
  /** over the last steps, at most STEPS_TIMED: single ones land in bunches */
  readonly imagesPerSecond: number;
  /** in half precision: what the loss was multiplied by, and whether a gradient overflowed, so that nothing was updated */
  readonly lossScale?: number;
  readonly skipped?: boolean;
}

/** What `fit` tells while it trains. */
export interface FitHooks {
  onStep?(record: StepRecord, steps: number): void;
  /** Scores the validation part with the parameters as they are, after each epoch: for the record, and to stop by. */
  validate?(): Promise<ValidationScores>;
  onValidation?(record: EpochRecord): void;
  /** After each epoch but the last, with all its steps done: the place to save a checkpoint. @param epoch from 0 */
  onCheckpoint?(epoch: number, progress: Progress): Promise<void>;
  readonly signal?: AbortSignal;
}

/** The state of training between two epochs: all that the rest of a run hangs on, beside its settings. */
export interface Progress extends Watched {
  /** every step so far, whole epochs of them */
  readonly records: readonly StepRecord[];
  /** as the step's `graph.readState` gave it */
  readonly state: readonly ArrayBuffer[];
}

/** Where a fit begins: a checkpoint, and steps and epochs of the run before it. */
type Beginning = Partial<Progress> & { readonly start?: { readonly step: number; readonly epoch: number } };

/** How many steps are submitted before the oldest one's loss is awaited. */
const STEPS_IN_FLIGHT = 3;

/** How many steps a rate of images is the mean of. */
const STEPS_TIMED = 10;

interface Flight extends Pick<StepRecord, 'step' | 'epoch' | 'learningRate'> {
  /** loss, number of correct predictions, and in half precision what loss scaling knows */
  readonly reading: Promise<ArrayBuffer[]>;
}

/** Parameters that a fit is changing now. */
const fitted = new WeakSet<Parameter>();

/** A compiled training step for one set of masks and one optimizer. Rates, momentum, decay and seed are free from run to run. */
export class TrainingStep {
  readonly graph: CompiledGraph;
  private readonly gpu: Gpu;
  private readonly model: Model;
  private readonly data: TrainingData;
  private readonly feed: Feed;
  private readonly labels: Tensor;
  private readonly loss: Tensor;
  private readonly correct: Tensor;
  private readonly batchSize: number;
  private readonly prefix: FrozenPrefix | undefined;
  private readonly compiled: CompiledSettings;
  private underWay = false;

  private constructor(
    gpu: Gpu,
    model: Model,
    data: TrainingData,
    graph: CompiledGraph,
    feed: Feed,
    tensors: { labels: Tensor; loss: Tensor; correct: Tensor },
    prefix: FrozenPrefix | undefined,
    compiled: CompiledSettings,
  ) {
    this.gpu = gpu;
    this.model = model;
    this.data = data;
    this.graph = graph;
    this.feed = feed;
    this.labels = tensors.labels;
    this.loss = tensors.loss;
    this.correct = tensors.correct;
    this.batchSize = tensors.labels.size;
    this.prefix = prefix;
    this.compiled = compiled;
  }

  /**
   * Where every epoch shows the frozen layers the same images, they are run once, here, and the step begins behind them:
   * the same bits, sooner. `reuse` false leaves them in the step. Where epochs differ, and several runs of a seed are to
   * come, `kept` (the epochs of a run, and what the frozen layers made in those before) lets each begin behind them, too.
   */
  static async compile(
    gpu: Gpu,
    whole: Model,
    images: TrainingData,
    settings: Pick<
      FitSettings,
      | 'batchSize'
      | 'dropout'
      | 'batchStatistics'
      | 'classWeights'
      | 'augment'
      | 'optimizer'
      | 'labelSmoothing'
      | 'precision'
    >,
    { reuse = true, kept }: { reuse?: boolean; kept?: { readonly store: FeatureStore; readonly epochs: number } } = {},
  ): Promise<TrainingStep> {
    checkArguments('TrainingStep.compile', {
      gpu: [gpu, GPU],
      model: [whole, MODEL],
      data: [images, DATA],
      settings: [settings, OBJECT],
      batchSize: [settings?.batchSize, wholeFrom(1)],
      augment: [settings?.augment, OBJECT],
    });
    checkOptions<Partial<FitSettings>>('TrainingStep.compile', settings, FIT_OPTIONS);
    const { batchSize, dropout, batchStatistics, classWeights, augment, optimizer = 'sgdm', labelSmoothing } = settings;
    checkPrecision(gpu, settings);
    if (images.labels.length < batchSize) {
      throw new FrostlineError(
        `There are ${images.labels.length} training samples, too few for a batch of ${batchSize}. ` +
          'Use a smaller --batch-size.',
      );
    }
    const still = standsStill(images, augment);
    const epochs = keptEpochs(still, kept?.epochs);
    const store = kept?.store ?? new FeatureStore();
    const prefix =
      reuse && epochs !== undefined
        ? FrozenPrefix.of(gpu, whole, images, { batchSize, dropout, epochs, store })
        : undefined;
    // What is wrong with images or frozen weights shows before anything is written.
    if (still) await prefix?.show(augment, { seed: 0, epoch: 0 });
    const { model, data } = prefix ?? { model: whole, data: images };
    const feed = createFeed(gpu, model.network, data, batchSize, augment.fill);
    const { logits } = buildNetwork(model.network, {
      batch: batchSize,
      parameters: model.parameters,
      image: feed.image,
      withoutDropout: !dropout,
      batchStatistics,
    });
    checkLabels(data.labels, logits.size / batchSize, model.network.name);
    const labels = input('labels', [batchSize], 'u32');
    const loss = softmaxCrossEntropy(logits, labels, classWeights, 'loss', { labelSmoothing });
    const correct = countCorrect(argMax(logits), labels);
    const graph = await compile(gpu, { loss, outputs: [correct], update: optimizer });
    feed.load(graph);
    return new TrainingStep(gpu, model, data, graph, feed, { labels, loss, correct }, prefix, settings);
  }

  /** Steps of one epoch; the incomplete batch at the end is left out, as MATLAB does. */
  stepsAnEpoch(): number {
    return Math.floor(this.data.labels.length / this.batchSize);
  }

  /**
   * Trains from the parameters' present values, momentum starting at zero; or goes on from a checkpoint.
   * @param from a checkpoint; `start`, steps and epochs of the run before this call
   * @returns a record for each step
   * @throws DivergedError when the loss is NaN or infinite: names the step and the first layer that is not finite
   * @throws FrostlineError for settings that are none or that the step was not compiled for, and while another fit that
   *   trains the same parameters is under way, of this step or another one
   */
  async fit(
    settings: FitSettings,
    hooks: FitHooks = {},
    from: Partial<Progress> & { readonly start?: { readonly step: number; readonly epoch: number } } = {},
  ): Promise<StepRecord[]> {
    checkArguments('TrainingStep.fit', { settings: [settings, OBJECT], hooks: [hooks, OBJECT], from: [from, OBJECT] });
    checkFitSettings('TrainingStep.fit', settings);
    checkCompiled(settings, this.compiled);
    if (this.underWay) {
      throw new FrostlineError(
        'TrainingStep.fit: a fit of this step is under way, and two would change the same parameters. Await it first.',
      );
    }
    const trained = [...this.model.parameters.values()].filter(({ trainable }) => trainable);
    const taken = trained.find((parameter) => fitted.has(parameter));
    if (taken !== undefined) {
      throw new FrostlineError(
        `TrainingStep.fit: another fit is under way that changes ${taken.name}, too, and each would train what the other ` +
          'left. Await it first, or train a model of its own: createModel(network).',
      );
    }
    this.underWay = true;
    for (const parameter of trained) fitted.add(parameter);
    try {
      return await this.train(settings, hooks, from);
    } finally {
      this.underWay = false;
      for (const parameter of trained) fitted.delete(parameter);
    }
  }

  private async train(settings: FitSettings, hooks: FitHooks, from: Beginning): Promise<StepRecord[]> {
    const { epochs, shuffle, seed, augment, momentum, secondMomentum, epsilon, weightDecay } = settings;
    const { labels } = this.data;
    const { start = { step: 0, epoch: 0 } } = from;
    const steps = epochs * this.stepsAnEpoch();
    checkOptimizer(settings);
    checkSchedule(settings.schedule, steps);
    checkEarlyStopping(settings, hooks.validate);
    const watch = new EpochWatch(this.graph, settings.earlyStopping, { epochs: from.epochs ?? [], best: from.best });
    this.graph.resetMomentum();
    if (from.state !== undefined) this.graph.writeState(from.state);
    const records: StepRecord[] = [...(from.records ?? [])];
    const flight: Flight[] = [];
    const times = [performance.now()];
    const land = async () => {
      const { reading, ...at } = flight.shift()!;
      const [lossBytes, correctBytes, scaling] = await reading;
      const loss = new Float32Array(lossBytes)[0];
      if (!Number.isFinite(loss)) throw await this.explain(at.step, loss);
      const now = performance.now();
      const since = times.at(-STEPS_TIMED) ?? times[0];
      const record: StepRecord = {
        ...at,
        loss,
        accuracy: new Uint32Array(correctBytes)[0] / this.batchSize,
        imagesPerSecond: (1000 * this.batchSize * Math.min(times.length, STEPS_TIMED)) / (now - since),
        ...(scaling !== undefined && scalingRecord(scaling)),
      };
      times.push(now);
      records.push(record);
      hooks.onStep?.(record, steps);
    };
    // Steps and epochs of this call count from 0 for the schedule and Adam; of the whole run for what is drawn.
    let updates = records.length;
    try {
      for (let done = updates / this.stepsAnEpoch(); done < epochs; done++) {
        const epoch = start.epoch + done;
        const order = epochOrder(labels.length, { shuffle, seed, epoch });
        await this.prefix?.show(augment, { seed, epoch }, hooks.signal);
        for (const batch of batchesOf(order, { batchSize: this.batchSize })) {
          hooks.signal?.throwIfAborted();
          const step = start.step + updates;
          const learningRate = rateAt(settings.learningRate, settings.schedule, { step: updates, steps, epoch: done });
          const adam = { secondMomentum, epsilon, updates };
          this.graph.setStep({ learningRate, momentum, ...adam, weightDecay, step, seed });
          this.graph.write(
            this.labels,
            Uint32Array.from(batch, (i) => labels[i]),
          );
          this.feed.write(this.graph, batch, this.transforms(augment, { seed, epoch, samples: batch }));
          const reading = this.graph.run(this.wanted);
          reading.catch(() => {}); // told when it lands
          flight.push({ step, epoch, learningRate, reading });
          if (flight.length >= STEPS_IN_FLIGHT) await land();
          updates++;
        }
        const last = done + 1 === epochs;
        if (hooks.validate === undefined && (hooks.onCheckpoint === undefined || last)) continue;
        while (flight.length > 0) await land();
        if (hooks.validate !== undefined) {
          const stop = await watch.offer(epoch, await hooks.validate());
          hooks.onValidation?.(watch.epochs.at(-1)!);
          if (stop) break;
        }
        if (last || hooks.onCheckpoint === undefined) continue;
        const state = await this.graph.readState();
        await hooks.onCheckpoint(epoch, { records: [...records], state, epochs: [...watch.epochs], best: watch.best });
      }
      while (flight.length > 0) await land();
      watch.restore();
    } finally {
      await Promise.allSettled(flight.map(({ reading }) => reading));
    }
    return records;
  }

  /** Read of each step. */
  private get wanted(): readonly Tensor[] {
    const { lossScale } = this.graph;
    return [this.loss, this.correct, ...(lossScale === undefined ? [] : [lossScale])];
  }

  destroy(): void {
    this.graph.destroy();
    this.prefix?.destroy();
  }

  private transforms(
    preset: AugmentPreset,
    draw: { seed: number; epoch: number; samples: Uint32Array },
  ): Float32Array<ArrayBuffer> | undefined {
    if (this.data.kind === 'tensors') return undefined;
    const { height, width } = this.data;
    return drawTransforms(preset, { ...draw, height, width });
  }

  /** Names the first layer whose output is not finite, with the weights as they are now. */
  private async explain(step: number, loss: number): Promise<DivergedError> {
    const samples = Array.from({ length: this.batchSize }, (_, i) => i);
    const where = await whereNotFinite(this.gpu, this.model, this.feed, samples);
    return new DivergedError(`The loss is ${loss} at step ${step}; ${where}`);
  }
}

function scalingRecord(bytes: ArrayBuffer): Pick<StepRecord, 'lossScale' | 'skipped'> {
  const scaling = new Float32Array(bytes);
  return { lossScale: 1 / scaling[SCALING.unscale], skipped: scaling[SCALING.skipped] > 0 };
}

/**
 * What can be told before anything is compiled or written.
 * @throws FrostlineError for an optimizer's numbers, a warm-up that does not end, or early stopping with nothing to stop by
 */
export function checkFit(
  settings: Pick<FitSettings, 'epochs' | 'batchSize' | 'schedule' | 'earlyStopping' | keyof OptimizerSettings>,
  { train, validation }: { readonly train: TrainingData; readonly validation?: TrainingData },
): void {
  checkArguments('a run, or a phase of one', { epochs: [settings.epochs, wholeFrom(1)] });
  checkOptimizer(settings);
  checkSchedule(settings.schedule, settings.epochs * Math.floor(train.labels.length / settings.batchSize));
  checkEarlyStopping(settings, validation);
}

/** @throws FrostlineError where a fit asks for what is part of a compiled step, and the step has another */
function checkCompiled(settings: FitSettings, compiled: CompiledSettings): void {
  const refuse = (name: string, [now, before]: readonly unknown[]) => {
    const [asked, had] = [now, before].map((value) => JSON.stringify(value) ?? 'left out');
    if (asked === had) return;
    throw new FrostlineError(
      `TrainingStep.fit: ${name} is ${asked}, and the step was compiled with ${had}. Compile a step with these settings.`,
    );
  };
  for (const [name, usual] of Object.entries(COMPILED)) {
    const key = name as keyof typeof COMPILED;
    refuse(
      name,
      [settings, compiled].map((one) => one[key] ?? usual),
    );
  }
  refuse(
    'augment.fill',
    [settings, compiled].map(({ augment }) => augment.fill),
  );
}

/** What a run's records say of its precision must be what it was computed in. */
function checkPrecision(gpu: Gpu, { precision = 'f32' }: Pick<FitSettings, 'precision'>): void {
  if (gpu.precision === precision) return;
  throw new FrostlineError(
    `The settings ask for precision ${precision}, the device was opened with ${gpu.precision}. Give both the same.`,
  );
}

/** @throws FrostlineError when a label is no class of the network */
export function checkLabels(labels: Uint32Array, classes: number, network: string): void {
  const at = labels.findIndex((label) => label >= classes);
  if (at >= 0) {
    throw new FrostlineError(
      `Sample ${at} has the label ${labels[at]}; ${network} has ${classes} classes, 0 to ${classes - 1}. ` +
        'Correct the labels, or let the classifier be replaced.',
    );
  }
}
