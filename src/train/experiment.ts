/**
 * What a run or a grid starts from: a network with its classifier set up for the data's classes, the data decoded at the
 * network's size, and one split. Everything later (freeze points, rates, seeds) works on this.
 */
import {
  BELOW_ONE,
  checkArguments,
  FLAG,
  FUNCTION,
  INTEGER,
  listOf,
  OBJECT,
  oneOf,
  PATH,
  SHARE,
  TEXT,
  wholeFrom,
  withMembers,
} from '../arguments.ts';
import { loadTensors } from '../data/arrays.ts';
import type { ImageDataset } from '../data/dataset.ts';
import { decodeImages } from '../data/decode.ts';
import { classDoubts, classesLine, classProblems, leftOutLines } from '../data/findings.ts';
import { type DatasetOptions, loadDataset } from '../data/load.ts';
import { kFold, loadSplit, type Split, stratifiedSplit } from '../data/split.ts';
import { FrostlineError } from '../errors.ts';
import { checkWritable } from '../files.ts';
import { cacheFolder } from '../gpu/embedded.ts';
import { basename, createHash, join, resolve } from '../host.ts';
import { replaceClassifier } from '../models/classifier.ts';
import { declaredImageSize } from '../models/inputs.ts';
import { loadNetwork } from '../models/load.ts';
import { imageShape, NETWORK, type Network, type Pair } from '../models/network.ts';
import { preprocessingPreset } from '../models/preprocessing.ts';
import { count, inferShapes } from '../models/shapes.ts';
import { alexnet, alexnetSmall, vgg16 } from '../models/tables.ts';
import { resolveModel, verifyWeights } from '../models/zoo.ts';
import { readModel } from '../onnx/read.ts';
import { checkSettings, type OptionNames } from '../options.ts';
import { type ImageData, selectSamples, type TrainingData } from './data.ts';
import { digestsOf, sameOnBothSides, withEqualTogether } from './equal-images.ts';
import { imageSize } from './predict.ts';

/** Where the network comes from: an ONNX file, or a table with weights. */
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

/** Where images come from: a folder, a table, PH2, IDX or npy files. */
export interface DataSource {
  readonly dataset?: DatasetOptions;
  /** .npy of float32 N,C,H,W used as they are, and .npy of integers N */
  readonly tensors?: { readonly images: string; readonly labels: string };
  /** share of each class to train on; or 'given': the data set's own parts train and test; or 1: no test part */
  readonly trainFraction: number | 'given';
  /** a split that was saved before, in place of a drawn one */
  readonly splitFile?: string;
  /** how many splits are drawn, each from a seed of its own; 1 unless given */
  readonly splits?: number;
  /** in place of splits: every sample is tested in one of so many folds */
  readonly folds?: number;
  /** share of each class of the training part that is not trained on but chosen on; 0 unless given */
  readonly validationFraction?: number;
  /** images of equal pixels: 'tell' where a split parts them (the default), or keep them 'together' */
  readonly duplicates?: 'tell' | 'together';
  /** larger images are refused */
  readonly maxPixels?: number;
}

/** One division of the data: what is trained on, what choices are made on, and what is looked at once, at the end. */
export interface Division {
  /** '1' for the first split or fold */
  readonly splitName: string;
  readonly train: TrainingData;
  /** part of what was set aside for training: rates, epochs and best cells are chosen on it */
  readonly validation?: TrainingData;
  readonly test: TrainingData | undefined;
  /** groups of the training samples, where any have one */
  readonly trainGroups?: readonly (string | undefined)[];
  /** names of the test samples */
  readonly testIds: readonly string[];
  /** their groups, where samples have any */
  readonly testGroups?: readonly (string | undefined)[];
  /** the data set and the split as drawn, to be saved; none for tensors and given splits */
  readonly split: { readonly dataset: ImageDataset; readonly split: Split } | undefined;
  /** counts by class */
  readonly counts: {
    readonly train: readonly number[];
    readonly validation?: readonly number[];
    readonly test: readonly number[];
  };
}

const MODEL_OPTIONS: OptionNames<ModelSource> = {
  model: TEXT,
  preprocessing: TEXT,
  inputSize: listOf(wholeFrom(1), 'height and width'),
  keepHead: FLAG,
};
const DATA_OPTIONS: OptionNames<DataSource> = {
  dataset: OBJECT,
  tensors: OBJECT,
  trainFraction: { is: (value) => value === 'given' || SHARE.is(value), words: `${SHARE.words}, or 'given'` },
  splitFile: PATH,
  splits: wholeFrom(1),
  folds: wholeFrom(2),
  validationFraction: BELOW_ONE,
  duplicates: oneOf('tell', 'together'),
  maxPixels: wholeFrom(1),
};

/** An experiment, as an argument. */
export const EXPERIMENT = withMembers('an experiment, of openExperiment', { network: NETWORK.is, at: FUNCTION.is });

/** With the parts of its first division; `at` has the others. */
export interface Experiment extends Division {
  readonly network: Network;
  /** parameters of the new classifier; none with `keepHead` */
  readonly newParameters: readonly string[];
  /** the same network with its new classifier drawn from another seed */
  withSeed(seed: number): Network;
  readonly source: { readonly name: string; readonly source: string; readonly sha256?: string };
  readonly classes: readonly string[];
  /** with all that a user should know of it before it is trained on, a line each */
  readonly dataset: { readonly name: string; readonly notes: readonly string[] };
  /** how many splits or folds there are */
  readonly divisions: number;
  /** the same experiment on another division, from 0; its data are gathered anew with each call */
  at(division: number): Experiment;
  /** sha256 of each of what a run's result hangs on beside its settings: a change of one is told by name */
  readonly fingerprints: Readonly<Record<string, string>>;
}

/**
 * @param warn is told what hinders nothing
 * @throws FrostlineError for a model or data that cannot be had, or do not go together
 */
export async function openExperiment(
  model: ModelSource,
  data: DataSource,
  seed: number,
  onProgress?: (done: number, total: number) => void,
  warn?: (text: string) => void,
): Promise<Experiment> {
  checkArguments('openExperiment', { model: [model, OBJECT], data: [data, OBJECT], seed: [seed, INTEGER] });
  checkSettings("openExperiment's model", model, MODEL_OPTIONS, ['model']);
  checkSettings("openExperiment's data", data, DATA_OPTIONS, ['trainFraction']);
  if (data.tensors !== undefined) {
    const needed = ['images', 'labels'] as const;
    checkSettings("openExperiment's tensors", data.tensors, { images: PATH, labels: PATH }, needed);
  }
  const { network: pretrained, source } = await openNetwork(model, seed);
  const opened =
    data.tensors === undefined
      ? await openImages(pretrained, data, seed, { onProgress, warn })
      : await openTensors(data.tensors, data, seed);
  const { classes } = opened;
  const first = opened.divide(0);
  if (model.keepHead) checkHead(pretrained, { classes, test: first.test }, data);
  const place = (withSeed: number) =>
    model.keepHead ? { network: pretrained, newParameters: [] } : replaceClassifier(pretrained, classes, withSeed);
  const { network, newParameters } = place(seed);
  const count = (labels = new Uint32Array()) =>
    classes.map((_, c) => labels.reduce((sum, label) => sum + (label === c ? 1 : 0), 0));
  const dividedBy = (parts: Parts, division: number): Division => {
    const { train, validation, test } = parts;
    const counts = {
      train: count(train.labels),
      ...(validation && { validation: count(validation.labels) }),
      test: count(test?.labels),
    };
    if (test !== undefined) refuseEmptyClasses(classes, counts);
    return { ...parts, counts, splitName: String(division + 1) };
  };
  const common = {
    network,
    newParameters,
    withSeed: (other: number) => place(other).network,
    source,
    classes,
    dataset: opened.dataset,
    divisions: opened.divisions,
    fingerprints: {
      model: sha256(JSON.stringify(source.sha256 ?? source.source)),
      preprocessing: sha256(JSON.stringify([network.preprocessing ?? null, network.inputs])),
      classes: sha256(JSON.stringify(classes)),
      'new layer': sha256(JSON.stringify(newParameters)),
      'training images': sha256(first.train.labels, contentOf(first.train)),
      'test images': sha256(...(first.test ? [first.test.labels, contentOf(first.test)] : [])),
    },
    at: (division: number): Experiment => ({ ...common, ...dividedBy(opened.divide(division), division) }),
  };
  return { ...common, ...dividedBy(first, 0) };
}

function sha256(...parts: readonly (string | NodeJS.ArrayBufferView)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

const contentOf = (data: TrainingData) => (data.kind === 'images' ? data.pixels : data.values);

/** @throws FrostlineError when the file's own classifier is not one for these classes, in this order */
function checkHead(
  network: Network,
  { classes, test }: Pick<Experiment, 'classes' | 'test'>,
  { tensors }: DataSource,
): void {
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
    const [, height, width] = imageShape(drawn.inputs[0])!;
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

type Parts = Omit<Division, 'counts' | 'splitName'>;

interface OpenedData extends Pick<Experiment, 'classes' | 'dataset' | 'divisions'> {
  divide(division: number): Parts;
}

/**
 * The divisions of a data set: split s is drawn with `seed` + s, the validation part of its training part likewise.
 * @param all the samples, in the data set's order; @param save whether the split is one to be saved
 */
async function divided(
  given: ImageDataset,
  all: TrainingData,
  data: DataSource,
  seed: number,
  save: boolean,
): Promise<Pick<OpenedData, 'divisions' | 'divide'> & { readonly notes: readonly string[] }> {
  const { splitFile, splits = 1, folds, validationFraction = 0 } = data;
  const digests = digestsOf(all);
  const dataset = data.duplicates === 'together' ? withEqualTogether(given, digests) : given;
  const trainFraction = data.trainFraction as number;
  const whole = Array.from(dataset.samples, (_, i) => i);
  const drawn =
    trainFraction === 1
      ? [{ train: whole, test: [] }]
      : folds !== undefined
        ? kFold(dataset, { folds, seed })
        : splitFile !== undefined
          ? [await loadSplit(splitFile, dataset)]
          : Array.from({ length: splits }, (_, s) => stratifiedSplit(dataset, { trainFraction, seed: seed + s }));
  return {
    divisions: drawn.length,
    notes: sameOnBothSides(dataset, digests, trainFraction === 1 ? [] : drawn),
    divide(division) {
      const split = drawn[division];
      const { train, validation } = withValidation(dataset, split.train, validationFraction, seed + division);
      const samples = split.test.map((i) => dataset.samples[i]);
      return {
        train: selectSamples(all, train),
        ...trainGroupsOf(dataset, train),
        ...(validation.length > 0 && { validation: selectSamples(all, validation) }),
        test: trainFraction === 1 ? undefined : selectSamples(all, split.test),
        testIds: samples.map(({ id }) => id),
        ...(samples.some(({ group }) => group !== undefined) && { testGroups: samples.map(({ group }) => group) }),
        split: save && trainFraction !== 1 ? { dataset, split } : undefined,
      };
    },
  };
}

function trainGroupsOf({ samples }: ImageDataset, train: readonly number[]): Pick<Division, 'trainGroups'> {
  const trainGroups = train.map((i) => samples[i].group);
  return trainGroups.some((group) => group !== undefined) ? { trainGroups } : {};
}

/** Takes the validation part out of the training part: stratified, and by group, as the test part is taken out of all. */
function withValidation(dataset: ImageDataset, train: readonly number[], fraction: number, seed: number) {
  if (fraction === 0) return { train, validation: [] };
  const part = { ...dataset, samples: train.map((i) => dataset.samples[i]) };
  const { train: kept, test: validation } = stratifiedSplit(part, { trainFraction: 1 - fraction, seed });
  return { train: kept.map((i) => train[i]), validation: validation.map((i) => train[i]) };
}

async function openTensors(
  files: { images: string; labels: string },
  source: DataSource,
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
  if (source.trainFraction === 'given') {
    throw new FrostlineError(
      'Tensors have no parts train and test. Give a number as the share to train on; 1 for all.',
    );
  }
  const samples = Array.from(labels, (label, i) => ({ id: String(i), label, source: { file: files.images } }));
  const described: ImageDataset = {
    name: basename(files.images),
    path: resolve(files.images),
    format: 'npy',
    classes,
    samples,
    ignored: [],
    notes: ['tensors used as they are'],
  };
  const { notes, ...division } = await divided(described, all, source, seed, false);
  return { classes, dataset: { name: described.name, notes: [...described.notes, ...notes] }, ...division };
}

/** Where decoded images are kept; undefined where nothing can be written there: they are decoded each time. */
async function imageCache(warn?: (text: string) => void): Promise<string | undefined> {
  const folder = join(cacheFolder(), 'images');
  return checkWritable(folder).then(
    () => folder,
    (error: Error) => {
      warn?.(`${error.message}: decoded images are not kept. FROSTLINE_CACHE names another folder for them`);
      return undefined;
    },
  );
}

/** All that is known of a data set before it is trained on: what `dataset inspect` would say of it. */
const notesOf = (dataset: ImageDataset): string[] => [
  ...dataset.notes,
  classesLine(dataset),
  ...leftOutLines(dataset),
  ...classDoubts(dataset),
  ...classProblems(dataset, FEW_IMAGES),
];

/** Classes of fewer images are mostly no classes. */
const FEW_IMAGES = 3;

async function openImages(
  network: Network,
  source: DataSource,
  seed: number,
  { onProgress, warn }: { onProgress?: (done: number, total: number) => void; warn?: (text: string) => void },
): Promise<OpenedData> {
  const { dataset: options, trainFraction, splitFile, validationFraction = 0 } = source;
  if (options === undefined) throw new FrostlineError('No data: give a data set (--data), or --images and --labels.');
  if (splitFile !== undefined && ((source.splits ?? 1) > 1 || source.folds !== undefined)) {
    throw new FrostlineError(`--split-file ${splitFile} is one division; leave out --splits and --folds.`);
  }
  if (splitFile !== undefined && (trainFraction === 'given' || trainFraction === 1)) {
    throw new FrostlineError(`--split-file ${splitFile} and --train-fraction ${trainFraction}: give one of them.`);
  }
  const [height, width] = imageSize(network);
  const cacheFolder = await imageCache(warn);
  const { maxPixels } = source;
  const decode = async (dataset: ImageDataset): Promise<ImageData & { remarks: readonly string[] }> => {
    const decoded = await decodeImages(dataset, { height, width, cacheFolder, maxPixels, onProgress, warn });
    return {
      kind: 'images',
      remarks: decoded.remarks,
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
    if ((source.splits ?? 1) > 1 || source.folds !== undefined) {
      throw new FrostlineError('--train-fraction given is one division; leave out --splits and --folds.');
    }
    const [trained, test] = [await decode(trainSet), await decode(testSet)];
    const whole = trainSet.samples.map((_, i) => i);
    const remarks = [...trained.remarks, ...test.remarks];
    const both = { ...trainSet, samples: [...trainSet.samples, ...testSet.samples] };
    const tested = testSet.samples.map((_, i) => whole.length + i);
    const equal = sameOnBothSides(both, [...digestsOf(trained), ...digestsOf(test)], [{ train: whole, test: tested }]);
    const { train, validation } = withValidation(trainSet, whole, validationFraction, seed);
    return {
      classes: trainSet.classes,
      dataset: {
        name: trainSet.name,
        notes: [...new Set([...notesOf(trainSet), ...notesOf(testSet), ...remarks, ...equal])],
      },
      divisions: 1,
      divide: () => ({
        train: validation.length === 0 ? trained : selectSamples(trained, train),
        ...trainGroupsOf(trainSet, train),
        ...(validation.length > 0 && { validation: selectSamples(trained, validation) }),
        test,
        testIds: testSet.samples.map(({ id }) => id),
        split: undefined,
      }),
    };
  }
  const dataset = await loadDataset(options);
  if (dataset.classes.length < 2) {
    throw new FrostlineError(`${options.path} has one class, ${dataset.classes.join()}; a classifier needs 2 or more.`);
  }
  const { remarks, ...decoded } = await decode(dataset);
  const { notes, ...division } = await divided(dataset, decoded, source, seed, true);
  return {
    classes: dataset.classes,
    dataset: { name: dataset.name, notes: [...notesOf(dataset), ...remarks, ...notes] },
    ...division,
  };
}

function refuseEmptyClasses(classes: readonly string[], counts: Division['counts']): void {
  for (const [part, each] of Object.entries(counts)) {
    const empty = classes.filter((_, c) => each[c] === 0);
    if (empty.length > 0) {
      throw new FrostlineError(
        `The ${part} part has no sample of ${empty.join(', ')}. Use another share, or more images, or exclude the class.`,
      );
    }
  }
}
