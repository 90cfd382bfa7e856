/** Batch normalisation as operations of tensors; the mathematics stands in ../../kernels/batch-normalization. */
import { checkArguments, OBJECT, oneOf } from '../../arguments.ts';
import type { Storage } from '../../gpu/storage.ts';
import { emitBiasGradient } from '../../graph/bias-gradient.ts';
import { apply, type BackwardEmitter, type ForwardEmitter, type Operation, refuse } from '../../graph/operation.ts';
import { checkTensors, type Tensor } from '../../graph/tensor.ts';
import { rows, type Window, windows } from '../../graph/windows.ts';
import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { normalizationCoefficients } from '../../kernels/batch-normalization/coefficients.ts';
import { batchInputGradient, scaleGradient } from '../../kernels/batch-normalization/gradient.ts';
import { batchMean, batchVariance, runningStatistics } from '../../kernels/batch-normalization/statistics.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** What normalising by the batch adds to the variance. */
export interface NormalizeBatchOptions {
  /** added to the variance. Default 1e-5 */
  readonly epsilon?: number;
  readonly name?: string;
}

/** What batch normalisation goes by in training, and how fast its running statistics follow. */
export interface BatchNormalizationOptions extends NormalizeBatchOptions {
  /** share of the running statistics that a step of training by the batch leaves (1 - PyTorch's momentum). Default 0.9 */
  readonly momentum?: number;
  /**
   * what training normalises by: `running`, the statistics that are given, which stand still; `batch`, each batch's own,
   * of which the running ones take a share. Inference goes by the running ones. Default `running`
   */
  readonly statistics?: 'running' | 'batch';
}

/** Places of the operands; `normalizeBatch` has the first three. */
const [X, SCALE, SHIFT, MEAN, VARIANCE] = [0, 1, 2, 3, 4];

/**
 * y = (x - mean) / sqrt(variance + epsilon) scale + shift, channel by channel. ONNX BatchNormalization.
 *
 * @param x [N, C, ...]
 * @param scale [C]
 * @param shift [C]
 * @param mean [C], running: a parameter where training is to write it (`statistics`)
 * @param variance [C], running, as `mean`
 * @throws FrostlineError for other shapes, and by the batch for fewer than two values a channel
 */
export function batchNormalization(
  x: Tensor,
  scale: Tensor,
  shift: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: BatchNormalizationOptions = {},
): Tensor {
  checkArguments('batchNormalization', { options: [options, OBJECT] });
  const { epsilon = 1e-5, momentum = 0.9, statistics = 'running', name = 'batchNormalization', ...rest } = options;
  checkTensors(name, { x, scale, shift, mean, variance });
  checkArguments(name, { statistics: [statistics, oneOf('running', 'batch')] });
  shapesOf(name, rule, { epsilon, momentum, ...rest }, [x], { scale, shift, mean, variance });
  const channels = channelsOf(x);
  const common = { channels, epsilon, name };
  if (statistics === 'batch') expectSeveral(channels, name);
  const normalization =
    statistics === 'batch'
      ? keeping(byBatchInTraining(common), momentum, common)
      : { ...operation('batchNormalization', { ...common, statisticsOf: runningOf }), combination: byChannel(common) };
  return apply(normalization, [x, scale, shift, mean, variance], x.shape, name);
}

type Common = Pick<Plan, 'channels' | 'epsilon' | 'name'>;

/** Both are written by one kernel: bindings that are written begin at multiples of 256 bytes, and must not overlap. */
const shiftAt = (channels: number) => 64 * Math.ceil(channels / 64);

/**
 * By statistics that stand still it is a scale and a shift of each channel, which whoever writes x may apply; not where x
 * is read again, for the scale's gradient.
 */
const byChannel = ({ channels: { count }, epsilon }: Common): Operation['combination'] => ({
  is: { name: 'batch normalisation', wgsl: 'value * scale + shift', operand: { shiftAt: shiftAt(count) } },
  of: [X],
  derivativeOf: 'input',
  operand(emit) {
    const both = emit.saved('factor and offset', 4 * (shiftAt(count) + count));
    const [scale, shift, mean, variance] = [SCALE, SHIFT, MEAN, VARIANCE].map((i) => emit.value(emit.inputs[i]).view());
    const [factor, offset] = [both.view(0, 4 * count), both.view(4 * shiftAt(count))];
    emit.run(normalizationCoefficients, { channels: count, epsilon }, { scale, shift, mean, variance, factor, offset });
    return both;
  },
});

const byBatchInTraining = (common: Common): Operation =>
  operation('batchNormalization', {
    ...common,
    statisticsOf: (emit) => (emit.training ? batchOf(emit, common.channels) : runningOf(emit)),
  });

/** The operation, whose running statistics take a share of the batch's in training. */
function keeping(normalization: Operation, momentum: number, { channels }: Common): Operation {
  return {
    ...normalization,
    writes: [MEAN, VARIANCE],
    forward(emit) {
      normalization.forward(emit);
      const [running_mean, running_variance] = [emit.state(MEAN)?.view(), emit.state(VARIANCE)?.view()];
      if (running_mean === undefined || running_variance === undefined) return;
      const { mean, variance } = batchOf(emit, channels);
      emit.run(
        runningStatistics,
        { channels: channels.count, momentum, correction: channels.values / (channels.values - 1) },
        { mean: mean.view(), variance: variance.view(), running_mean, running_variance },
      );
    },
  };
}

/** The same by the statistics of x itself, in inference too: nothing is kept. PyTorch's track_running_stats = False. */
export function normalizeBatch(x: Tensor, scale: Tensor, shift: Tensor, options: NormalizeBatchOptions = {}): Tensor {
  checkArguments('normalizeBatch', { options: [options, OBJECT] });
  const { epsilon = 1e-5, name = 'normalizeBatch', ...rest } = options;
  checkTensors(name, { x, scale, shift });
  shapesOf(name, rule, { epsilon, momentum: 0, ...rest }, [x], { scale, shift });
  const channels = channelsOf(x);
  expectSeveral(channels, name);
  const byBatch = operation('normalizeBatch', {
    ...{ channels, epsilon, name },
    statisticsOf: (emit) => batchOf(emit, channels),
  });
  return apply(byBatch, [x, scale, shift], x.shape, name);
}

interface Channels {
  readonly batch: number;
  readonly count: number;
  readonly plane: number;
  /** of a channel, in all */
  readonly values: number;
  readonly itemBytes: number;
}

function channelsOf({ shape: [batch, count], size }: Tensor): Channels {
  const values = size / count;
  return { batch, count, plane: values / batch, values, itemBytes: (4 * size) / batch };
}

function expectSeveral({ values, batch, count, plane }: Channels, name: string): void {
  if (values > 1) return;
  refuse(
    name,
    `[${batch}, ${count}, ${plane}] has one value a channel, whose variance over the batch is 0`,
    'Use a larger batch, or the running statistics.',
  );
}

interface Statistics {
  readonly mean: Storage;
  readonly variance: Storage;
  /** of the batch that is normalised: they depend on x */
  readonly ofBatch: boolean;
}

const runningOf = ({ value, inputs }: ForwardEmitter): Statistics => ({
  mean: value(inputs[MEAN]),
  variance: value(inputs[VARIANCE]),
  ofBatch: false,
});

/** Where the batch's own are; forward puts them there. */
const batchOf = (emit: ForwardEmitter, { count }: Channels): Statistics => ({
  mean: emit.saved('mean', 4 * count),
  variance: emit.saved('variance', 4 * count),
  ofBatch: true,
});

/** Visits the batch in windows of items, with the parameters that all kernels share. */
type EachWindow = (
  emit: ForwardEmitter,
  visit: (window: Window, shape: { batch: number; channels: number; plane: number }, accumulate: 0 | 1) => void,
) => void;

interface Plan {
  readonly channels: Channels;
  readonly epsilon: number;
  readonly name: string;
  readonly each: EachWindow;
  statisticsOf(emit: ForwardEmitter): Statistics;
}

/** Forward and backward by the statistics that `statisticsOf` says. */
function operation(
  kind: string,
  { epsilon, name, ...given }: Pick<Plan, 'channels' | 'epsilon' | 'name' | 'statisticsOf'>,
): Operation {
  const { batch, count, plane, itemBytes } = given.channels;
  const each: EachWindow = (emit, visit) => {
    for (const window of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
      visit(window, { batch: window.count, channels: count, plane }, window.first > 0 ? 1 : 0);
    }
  };
  const plan: Plan = { ...given, epsilon, name, each };
  return { name: kind, forward: (emit) => forward(emit, plan), backward: (emit) => backward(emit, plan) };
}

const factorOf = (emit: ForwardEmitter, { count }: Channels) => emit.saved('factor', 4 * count).view();

function forward(emit: ForwardEmitter, { channels, epsilon, each, statisticsOf }: Plan): void {
  const { count, itemBytes } = channels;
  const { mean, variance, ofBatch } = statisticsOf(emit);
  const [x, y] = [emit.value(emit.inputs[X]), emit.value(emit.output)];
  const moments = { mean: mean.view(), variance: variance.view() };
  if (ofBatch) {
    const share = 1 / channels.values;
    each(emit, (window, shape, accumulate) => {
      emit.run(batchMean, { ...shape, share, accumulate }, { x: rows(x, itemBytes, window), mean: moments.mean });
    });
    each(emit, (window, shape, accumulate) => {
      emit.run(batchVariance, { ...shape, share, accumulate }, { x: rows(x, itemBytes, window), ...moments });
    });
  }
  const [factor, offset] = [factorOf(emit, channels), emit.saved('offset', 4 * count).view()];
  const [scale, shift] = [SCALE, SHIFT].map((i) => emit.value(emit.inputs[i]).view());
  emit.run(normalizationCoefficients, { channels: count, epsilon }, { scale, shift, ...moments, factor, offset });
  each(emit, (window, shape) => {
    emit.run(
      affineForward,
      { ...shape, scale_step: 1, shift_step: 1 },
      { x: rows(x, itemBytes, window), scale: factor, shift: offset, y: rows(y, itemBytes, window) },
    );
  });
}

function backward(emit: BackwardEmitter, plan: Plan): void {
  const { channels, epsilon, name, each, statisticsOf } = plan;
  const { batch, count, plane, itemBytes } = channels;
  const { mean, variance, ofBatch } = statisticsOf(emit);
  const dx = emit.gradient(X);
  // By the batch, x moves the statistics: both sums are needed for dx, whoever else wants them.
  const sum = (i: number, what: string) =>
    emit.gradient(i) ?? (ofBatch && dx !== undefined ? emit.saved(what, 4 * count) : undefined);
  const [dscale, dshift] = [sum(SCALE, 'gradient of the scale'), sum(SHIFT, 'gradient of the shift')];
  const [x, dy] = [emit.value(emit.inputs[X]), emit.outputGradient];
  const moments = { mean: mean.view(), variance: variance.view() };
  if (dscale !== undefined) {
    each(emit, (window, shape, accumulate) => {
      const views = { x: rows(x, itemBytes, window), dy: rows(dy, itemBytes, window), ...moments };
      emit.run(scaleGradient, { ...shape, epsilon, accumulate }, { ...views, dscale: dscale.view() });
    });
  }
  if (dshift !== undefined) emitBiasGradient(emit, dshift, { dy, batch, channels: count, plane, name });
  if (dx === undefined) return;
  const factor = factorOf(emit, channels);
  each(emit, (window, shape) => {
    const views = { dy: rows(dy, itemBytes, window), dx: rows(dx, itemBytes, window) };
    if (!ofBatch) {
      emit.run(affineBackward, { ...shape, scale_step: 1 }, { ...views, scale: factor });
      return;
    }
    const sums = { dscale: dscale!.view(), dshift: dshift!.view() };
    emit.run(
      batchInputGradient,
      { ...shape, share: 1 / channels.values, epsilon },
      { ...views, x: rows(x, itemBytes, window), ...moments, ...sums, factor },
    );
  });
}
