import { basename, resolve } from 'node:path';
import { checkArguments, OBJECT, PATH } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { visibleName } from '../text.ts';
import { findArrays, loadNpy, type NpyOptions } from './arrays.ts';
import { type CsvOptions, hasColumns, loadCsv } from './csv.ts';
import { type DatasetFormat, type ImageDataset, withoutClasses } from './dataset.ts';
import { entriesOf, holdsImage, kindOf } from './files.ts';
import { type FolderOptions, loadFolder } from './folder.ts';
import { hasIdx, type IdxOptions, loadIdx } from './idx.ts';
import { saysMask } from './masks.ts';
import { saysNothing } from './parts.ts';
import { findPh2Table, loadPh2, type Ph2Options, refuseInnerPh2 } from './ph2.ts';

/** Where a data set lies, in which format, and what is read of it. */
export interface DatasetOptions
  extends Omit<FolderOptions, 'split'>,
    CsvOptions,
    Ph2Options,
    Omit<IdxOptions, 'split'>,
    NpyOptions {
  /** A folder, or the one file that describes the data set. */
  path: string;
  /** Default 'auto': told by what lies at the path, and said in the data set's notes. */
  format?: 'auto' | DatasetFormat;
  /** For 'idx' and for folders train, val and test. */
  split?: 'train' | 'val' | 'test' | 'all';
  /** Names of classes to leave out. */
  exclude?: readonly string[];
}

/** The options that each format reads, besides path, format and exclude. */
const optionsOf: Record<DatasetFormat, readonly (keyof DatasetOptions)[]> = {
  folder: ['split', 'parts', 'masks'],
  csv: ['pathColumn', 'labelColumn', 'labelColumns', 'groupColumn', 'delimiter', 'encoding'],
  ph2: ['task', 'allowCounts', 'maxUnpacked'],
  idx: ['split', 'classNames', 'maxUnpacked'],
  npy: ['images', 'labels', 'classNames'],
};

/**
 * Reads the description of a data set from disk: classes, samples, where the images lie. Images in files of their own
 * are not opened.
 *
 * @throws FrostlineError where the path does not hold the format, with what was found and expected
 */
export async function loadDataset(options: DatasetOptions): Promise<ImageDataset> {
  checkArguments('loadDataset', { 'the options': [options, OBJECT], path: [options?.path, PATH] });
  const path = resolve(options.path);
  const kind = await kindOf(path);
  if (!kind) throw new FrostlineError(`${options.path} does not exist; give a folder of images, a table or an array`);
  if (kind === 'special') {
    throw new FrostlineError(`${options.path} is a pipe or a device; give a folder of images, a table or an array`);
  }
  const { format, reason } =
    options.format && options.format !== 'auto'
      ? { format: options.format, reason: undefined }
      : await detectFormat(path, kind, options);

  const known = ['path', 'format', 'exclude', ...optionsOf[format]];
  for (const [option, value] of Object.entries(options)) {
    if (value !== undefined && !known.includes(option)) {
      throw new FrostlineError(
        `--${flag(option)} does not apply to format '${format}', which takes ${known.map(flag).join(', ')}`,
      );
    }
  }
  const whole = await read(path, kind, format, options);
  const dataset = options.exclude ? withoutClasses(whole, options.exclude) : whole;
  if (format === 'folder' && options.masks !== 'use') refuseMasksAsClass(dataset);
  return {
    ...dataset,
    notes: [reason ? `format '${format}': ${reason}` : `format '${format}' as asked for`, ...dataset.notes],
  };
}

/** `images` beside `masks`: no one's classes. */
function refuseMasksAsClass({ path, classes }: ImageDataset): void {
  const masks = classes.filter(saysMask);
  const images = classes.filter((name) => !saysMask(name));
  if (masks.length === 0 || images.length === 0 || !images.every(saysNothing)) return;
  throw new FrostlineError(
    `${path}: the folders ${classes.map((name) => `'${visibleName(name)}'`).join(', ')} are images and masks of them by ` +
      'their names, no classes. Put the images into a folder for each class, or give a table of their classes (--format ' +
      'csv); --masks use where these folders are the classes',
  );
}

const flag = (option: string): string => option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

async function read(
  path: string,
  kind: 'file' | 'folder',
  format: DatasetFormat,
  options: DatasetOptions,
): Promise<ImageDataset> {
  switch (format) {
    case 'folder':
      if (kind === 'file')
        throw new FrostlineError(`${path} is a file; format 'folder' needs a folder of class folders`);
      return loadFolder(path, options);
    case 'csv':
      return loadCsv(kind === 'file' ? path : await onlyTable(path), options);
    case 'ph2':
      return loadPh2(path, options);
    case 'idx':
      if (options.split === 'val')
        throw new FrostlineError("--split val: IDX data sets have 'train' and 'test'; give one of these");
      return loadIdx(path, { ...options, split: options.split });
    case 'npy':
      return loadNpy(path, options);
  }
}

const isTable = (file: string): boolean => /\.(csv|tsv|tab)$/i.test(file);

async function onlyTable(folder: string): Promise<string> {
  const tables = (await entriesOf(folder)).files.filter(isTable);
  if (tables.length === 1) return tables[0];
  const found = tables.length === 0 ? 'no CSV file' : `several: ${tables.map((file) => basename(file)).join(', ')}`;
  throw new FrostlineError(`${folder} holds ${found}; give the path of the table itself`);
}

async function detectFormat(
  path: string,
  kind: 'file' | 'folder',
  options: DatasetOptions,
): Promise<{ format: DatasetFormat; reason: string }> {
  const table = await findPh2Table(path);
  if (table) return { format: 'ph2', reason: `${basename(table)} found` };
  if (await hasIdx(path)) return { format: 'idx', reason: 'IDX images found' };
  if (kind === 'file') {
    if (isTable(path)) return { format: 'csv', reason: 'a table by its name' };
    if (/\.npy$/i.test(path)) return { format: 'npy', reason: 'an array by its name' };
    throw new FrostlineError(`${path} is no data set; expected .csv, .npy, IDX images or PH2_dataset.txt, or a folder`);
  }
  const { images, labels } = await findArrays(path);
  if (images && labels) return { format: 'npy', reason: `${basename(images)} and ${basename(labels)} found` };

  const { files, folders } = await entriesOf(path);
  const tables = files.filter(isTable);
  let hasImages = false;
  for (const folder of folders) hasImages ||= await holdsImage(folder);
  if (tables.length === 1 && (await hasColumns(tables[0], options))) {
    return { format: 'csv', reason: `${basename(tables[0])} has the columns of a table of images` };
  }
  // HAM10000 lies as a table beside two folders of images that are no classes: never guess between the two.
  if (tables.length > 0 && hasImages) {
    throw new FrostlineError(
      `${path} holds folders of images and ${tables.map((file) => basename(file)).join(', ')}, without the columns path and label; ` +
        'say which: --format folder, or --format csv with --path-column and --label-column (--label-columns where each class has its own)',
    );
  }
  if (hasImages) {
    await refuseInnerPh2(path);
    return { format: 'folder', reason: 'folders of images found' };
  }
  const seen = [...folders, ...files].slice(0, 8).map((entry) => basename(entry));
  throw new FrostlineError(
    `${path} is no data set that is known; found ${seen.length > 0 ? seen.join(', ') : 'nothing'}. ` +
      'Expected folders of images by class, a CSV table, PH2, IDX files, or X.npy and Y.npy',
  );
}
