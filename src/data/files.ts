import { realpath, stat } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { asReadError, readFolder, reading, specialKind } from '../read-files.ts';
import { imageFormats, typeOfFile } from './image-type.ts';

export { readBytes as readWhole } from '../read-files.ts';

const imageExtensions = new Set([
  ...['.jpg', '.jpeg', '.jpe', '.jfif', '.jif', '.png', '.webp', '.tif', '.tiff', '.bmp', '.dib'],
]);

/** Whether a file name has the extension of a format that `decodeImage` reads; what it is its first bytes say. */
export const hasImageExtension = (path: string): boolean => imageExtensions.has(extname(path).toLowerCase());

/** What systems, cameras and storage devices leave in folders: lower case, files and folders. */
const leavings = new Set([
  // macOS
  ...['__macosx', 'icon\r', 'network trash folder', 'temporary items', 'thevolumesettingsfolder'],
  // Windows
  ...['thumbs.db', 'ehthumbs.db', 'ehthumbs_vista.db', 'desktop.ini', '$recycle.bin', 'recycler', 'recycled'],
  ...['system volume information', 'recycle bin', 'recycle.bin', 'msocache', 'dfsrprivate', '_vti_cnf', '_vti_pvt'],
  // Android's cards
  'lost.dir',
  // storage devices: Synology, QNAP, NetApp
  ...[
    '@eadir',
    '#recycle',
    '#snapshot',
    '@recycle',
    '@recently-snapshot',
    '@tmp',
    '@sharebin',
    '@synoresource',
    '@__thumb',
    '@downloads',
    '~snapshot',
    'trashbox',
  ],
  // cameras and the programs beside them
  ...['thmbnl', 'picasa.ini', 'zbthumbnail.info', 'autprint.mrk', 'ipod photo cache', 'adobe bridge cache'],
  // programs that hold two folders alike
  ...['_gsdata_', 'sync.ffs_db', '_sync_conflicts'],
  // Linux, Python
  ...['lost+found', '__pycache__'],
]);

/** Hidden files, and what systems and devices leave in folders and archives: no class and no image. */
export const isLeaving = (name: string): boolean =>
  name.startsWith('.') ||
  name.startsWith('~$') ||
  leavings.has(name.toLowerCase()) ||
  /^found\.\d{3}$|^synophoto[_:]|^synoindex|\.lrdata$/i.test(name);

/** Copies and halves that programs leave beside a file, and the thumbnails of videos. */
const isRemnant = (name: string): boolean =>
  /(~|\.(bak|orig|tmp|temp|part|partial|crdownload|download|unfinished|thm))$/i.test(name);

/** The path below `root` with forward slashes: the same on every system. */
export const relativeId = (root: string, path: string): string => relative(root, path).split(sep).join('/');

/** A file that was seen and left out. */
export interface LeftOut {
  readonly path: string;
  readonly reason: string;
}

export interface Entries {
  readonly files: string[];
  readonly folders: string[];
  /** Pipes, sockets, devices and links to them: nothing that can be read to its end. */
  readonly special: LeftOut[];
}

/** The visible entries of a folder, sorted, symbolic links followed. */
export async function entriesOf(folder: string): Promise<Entries> {
  const entries: Entries = { files: [], folders: [], special: [] };
  for (const entry of await readFolder(folder)) {
    if (isLeaving(entry.name)) continue;
    const path = join(folder, entry.name);
    // A link that leads nowhere counts as a file: it is listed, and reported when it cannot be read.
    const kind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    const special = kind && specialKind(kind);
    if (special !== undefined) entries.special.push({ path, reason: `${special}, not a file` });
    else if (kind?.isDirectory()) entries.folders.push(path);
    else entries.files.push(path);
  }
  return entries;
}

/** All visible entries below a folder, sorted; a link that leads back to a folder on the way down is not followed. */
export async function entriesBelow(folder: string, above: readonly string[] = []): Promise<Omit<Entries, 'folders'>> {
  const here = await reading(folder, () => realpath(folder));
  if (above.includes(here)) return { files: [], special: [] };
  const { files, folders, special } = await entriesOf(folder);
  for (const child of folders) {
    const below = await entriesBelow(child, [...above, here]);
    for (const file of below.files) files.push(file);
    special.push(...below.special);
  }
  return { files, special };
}

export interface FoundImages {
  readonly images: string[];
  /** Everything else, with absolute paths. */
  readonly others: LeftOut[];
}

/** Of files, those that are images: by their names, and where these do not say so by their first bytes. */
export async function imagesAmong({ files, special }: Omit<Entries, 'folders'>): Promise<FoundImages> {
  const found: FoundImages = { images: [], others: [...special] };
  for (const path of files) {
    if (isRemnant(basename(path))) found.others.push({ path, reason: 'a copy or half that a program left' });
    else if (hasImageExtension(path)) found.images.push(path);
    else {
      const { format, other } = await typeOfFile(path).catch(() => ({ format: undefined, other: 'not readable' }));
      if (format !== undefined) found.images.push(path);
      else found.others.push({ path, reason: other ?? `not an image (${imageFormats.join(', ')})` });
    }
  }
  return found;
}

/** All images below a folder, sorted by path within each folder. */
export const imagesBelow = async (folder: string): Promise<FoundImages> => imagesAmong(await entriesBelow(folder));

/** Whether any image lies below a folder; ends at the first. */
export async function holdsImage(folder: string, above: readonly string[] = []): Promise<boolean> {
  const here = await reading(folder, () => realpath(folder));
  if (above.includes(here)) return false;
  const entries = await entriesOf(folder);
  if (entries.files.some((file) => hasImageExtension(file) && !isRemnant(basename(file)))) return true;
  for (const child of entries.folders) if (await holdsImage(child, [...above, here])) return true;
  return (await imagesAmong(entries)).images.length > 0;
}

/** Errors of a name that cannot be there. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL', 'ERR_INVALID_ARG_VALUE']);

/**
 * What lies at a path, or undefined where nothing does.
 * @throws FrostlineError where that cannot be told, as for want of permission
 */
export async function kindOf(path: string): Promise<'file' | 'folder' | 'special' | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (absent.has(error.code ?? '')) return undefined;
    throw asReadError(error, path);
  });
  if (found === undefined) return undefined;
  return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'special';
}
