/**
 * What a run or a grid starts from: a network with its classifier set up for the data's classes, the data decoded at the
 * network's size, and one split. Everything later (freeze points, rates, seeds) works on this.
 */
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { loadTensors } from '../data/arrays.ts';
import type { ImageDataset } from '../data/dataset.ts';
import { decodeImages } from '../data/decode.ts';
import { type DatasetOptions, loadDataset } from '../data/load.ts';
import { loadSplit, type Split, stratifiedSplit } from '../data/split.ts';
import { FrostlineError } from '../errors.ts';
import { checkWritable } from '../files.ts';
import { cacheFolder } from '../gpu/embedded.ts';
import { replaceClassifier } from '../models/classifier.ts';
import { declaredImageSize } from '../models/inputs.ts';
import { loadNetwork } from '../models/load.ts';
import type { Network, Pair } from '../models/network.ts';
import { preprocessingPreset } from '../models/preprocessing.ts';
import { count, inferShapes } from '../models/shapes.ts';
import { alexnet, alexnetSmall, vgg16 } from '../models/tables.ts';
import { resolveModel, verifyWeights } from '../models/zoo.ts';
import { readModel } from '../onnx/read.ts';
import { type ImageData, selectSamples, type TrainingData } from './data.ts';

export interface ModelSource {
  /** an ONNX file, a known name, or random/alexnet, random/vgg16, random/alexnet-small for an untrained one */
  readonly model: string;
  /** a preset's name, where the file does not say how images become its input */
  readonly preprocessing?: string;
  /** height and width of the input, where not the model's own */
  readonly inputSize?: readonly [number, number];
  /** train the file's own classifier instead of a new one */
  readonly keepHead?: boolean;
}

export interface DataSource {
  readonly dataset?: DatasetOptions;
  /** .npy of float32 N,C,H,W used as they are, and .npy of integers N */
  readonly tensors?: { readonly images: string; readonly labels: string };
  /** share of each class to train on; or 'given': the data set's own parts train and test; or 1: no test part */
  readonly trainFraction: number | 'given';
  /** a split that was saved before, in place of a drawn one */
  readonly splitFile?: string;
}

export interface Experiment {
  readonly network: Network;
  /** parameters of the new classifier; none with `keepHead` */
  readonly newParameters: readonly string[];
  /** the same network with its new classifier drawn from another seed */
  withSeed(seed: number): Network;
  readonly source: { readonly name: string; readonly source: string; readonly sha256?: string };
  readonly classes: readonly string[];
  readonly train: TrainingData;
  readonly test: TrainingData | undefined;
  /** names of the test samples */
  readonly testIds: readonly string[];
  readonly dataset: { readonly name: string; readonly notes: readonly string[] };
  /** the data set and the split as drawn, to be saved; none for tensors and given splits */
  readonly split: { readonly dataset: ImageDataset; readonly split: Split } | undefined;
  /** counts by class */
  readonly counts: { readonly train: readonly number[]; readonly test: readonly number[] };
  /** changes when the model's or the data's content does */
  readonly fingerprint: string;
}

/** @throws FrostlineError for a model or data that cannot be had, or do not go together */
export async function openExperiment(
  model: ModelSource,
  data: DataSource,
  seed: number,
  onProgress?: (done: number, total: number) => void,
): Promise<Experiment> {
  const { network: pretrained, source } = await openNetwork(model, seed);
  const opened =
    data.tensors === undefined
      ? await openImages(pretrained, data, seed, onProgress)
      : await openTensors(data.tensors, data, seed);
  const { classes } = opened;
  if (model.keepHead) checkHead(pretrained, opened, data);
  const place = (withSeed: number) =>
    model.keepHead ? { network: pretrained, newParameters: [] } : replaceClassifier(pretrained, classes, withSeed);
  const { network, newParameters } = place(seed);
  const count = (labels = new Uint32Array()) =>
    classes.map((_, c) => labels.reduce((sum, label) => sum + (label === c ? 1 : 0), 0));
  const counts = { train: count(opened.train.labels), test: count(opened.test?.labels) };
  if (opened.test !== undefined) refuseEmptyClasses(classes, counts);
  return {
    network,
    newParameters,
    withSeed: (other) => place(other).network,
    source,
    ...opened,
    counts,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([source, network.preprocessing, network.inputs, classes]))
      .update(opened.train.labels)
      .update(opened.test?.labels ?? '')
      .update(contentOf(opened.train))
      .update(opened.test ? contentOf(opened.test) : '')
      .digest('hex'),
  };
}

const contentOf = (data: TrainingData) => (data.kind === 'images' ? data.pixels : data.values);

/** @throws FrostlineError when the file's own classifier is not one for these classes, in this order */
function checkHead(network: Network, { classes, test }: OpenedData, { tensors }: DataSource): void {
  const width = count(inferShapes(network, 1).get(network.outputs[0])!);
  const remedy = 'Leave out --keep-head: a new classifier is made for the data';
  // Numbers alone may leave some of the head's classes out, as long as nothing is scored.
  if (width !== classes.length && (tensors === undefined || test !== undefined || width < classes.length)) {
    throw new FrostlineError(
      `The classifier of ${network.name} has ${width} classes, the data ${classes.length} (${classes.join(', ')}). ` +
        `${remedy}${tensors !== undefined && width > classes.length ? '; or train on all with --train-fraction 1' : ''}.`,
    );
  }
  const { labels } = network;
  if (tensors === undefined && labels !== undefined && labels.join() !== classes.join()) {
    throw new FrostlineError(
      `The classifier of ${network.name} is for the classes ${labels.join(', ')}, the data has ${classes.join(', ')}. ` +
        `${remedy}.`,
    );
  }
}

const tables = { alexnet, vgg16, 'alexnet-small': alexnetSmall };

async function openNetwork(options: ModelSource, seed: number) {
  const { model, preprocessing, inputSize } = options;
  const preset = (size?: Pair) => (preprocessing === undefined ? undefined : preprocessingPreset(preprocessing, size));
  const [kind, table] = model.split('/');
  if (kind === 'random' && table !== undefined) {
    if (!Object.hasOwn(tables, table)) {
      throw new FrostlineError(
        `No layer table ${table}. Give ${Object.keys(tables)
          .map((t) => `random/${t}`)
          .join(', ')}.`,
      );
    }
    const drawn = tables[table as keyof typeof tables]({ seed });
    const [, height, width] = drawn.inputs[0].shape;
    if (inputSize !== undefined && inputSize.join() !== `${height},${width}`) {
      throw new FrostlineError(
        `--input-size ${inputSize.join()}: ${model} is made for ${height},${width}. Leave the option out.`,
      );
    }
    const network = { ...drawn, preprocessing: preset([height, width]) ?? drawn.preprocessing };
    return { network, source: { name: network.name, source: `${model}, seed ${seed}` } };
  }
  const file = resolveModel(model);
  const [network, { sha256 }] = await Promise.all([
    loadNetwork(file, { preprocessing: preset(inputSize ?? declaredImageSize(readModel(file))), inputSize }),
    verifyWeights(file),
  ]);
  return { network, source: { name: basename(file, '.onnx'), source: model, sha256 } };
}

type OpenedData = Pick<Experiment, 'classes' | 'train' | 'test' | 'testIds' | 'dataset' | 'split'>;

async function openTensors(
  files: { images: string; labels: string },
  { trainFraction }: DataSource,
  seed: number,
): Promise<OpenedData> {
  const {
    data: values,
    labels: loaded,
    classes: count,
    channels,
    height,
    width,
  } = await loadTensors(files.images, files.labels);
  const labels = Uint32Array.from(loaded);
  const all: TrainingData = {
    kind: 'tensors',
    values: Float32Array.from(values),
    shape: [channels, height, width],
    labels,
  };
  if (count < 2) throw new FrostlineError(`${files.labels} holds one class, 0; a classifier needs 2 or more.`);
  const classes = Array.from({ length: count }, (_, c) => String(c));
  const dataset = { name: basename(files.images), notes: ['tensors used as they are'] };
  if (trainFraction === 'given') {
    throw new FrostlineError(
      'Tensors have no parts train and test. Give a number as the share to train on; 1 for all.',
    );
  }
  if (trainFraction === 1) return { classes, train: all, test: undefined, testIds: [], dataset, split: undefined };
  const samples = Array.from(labels, (label, i) => ({ id: String(i), label, source: { file: files.images } }));
  const split = stratifiedSplit(
    { name: dataset.name, path: resolve(files.images), format: 'npy', classes, samples, ignored: [], notes: [] },
    { trainFraction, seed },
  );
  return {
    classes,
    train: selectSamples(all, split.train),
    test: selectSamples(all, split.test),
    testIds: split.test.map(String),
    dataset,
    split: undefined,
  };
}

/** Where decoded images are kept; undefined where nothing can be written there, as without a home: they are decoded each time. */
async function imageCache(): Promise<string | undefined> {
  const folder = join(cacheFolder(), 'images');
  return checkWritable(folder).then(
    () => folder,
    () => undefined,
  );
}

async function openImages(
  network: Network,
  { dataset: options, trainFraction, splitFile }: DataSource,
  seed: number,
  onProgress?: (done: number, total: number) => void,
): Promise<OpenedData> {
  if (options === undefined) throw new FrostlineError('No data: give a data set (--data), or --images and --labels.');
  if (splitFile !== undefined && (trainFraction === 'given' || trainFraction === 1)) {
    throw new FrostlineError(`--split-file ${splitFile} and --train-fraction ${trainFraction}: give one of them.`);
  }
  const [, height, width] = network.inputs[0].shape;
  const folder = await imageCache();
  const decode = async (dataset: ImageDataset): Promise<ImageData> => {
    const decoded = await decodeImages(dataset, { height, width, cacheFolder: folder, onProgress });
    return {
      kind: 'images',
      pixels: decoded.data as Uint8Array<ArrayBuffer>,
      height,
      width,
      labels: Uint32Array.from(dataset.samples, ({ label }) => label),
    };
  };
  if (trainFraction === 'given') {
    const [trainSet, testSet] = [
      await loadDataset({ ...options, split: 'train' }),
      await loadDataset({ ...options, split: 'test' }),
    ];
    if (trainSet.classes.join() !== testSet.classes.join()) {
      throw new FrostlineError(
        `${options.path}: the classes of its parts differ: train has ${trainSet.classes.join(', ')}, test has ` +
          `${testSet.classes.join(', ')}. Use a drawn split.`,
      );
    }
    return {
      classes: trainSet.classes,
      train: await decode(trainSet),
      test: await decode(testSet),
      testIds: testSet.samples.map(({ id }) => id),
      dataset: { name: trainSet.name, notes: trainSet.notes },
      split: undefined,
    };
  }
  const dataset = await loadDataset(options);
  if (dataset.classes.length < 2) {
    throw new FrostlineError(`${options.path} has one class, ${dataset.classes.join()}; a classifier needs 2 or more.`);
  }
  const common = { classes: dataset.classes, dataset: { name: dataset.name, notes: dataset.notes } };
  if (trainFraction === 1) {
    return { ...common, train: await decode(dataset), test: undefined, testIds: [], split: undefined };
  }
  const split =
    splitFile === undefined ? stratifiedSplit(dataset, { trainFraction, seed }) : await loadSplit(splitFile, dataset);
  const all = await decode(dataset);
  return {
    ...common,
    train: selectSamples(all, split.train),
    test: selectSamples(all, split.test),
    testIds: split.test.map((i) => dataset.samples[i].id),
    split: { dataset, split },
  };
}

function refuseEmptyClasses(classes: readonly string[], counts: Experiment['counts']): void {
  for (const [part, each] of Object.entries(counts)) {
    const empty = classes.filter((_, c) => each[c] === 0);
    if (empty.length > 0) {
      throw new FrostlineError(
        `The ${part} part has no sample of ${empty.join(', ')}. Use another share, or more images, or exclude the class.`,
      );
    }
  }
}
