import { basename } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ImageDataset, type Sample, sortedClasses } from './dataset.ts';
import { type LeftOut, relativeId } from './files.ts';
import { imageFormats } from './image-type.ts';
import { separateMasks } from './masks.ts';
import { findParts, leftAside, type Part, type Parts, readTree, type Tree } from './parts.ts';

/** How a folder of class folders is read. */
export interface FolderOptions {
  /** Which of the parts train, val, test to read where the data set has them (default 'all': merged). */
  split?: Part | 'all';
  /** `none`, or KIND=FOLDER for each part, in place of what the folders' names say. */
  parts?: readonly string[];
  /** 'use' reads what is named as a mask of another image as an image of its own (default 'leave-out'). */
  masks?: 'leave-out' | 'use';
}

const expected = imageFormats.join(', ');

/**
 * Images in a folder for each class, at any depth below it. The classes are the folders' names, sorted; a folder
 * without images is a class without images. What systems and devices leave behind is passed over, other files are
 * listed as left out.
 *
 * Where folders are parts of the data set (`findParts`), the classes lie one level deeper and the parts are merged, with
 * a note: frostline draws its own split. `split` reads one part alone; val stands for a test part that is not there.
 */
export async function loadFolder(path: string, options: FolderOptions = {}): Promise<ImageDataset> {
  const notes: string[] = [];
  let root = await readTree(path);
  let trees = await treesOf(root);
  // Archives hold a folder that holds everything.
  while (
    trees.length === 1 &&
    root.own.images.length === 0 &&
    trees[0].own.images.length === 0 &&
    isWrapper(trees[0])
  ) {
    [root] = trees;
    trees = await treesOf(root);
    notes.push(`read from the folder ${relativeId(path, root.path)}, the only one`);
  }
  const ignored = filesAside(path, root);
  const found = findParts(root.path, trees, options.parts);
  let classes: Tree['folders'] = root.folders;
  if (found !== undefined) {
    const chosen = choose(root.path, found, options.split ?? 'all', notes);
    ignored.push(...leftAside(path, found.beside, 'beside the parts of the data set'));
    for (const { tree } of found.parts) {
      if (!chosen.includes(tree)) ignored.push(...leftAside(path, [tree], 'of a part that was not asked for'));
    }
    const inner = await Promise.all(chosen.map(unwrapped));
    for (const part of inner) ignored.push(...filesAside(path, part));
    classes = inner.flatMap(({ folders }) => folders);
  } else if (options.split && options.split !== 'all') {
    throw new FrostlineError(
      `--split ${options.split}: ${path} has no folders train, val or test; found ${trees.map(({ name }) => name).join(', ')}. ` +
        `Leave --split out, or name a folder: --parts ${options.split}=FOLDER`,
    );
  }
  const samples = samplesOf(path, classes, options.masks ?? 'leave-out', ignored, notes);
  if (samples.length === 0) {
    throw new FrostlineError(`${path} holds no image in the folder of a class; expected CLASS/image.png (${expected})`);
  }
  const names = sortedClasses(classes.map(({ name }) => name.normalize('NFC')));
  return {
    name: basename(path),
    path,
    format: 'folder',
    classes: names,
    samples: samples
      .map(({ className, ...sample }) => ({ ...sample, label: names.indexOf(className) }))
      .sort((a, b) => a.label - b.label || (a.id < b.id ? -1 : 1)),
    ignored,
    notes,
  };
}

const treesOf = (root: Tree): Promise<Tree[]> => Promise.all(root.folders.map(({ path }) => readTree(path)));

/** Whether a folder holds nothing but folders of images. */
const isWrapper = ({ own, folders }: Tree): boolean =>
  own.images.length === 0 && folders.some(({ found }) => found.images.length > 0);

/** seg_train/seg_train/CLASS: the folder in a part that holds its classes. */
async function unwrapped(part: Tree): Promise<Tree> {
  const [only, another] = part.folders.filter(({ found }) => found.images.length > 0);
  if (only === undefined || another !== undefined || part.own.images.length > 0) return part;
  const inner = await readTree(only.path);
  return isWrapper(inner) ? await unwrapped(inner) : part;
}

const filesAside = (path: string, { own }: Tree): LeftOut[] => [
  ...own.images.map((file) => ({ path: relativeId(path, file), reason: 'not in the folder of a class' })),
  ...own.others.map((file) => ({ ...file, path: relativeId(path, file.path) })),
];

/** The parts to read, with a word on them. */
function choose(path: string, { parts }: Parts, wanted: Part | 'all', notes: string[]): Tree[] {
  const of = (kind: Part) => parts.filter((part) => part.kind === kind).map(({ tree }) => tree);
  const names = (trees: readonly Tree[]) => trees.map(({ name }) => name).join(', ');
  const all = parts.map(({ tree }) => tree);
  if (wanted === 'all') {
    notes.push(`folders ${names(all)} merged: frostline draws its own split (--train-fraction given keeps theirs)`);
    return all;
  }
  const chosen = of(wanted);
  if (chosen.length > 0) {
    notes.push(`folder ${names(chosen)} alone`);
    return chosen;
  }
  const instead = wanted === 'test' ? of('val') : [];
  if (instead.length > 0) {
    notes.push(`folder ${names(instead)} alone, for there is no test part`);
    return instead;
  }
  throw new FrostlineError(
    `--split ${wanted}: no folder '${wanted}' in ${path}; found ${names(all)}. Name one: --parts ${wanted}=FOLDER`,
  );
}

function samplesOf(
  path: string,
  classes: Tree['folders'],
  masks: 'leave-out' | 'use',
  ignored: LeftOut[],
  notes: string[],
): (Omit<Sample, 'label'> & { className: string })[] {
  const samples: (Omit<Sample, 'label'> & { className: string })[] = [];
  const doubtful: string[] = [];
  let leftOut = 0;
  for (const { path: folder, name, found } of classes) {
    ignored.push(...found.others.map((file) => ({ ...file, path: relativeId(path, file.path) })));
    const told = separateMasks(folder, found.images);
    const images = masks === 'use' ? found.images : told.images;
    if (masks === 'leave-out') {
      leftOut += told.masks.length;
      ignored.push(
        ...told.masks.map((mask) => ({
          path: relativeId(path, mask.path),
          reason: `a mask of ${mask.of}, by its name`,
        })),
      );
      doubtful.push(...told.doubtful.map((file) => relativeId(path, file)));
    }
    for (const file of images) {
      samples.push({ id: relativeId(path, file), className: name.normalize('NFC'), source: { file } });
    }
  }
  if (leftOut > 0) {
    notes.push(`${leftOut} files are named as masks of other images and left out (--masks use reads them as images)`);
  }
  const classesSay = classes.every(({ name }) => /mask|lesion|label/i.test(name));
  if (doubtful.length > 0 && !classesSay) {
    notes.push(
      `${doubtful.length} images have names that say mask or lesion (${doubtful[0]}) and are used: leave them out of the folders if they are masks`,
    );
  }
  return samples;
}
