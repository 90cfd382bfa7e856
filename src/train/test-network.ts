/** A network as its file is, on a labelled data set: predictions and all scores with their intervals. */
import type { ImageDataset } from '../data/dataset.ts';
import { type DecodeOptions, decodeImages } from '../data/decode.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Network } from '../models/network.ts';
import { type DetailedScores, detailedScores } from '../statistics/detail.ts';
import { type Evaluation, Evaluator } from './evaluate.ts';
import { computeMetrics, confusionMatrix, type Metrics } from './metrics.ts';
import { createModel, releaseModel } from './model.ts';
import { classNames, imageSize } from './predict.ts';

export interface TestOptions extends Pick<DecodeOptions, 'concurrency' | 'onProgress' | 'maxPixels'> {
  /** images at a time on the device; 16 unless given */
  readonly batch?: number;
  /** the class that is looked for, and the share of it that is to be found */
  readonly positive?: string;
  readonly sensitivity?: number;
  readonly signal?: AbortSignal;
  /** keep the logits, too */
  readonly logits?: boolean;
  /** is told what the decoder remarked on images that are used */
  onRemark?(text: string): void;
}

export interface TestResult {
  /** in the order of the network's outputs */
  readonly classes: readonly string[];
  readonly metrics: Metrics;
  /** rows are true classes, columns predicted ones */
  readonly confusion: readonly (readonly number[])[];
  readonly detail: DetailedScores;
  readonly evaluation: Evaluation;
  /** class of each sample, by place among `classes` */
  readonly labels: Uint32Array;
}

/**
 * Classes go together by name; a network without names takes the data's in their order.
 * @throws FrostlineError where the network's classes are not those of the data, or one has no image
 */
export async function testNetwork(
  gpu: Gpu,
  network: Network,
  dataset: ImageDataset,
  options: TestOptions = {},
): Promise<TestResult> {
  const [height, width] = imageSize(network);
  const { batch = 16, positive, sensitivity, signal, concurrency, onProgress, maxPixels, logits } = options;
  const model = createModel(network);
  try {
    // One image tells how many classes there are, before all are decoded.
    const outputs = await withEvaluator(
      gpu,
      model,
      blank(height, width),
      1,
      {},
      async (one) => (await one.run()).classes,
    );
    const classes = network.labels === undefined ? dataset.classes : classNames(network, outputs);
    const labels = place(dataset, classes, outputs, network);
    const decoding = { height, width, concurrency, onProgress, maxPixels };
    const { data, remarks } = await decodeImages(dataset, decoding);
    for (const remark of remarks) options.onRemark?.(remark);
    const images = { kind: 'images' as const, pixels: data, height, width, labels };
    return await withEvaluator(gpu, model, images, Math.min(batch, labels.length), { logits }, async (evaluator) => {
      const evaluation = await evaluator.run(signal);
      const confusion = confusionMatrix(labels, evaluation.predictions, outputs);
      const groups = dataset.samples.map(({ group }) => group);
      const { probabilities } = evaluation;
      const detail = detailedScores({ labels, probabilities }, { classes, groups, positive, sensitivity });
      return { classes, metrics: computeMetrics(confusion), confusion, detail, evaluation, labels };
    });
  } finally {
    releaseModel(gpu, model);
  }
}

const blank = (height: number, width: number) => ({
  kind: 'images' as const,
  pixels: new Uint8Array(height * width * 4),
  height,
  width,
  labels: new Uint32Array(1),
});

async function withEvaluator<T>(
  gpu: Gpu,
  model: ReturnType<typeof createModel>,
  data: Parameters<typeof Evaluator.compile>[2],
  batch: number,
  options: { logits?: boolean },
  use: (evaluator: Evaluator) => Promise<T>,
): Promise<T> {
  const evaluator = await Evaluator.compile(gpu, model, data, batch, options);
  try {
    return await use(evaluator);
  } finally {
    evaluator.destroy();
  }
}

/** Labels of the samples as places among the network's classes. */
function place(dataset: ImageDataset, classes: readonly string[], outputs: number, { name }: Network) {
  if (classes.length !== outputs) {
    throw new FrostlineError(
      `${name} has ${outputs} classes without names, the data ${classes.length} (${classes.join(', ')}). ` +
        'Give data of the classes that it was trained on.',
    );
  }
  const unknown = dataset.classes.filter((own) => !classes.includes(own));
  if (unknown.length > 0) {
    throw new FrostlineError(
      `The data has ${unknown.join(', ')}, which ${name} does not know: its classes are ${classes.join(', ')}. ` +
        'Rename the classes of the data, or leave some out with --exclude.',
    );
  }
  const labels = Uint32Array.from(dataset.samples, ({ label }) => classes.indexOf(dataset.classes[label]));
  const missing = classes.filter((_, c) => !labels.includes(c));
  if (missing.length > 0) {
    throw new FrostlineError(
      `The data has no image of ${missing.join(', ')}, so the scores of ${name} are not defined on it. Add some.`,
    );
  }
  return labels;
}
