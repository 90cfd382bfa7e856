/** The options that `train` and `sweep` share: where model and data come from, and how a run trains. */
import { z } from 'zod';
import type { DatasetOptions } from '../data/load.ts';
import { FrostlineError } from '../errors.ts';
import { type PreprocessingPreset, presets } from '../models/preprocessing.ts';
import type { DataSource, ModelSource } from '../train/experiment.ts';
import type { FitSettings } from '../train/fit.ts';
import type { Schedule } from '../train/schedule.ts';
import { precisionOption } from './adapter.ts';
import { datasetOptions, maxPixelsOption } from './dataset-options.ts';
import { inputSizeOption } from './model-options.ts';
import { kebabCase } from './options.ts';

const { split: _, ...readOptions } = datasetOptions;

export const modelOptions = {
  preprocessing: z
    .enum(Object.keys(presets) as [PreprocessingPreset, ...PreprocessingPreset[]])
    .optional()
    .describe("how images become the input, where the model's file does not say"),
  inputSize: inputSizeOption,
};

export const dataOptions = {
  data: z
    .string()
    .optional()
    .meta({ valueName: 'DIR' })
    .describe('data set: a folder by class, a CSV, PH2, IDX files, .npy arrays'),
  ...readOptions,
  trainFraction: z
    .union([z.number().gt(0).max(1), z.literal('given')])
    .default(0.75)
    .describe("share of each class to train on; or given: the data set's own parts train and test"),
  splitFile: z
    .string()
    .optional()
    .meta({ valueName: 'FILE' })
    .describe('a split.json saved before, in place of a drawn split'),
  validationFraction: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('share of each class of the training part that is not trained on but chosen on'),
  duplicates: z
    .enum(['tell', 'together'])
    .optional()
    .describe('images of equal pixels: tell where a split parts them, or keep them on one side'),
  maxPixels: maxPixelsOption,
};

/** Of a training on its own; a grid takes several of each. */
export const strategyOption = z
  .string()
  .meta({ valueName: 'STRATEGY' })
  .describe(
    'how it is trained: direct, head-first[=EPOCHS], gradual[=EPOCHS], layer-decay=FACTOR, a YAML file of phases',
  );

/** No default: whoever does not ask has the configuration of before. */
export const logitsOption = z
  .boolean()
  .optional()
  .describe("also write the test images' logits, what the softmax is taken of, as logits.csv");

/** Which class is looked for, where a score has one. */
export const scoreOptions = {
  positive: z
    .string()
    .optional()
    .meta({ valueName: 'CLASS' })
    .describe('class that is looked for, for the operating point; of two classes the rarer one unless given'),
  sensitivity: z.number().gt(0).max(1).default(0.95).describe('share of it that the operating point must find'),
};

/** Of a grid alone. */
export const divisionOptions = {
  splits: z.number().int().min(1).optional().describe('how many splits are drawn, from seeds counting up from --seed'),
  folds: z.number().int().min(2).optional().describe('cross-validation: every image is tested in one of so many folds'),
};

export const fitOptions = {
  optimizer: z
    .enum(['sgdm', 'adam', 'adamw'])
    .optional()
    .describe('what updates the weights; sgdm unless given; adam has the decay in the gradient, adamw beside it'),
  beta2: z.number().min(0).lt(1).optional().describe('of Adam; 0.999 unless given'),
  epsilon: z.number().gt(0).lt(1).optional().describe('of Adam; 1e-8 unless given'),
  newLayerFactor: z.number().min(0).default(10).describe('factor on the learning rate of the new layer'),
  weightDecay: z.number().min(0).default(1e-4).describe('L2 factor on weights, not on biases'),
  batchSize: z.number().int().min(1).default(10).describe('images a step'),
  schedule: z
    .enum(['constant', 'step', 'cosine'])
    .optional()
    .describe('how the rate goes: constant, times --step-factor every --step-epochs, or down a half cosine to 0'),
  warmupSteps: z.number().int().min(1).optional().describe('steps over which the rate rises to its value'),
  stepEpochs: z.number().int().min(1).optional().describe('of --schedule step'),
  stepFactor: z.number().gt(0).lt(1).optional().describe('of --schedule step; 0.1 unless given'),
  earlyStopping: z
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ valueName: 'PATIENCE' })
    .describe(
      'end behind so many epochs without a lower loss on the validation part, and keep the best epoch; as many as --epochs train all',
    ),
  layerDecay: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('factor on the rate for each learnable layer before the last: 0.5 halves it from layer to layer'),
  classWeights: z.array(z.number().positive()).optional().describe('weight of each class in the loss'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('share of each label that the loss spreads over all classes'),
  epochs: z.number().int().min(1).default(6).describe('passes over the training images'),
  shuffle: z.enum(['every-epoch', 'once', 'never']).default('every-epoch').describe('when the order is drawn'),
  augment: z.enum(['paper', 'matlab-alexnet', 'none']).default('paper').describe('random changes of the images'),
  dropout: z.enum(['auto', 'off']).default('auto').describe('off leaves dropout layers out'),
  batchNorm: z
    .enum(['running', 'batch'])
    .optional()
    .describe(
      "what trained batch normalisation goes by: the file's running statistics, which stand still (the default), or each batch's own, which the running ones follow",
    ),
  precision: precisionOption,
  seed: z.number().int().min(0).default(1).describe('of split, new layer, order, augmentation and dropout'),
};

type Values<T extends z.ZodRawShape> = z.output<z.ZodObject<T>>;

export function modelSource(model: string, values: Values<typeof modelOptions>, keepHead = false): ModelSource {
  const { preprocessing, inputSize } = values;
  return { model, preprocessing, inputSize, keepHead };
}

export function dataSource(
  values: Values<typeof dataOptions>,
  tensors?: { images?: string; labels?: string },
  { splits, folds }: Values<typeof divisionOptions> = {},
): DataSource {
  const { data, trainFraction, splitFile, validationFraction, duplicates, maxPixels } = values;
  if (splits !== undefined && folds !== undefined) {
    throw new FrostlineError(`--splits ${splits} and --folds ${folds}: give one of them.`);
  }
  const divisions = { splits, folds, validationFraction, duplicates, maxPixels };
  if ((tensors?.images === undefined) !== (tensors?.labels === undefined)) {
    throw new FrostlineError('--images and --labels go together: the inputs and their classes.');
  }
  if (tensors?.images !== undefined) {
    if (data !== undefined) throw new FrostlineError('Give either --data or --images and --labels, not both.');
    const unread = [...Object.keys(readOptions), 'splitFile'] as (keyof typeof values)[];
    const given = unread.find((key) => values[key] !== undefined && key !== 'format');
    if (given !== undefined) {
      throw new FrostlineError(`--${kebabCase(given)} does not apply to --images and --labels. Leave it out.`);
    }
    return { tensors: { images: tensors.images, labels: tensors.labels! }, trainFraction, ...divisions };
  }
  if (data === undefined) {
    throw new FrostlineError('No data: give --data DIR (for example --data samples/fashion-two).');
  }
  const given = Object.keys(readOptions) as (keyof typeof readOptions)[];
  const dataset: DatasetOptions = { path: data, ...Object.fromEntries(given.map((key) => [key, values[key]])) };
  return { dataset, trainFraction, splitFile, ...divisions };
}

export async function fitSettings(
  values: Values<typeof fitOptions> & { momentum: number },
): Promise<Omit<FitSettings, 'learningRate' | 'seed'>> {
  const { augmentPresets } = await import('../data/augment.ts');
  const { momentum, weightDecay, batchSize, epochs, shuffle, augment, dropout } = values;
  const { optimizer, beta2, epsilon, classWeights, labelSmoothing, earlyStopping } = values;
  const schedule = scheduleOf(values);
  return {
    ...(optimizer && { optimizer }),
    momentum,
    ...(beta2 !== undefined && { secondMomentum: beta2 }),
    ...(epsilon !== undefined && { epsilon }),
    weightDecay,
    batchSize,
    epochs,
    shuffle,
    augment: augmentPresets[augment],
    dropout: dropout === 'auto',
    ...(values.batchNorm === 'batch' && { batchStatistics: true }),
    ...(classWeights && { classWeights }),
    ...(labelSmoothing !== undefined && { labelSmoothing }),
    ...(schedule && { schedule }),
    ...(earlyStopping !== undefined && { earlyStopping }),
    ...(values.precision === 'f16' && { precision: 'f16' as const }),
  };
}

/** @throws FrostlineError for parts of a schedule that is not asked for, or one whose part is missing */
function scheduleOf({
  schedule: kind,
  warmupSteps: warmup,
  stepEpochs: every,
  stepFactor: factor,
}: Pick<Values<typeof fitOptions>, 'schedule' | 'warmupSteps' | 'stepEpochs' | 'stepFactor'>): Schedule | undefined {
  if (kind !== 'step' && (every !== undefined || factor !== undefined)) {
    throw new FrostlineError('--step-epochs and --step-factor belong to --schedule step. Give it, or leave them out.');
  }
  if (kind === 'step' && every === undefined) {
    throw new FrostlineError('--schedule step: say after how many epochs the rate falls, as in --step-epochs 4.');
  }
  if (kind === undefined && warmup === undefined) return undefined;
  return { kind: kind ?? 'constant', warmup, every, factor };
}
