/** The options that `train` and `sweep` share: where model and data come from, and how a run trains. */
import { z } from 'zod';
import type { DatasetOptions } from '../data/load.ts';
import { FrostlineError } from '../errors.ts';
import type { DataSource, ModelSource } from '../train/experiment.ts';
import type { FitSettings } from '../train/fit.ts';

const dir = { placeholder: 'DIR' };
const file = { placeholder: 'FILE' };

export const adapterOption = z
  .string()
  .optional()
  .describe('auto, hardware, software, embedded, or part of an adapter’s name (default: FROSTLINE_ADAPTER, else auto)');

export const modelOptions = {
  preprocessing: z
    .string()
    .optional()
    .describe(
      'how images become the input, where the model’s file does not say: caffe-bgr, caffe-vgg-bgr, torchvision, raw-rgb, symmetric',
    ),
  inputSize: z.array(z.number().int().min(1)).length(2).optional().describe('height and width of the input'),
};

export const dataOptions = {
  data: z.string().optional().meta(dir).describe('data set: a folder by class, a CSV, PH2, IDX files, .npy arrays'),
  format: z.enum(['auto', 'folder', 'csv', 'ph2', 'idx', 'npy']).default('auto').describe('layout of the data set'),
  pathColumn: z.string().optional().describe('CSV: column of the image files'),
  labelColumn: z.string().optional().describe('CSV: column of the labels'),
  groupColumn: z.string().optional().describe('CSV: column of groups that a split must not part'),
  task: z.enum(['melanoma', 'three-class']).optional().describe('PH2: melanoma against the rest, or all three'),
  allowCounts: z.boolean().optional().describe('PH2: accept other counts than 80, 80 and 40'),
  classNames: z.array(z.string()).optional().describe('IDX, npy: names of the classes in the order of the labels'),
  exclude: z.array(z.string()).optional().describe('names of classes to leave out'),
  trainFraction: z
    .union([z.number().gt(0).max(1), z.literal('given')])
    .default(0.75)
    .describe('share of each class to train on, or given: the data set’s own parts train and test'),
  split: z.string().optional().meta(file).describe('a split.json saved before, in place of a drawn split'),
};

export const fitOptions = {
  newLayerFactor: z.number().min(0).default(10).describe('factor on the learning rate of the new layer'),
  weightDecay: z.number().min(0).default(1e-4).describe('L2 factor on weights, not on biases'),
  batchSize: z.number().int().min(1).default(10).describe('images a step'),
  epochs: z.number().int().min(1).default(6).describe('passes over the training images'),
  shuffle: z.enum(['every-epoch', 'once', 'never']).default('every-epoch').describe('when the order is drawn'),
  augment: z.enum(['paper', 'matlab-alexnet', 'none']).default('paper').describe('random changes of the images'),
  dropout: z.enum(['auto', 'off']).default('auto').describe('off leaves dropout layers out'),
  seed: z.number().int().min(0).default(1).describe('of split, new layer, order, augmentation and dropout'),
};

type Values<T extends z.ZodRawShape> = z.output<z.ZodObject<T>>;

export function modelSource(model: string, values: Values<typeof modelOptions>, keepHead = false): ModelSource {
  const { preprocessing, inputSize } = values;
  return { model, preprocessing, inputSize: inputSize && [inputSize[0], inputSize[1]], keepHead };
}

export function dataSource(
  values: Values<typeof dataOptions>,
  tensors?: { images?: string; labels?: string },
): DataSource {
  const { data, trainFraction, split, format, pathColumn, labelColumn, groupColumn, task, allowCounts } = values;
  const { classNames, exclude } = values;
  if ((tensors?.images === undefined) !== (tensors?.labels === undefined)) {
    throw new FrostlineError('--images and --labels go together: the inputs and their classes.');
  }
  if (tensors?.images !== undefined) {
    if (data !== undefined) throw new FrostlineError('Give either --data or --images and --labels, not both.');
    return { tensors: { images: tensors.images, labels: tensors.labels! }, trainFraction };
  }
  if (data === undefined) {
    throw new FrostlineError('No data: give --data DIR (for example --data samples/fashion-two).');
  }
  const columns = { pathColumn, labelColumn, groupColumn };
  const dataset: DatasetOptions = { path: data, format, ...columns, task, allowCounts, classNames, exclude };
  return { dataset, trainFraction, splitFile: split };
}

export async function fitSettings(
  values: Values<typeof fitOptions> & { momentum: number },
): Promise<Omit<FitSettings, 'learningRate' | 'seed'>> {
  const { augmentPresets } = await import('../data/augment.ts');
  const { momentum, weightDecay, batchSize, epochs, shuffle, augment, dropout } = values;
  return {
    momentum,
    weightDecay,
    batchSize,
    epochs,
    shuffle,
    augment: augmentPresets[augment],
    dropout: dropout === 'auto',
  };
}
