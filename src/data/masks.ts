/** Masks: images that mark a place in another image and stand beside it, under a name made of that image's. */
import { basename, extname, relative, sep } from 'node:path';

const WORD =
  '(?:masks?|superpixels?|lesions?|rois?|segm?|segmentations?|labels?|annotations?|ground[\\s_-]?truths?|gt|contours?|outlines?)';
const folderSays = new RegExp(`(?:^|[\\s_.-])${WORD}[\\s_.-]?\\d*$`, 'i');
/** What follows the name of an image in that of its mask: `_lesion`, `_R1_Label3`, ` mask 2`. */
const restSays = new RegExp(`^[\\s_.-]+(?:[a-z]?\\d+[\\s_.-]+)?${WORD}[\\s_.-]?\\d*$`, 'i');

/** Whether the name of a folder, or of a class, says mask, lesion, segmentation and the like. */
export const saysMask = (name: string): boolean => folderSays.test(name);

const stemOf = (file: string): string => basename(file, extname(file)).normalize('NFC').toLowerCase();

/** Beginnings of a stem that end before a separator, the whole one first. */
function* beginnings(stem: string): Generator<string> {
  yield stem;
  for (let at = stem.length - 1; at > 0; at--) if (/[\s_.-]/.test(stem[at])) yield stem.slice(0, at);
}

export interface Masks {
  readonly images: readonly string[];
  /** Files whose name is that of another image and says mask, or lies in a folder that says so. */
  readonly masks: readonly { readonly path: string; readonly of: string }[];
  /** Files whose names say mask, but of no image that is there: perhaps masks. */
  readonly doubtful: readonly string[];
}

/**
 * Tells masks from the images that they belong to: `IMD003_lesion` beside `IMD003`, `masks/7.png` beside `images/7.png`.
 * A name alone is no proof: a class of people with masks has such names as well.
 * @param root the folder whose own name does not count, nor those above it
 */
export function separateMasks(root: string, files: readonly string[]): Masks {
  const inMaskFolder = (file: string) => relative(root, file).split(sep).slice(0, -1).some(saysMask);
  const plain = new Map<string, string>();
  for (const file of files) {
    const stem = stemOf(file);
    if (!inMaskFolder(file) && !plain.has(stem)) plain.set(stem, basename(file));
  }
  const images: string[] = [];
  const masks: { path: string; of: string }[] = [];
  const doubtful: string[] = [];
  for (const path of files) {
    const stem = stemOf(path);
    const inFolder = inMaskFolder(path);
    let of: string | undefined;
    let says = inFolder;
    for (const beginning of beginnings(stem)) {
      const named = restSays.test(stem.slice(beginning.length));
      says ||= named;
      if (inFolder || named) of ??= plain.get(beginning);
    }
    if (of !== undefined) masks.push({ path, of });
    else {
      images.push(path);
      if (says) doubtful.push(path);
    }
  }
  return { images, masks, doubtful };
}
