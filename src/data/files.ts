import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, extname, join, relative, sep } from 'node:path';
import { FrostlineError } from '../errors.ts';

const imageExtensions = new Set(['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff', '.bmp']);

/** Whether a file name has the extension of a format that `decodeImages` reads. */
export const isImageName = (path: string): boolean => imageExtensions.has(extname(path).toLowerCase());

/** Hidden files, and what macOS and Windows leave in folders and archives. */
export const isHidden = (name: string): boolean =>
  name.startsWith('.') || ['__MACOSX', 'Thumbs.db', 'desktop.ini'].includes(name);

/** The path below `root` with forward slashes: the same on every system. */
export const relativeId = (root: string, path: string): string => relative(root, path).split(sep).join('/');

/** The visible entries of a folder, sorted, symbolic links followed. */
export async function entriesOf(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (isHidden(entry.name)) continue;
    const path = join(folder, entry.name);
    const kind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    // A dangling link counts as a file: it is listed, and reported when it cannot be read.
    if (kind?.isDirectory()) folders.push(path);
    else files.push(path);
  }
  return { files, folders };
}

/** All visible files below a folder, sorted; a link that leads back to a folder on the way down is not followed. */
export async function filesBelow(folder: string, above: readonly string[] = []): Promise<string[]> {
  const here = await realpath(folder);
  if (above.includes(here)) return [];
  const { files, folders } = await entriesOf(folder);
  const nested: string[] = [];
  for (const child of folders) nested.push(...(await filesBelow(child, [...above, here])));
  return [...files, ...nested];
}

/** What lies at a path, or undefined where nothing does. */
export async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && (found.isDirectory() ? 'folder' : 'file');
}

/** Reads a whole file, of any size (`fs.readFile` ends at 2 GiB). */
export async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new FrostlineError(`${path} cannot be read (${error.code}); check the path and its permissions`);
  });
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(size - at, 1 << 30), at);
      if (bytesRead === 0) throw new FrostlineError(`${path} became shorter while it was read; read it again`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Writes a file under another name and renames it at the end, so that no reader ever meets half of it. */
export async function writeAtomically(path: string, ...parts: readonly (Uint8Array | string)[]): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.unfinished`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(unfinished, 'wx');
    try {
      for (const part of parts) await file.appendFile(part);
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FrostlineError(
      `${path} cannot be written (${code ?? message}); free disk space or choose another folder. Nothing was left behind`,
    );
  }
}
