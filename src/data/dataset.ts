import { TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';

/** Images of one size that lie in one file, decoded: IDX and `.npy`. */
export interface ImageArray {
  /** The file they came from. */
  readonly file: string;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 1 grey, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 3 | 4;
  /** count x height x width x channels, row-major. */
  readonly data: Uint8Array;
}

/** Bytes of an image, and where they lie. */
export type ImageSource = { readonly file: string } | { readonly array: ImageArray; readonly index: number };

/** One image with its class and group. */
export interface Sample {
  /** Unique in the data set and independent of where the data set lies: what a saved split names. */
  readonly id: string;
  /** Index into `classes`. */
  readonly label: number;
  /** Samples of one group (a patient, a lesion) never stand on both sides of a split. */
  readonly group?: string;
  readonly source: ImageSource;
}

/** Formats of data sets that are known. */
export type DatasetFormat = 'folder' | 'csv' | 'ph2' | 'idx' | 'npy';

/** A data set is plain data: what there is and where it lies. Nothing is decoded before `decodeImages`. */
export interface ImageDataset {
  readonly name: string;
  readonly path: string;
  readonly format: DatasetFormat;
  readonly classes: readonly string[];
  readonly samples: readonly Sample[];
  /** Files seen and left out, with the reason. */
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  /** What a user should know about how the data set was read: the format found, folders merged. */
  readonly notes: readonly string[];
}

/** A data set, as an argument. */
export const DATASET = withMembers('a data set, of loadDataset', {
  path: TEXT.is,
  samples: Array.isArray,
  classes: Array.isArray,
});

/** Class names in a fixed order on every machine: by number where all are integers, otherwise by code unit. */
export function sortedClasses(names: Iterable<string>): string[] {
  const unique = [...new Set(names)];
  const numeric = unique.every((name) => /^\d+$/.test(name));
  return unique.sort((a, b) => (numeric ? Number(a) - Number(b) : 0) || (a < b ? -1 : a > b ? 1 : 0));
}

/** Number of samples of each class. */
export function classCounts(dataset: Pick<ImageDataset, 'classes' | 'samples'>): number[] {
  const counts = new Array<number>(dataset.classes.length).fill(0);
  for (const { label } of dataset.samples) counts[label]++;
  return counts;
}

/** Names for labels 0..highest: those given, or the numbers themselves. */
export function namedClasses(highest: number, names: readonly string[] | undefined, file: string): string[] {
  if (!names) return Array.from({ length: highest + 1 }, (_, label) => String(label));
  if (new Set(names).size !== names.length) {
    throw new FrostlineError(
      `--class-names: a name stands twice in ${names.join(', ')}; give every class its own name`,
    );
  }
  if (names.length <= highest) {
    throw new FrostlineError(
      `--class-names: ${names.length} names, but ${file} holds label ${highest}; give at least ${highest + 1} names`,
    );
  }
  return [...names];
}

/** The data set without the samples of some classes; the remaining classes keep their order and are renumbered. */
export function withoutClasses(dataset: ImageDataset, names: readonly string[]): ImageDataset {
  const unknown = names.filter((name) => !dataset.classes.includes(name));
  if (unknown.length > 0) {
    throw new FrostlineError(
      `--exclude: no class ${unknown.map((name) => `'${name}'`).join(', ')} in ${dataset.path}; its classes are ${dataset.classes.join(', ')}`,
    );
  }
  const classes = dataset.classes.filter((name) => !names.includes(name));
  const renumbered = dataset.classes.map((name) => classes.indexOf(name));
  const samples = dataset.samples
    .filter(({ label }) => renumbered[label] >= 0)
    .map((sample) => ({ ...sample, label: renumbered[sample.label] }));
  return { ...dataset, classes, samples };
}

/** Fashion-MNIST's ten classes in the order of its labels. */
export const fashionMnistClasses: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];
