import { basename, join, relative } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ImageDataset, type Sample, sortedClasses } from './dataset.ts';
import { entriesOf, filesBelow, isImageName, relativeId } from './files.ts';

export interface FolderOptions {
  /** Which of the folders train, val, test to read where the data set has them (default 'all': merged). */
  split?: 'train' | 'val' | 'test' | 'all';
}

const partNames: Record<string, 'train' | 'val' | 'test'> = {
  train: 'train',
  training: 'train',
  val: 'val',
  valid: 'val',
  validation: 'val',
  test: 'test',
  testing: 'test',
};

const partOf = (folder: string) => partNames[basename(folder).toLowerCase()];

/**
 * Images in a folder for each class, at any depth below it. The classes are the folders' names, sorted; a folder
 * without images is a class without images. Hidden files are passed over, other files are listed as ignored.
 *
 * Where every folder is named train, val or test (or as these are usually spelt), the classes lie one level deeper and
 * the parts are merged, with a note: frostline draws its own split. `split` reads one part alone.
 */
export async function loadFolder(path: string, options: FolderOptions = {}): Promise<ImageDataset> {
  const top = await entriesOf(path);
  const ignored = top.files.map((file) => ({ path: relativeId(path, file), reason: 'not in the folder of a class' }));
  const notes: string[] = [];
  let classFolders = top.folders;
  const hasParts = top.folders.length > 0 && top.folders.every(partOf);
  if (hasParts) {
    const wanted = options.split ?? 'all';
    const parts = top.folders.filter((folder) => wanted === 'all' || partOf(folder) === wanted);
    if (parts.length === 0) {
      throw new FrostlineError(
        `split: no folder '${wanted}' in ${path}; found ${top.folders.map((folder) => basename(folder)).join(', ')}`,
      );
    }
    const names = parts.map((folder) => basename(folder)).join(', ');
    notes.push(wanted === 'all' ? `folders ${names} merged: frostline draws its own split` : `folder ${names} alone`);
    classFolders = [];
    for (const part of parts) {
      const { files, folders } = await entriesOf(part);
      classFolders.push(...folders);
      for (const file of files) {
        ignored.push({ path: relativeId(path, file), reason: 'not in the folder of a class' });
      }
    }
  } else if (options.split && options.split !== 'all') {
    throw new FrostlineError(`split: ${path} has no folders train, val or test to choose '${options.split}' from`);
  }

  const classes = sortedClasses(classFolders.map((folder) => basename(folder)));
  const samples: Sample[] = [];
  for (const folder of classFolders) {
    const label = classes.indexOf(basename(folder));
    for (const file of await filesBelow(folder)) {
      const id = relativeId(path, file);
      if (isImageName(file)) samples.push({ id, label, source: { file: join(path, relative(path, file)) } });
      else ignored.push({ path: id, reason: 'not an image (jpg, png, webp, tiff, bmp)' });
    }
  }
  if (samples.length === 0) {
    throw new FrostlineError(
      `${path} holds no image in the folder of a class; expected CLASS/image.png (jpg, png, webp, tiff, bmp)`,
    );
  }
  samples.sort((a, b) => a.label - b.label || (a.id < b.id ? -1 : 1));
  return { name: basename(path), path, format: 'folder', classes, samples, ignored, notes };
}
