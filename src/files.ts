import { appendFileSync, closeSync, openSync, rmSync } from 'node:fs';
import {
  access,
  constants,
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FrostlineError } from './errors.ts';

let written = 0;

/**
 * Makes a folder and those above it where they are missing.
 * @returns what takes back the ones that were missing, as far as nothing lies in them
 */
export async function makeFolder(folder: string): Promise<() => Promise<void>> {
  const first = await makeFolders(resolve(folder)).catch((error) => {
    throw asWriteError(error, folder);
  });
  return async () => {
    if (first === undefined) return;
    for (let at = resolve(folder); at.length >= resolve(first).length; at = dirname(at))
      await rmdir(at).catch(() => {});
  };
}

/** As `mkdir -p`, which of Node tries for ever where a folder that is there takes none in it: /proc, automounters. */
async function makeFolders(folder: string): Promise<string | undefined> {
  const make = () =>
    mkdir(folder).then(
      () => folder,
      async (error) => ((await isFolder(folder)) ? undefined : Promise.reject(error)),
    );
  return await make().catch(async (error) => {
    if (error.code !== 'ENOENT' || dirname(folder) === folder) throw error;
    const first = await makeFolders(dirname(folder));
    const own = await make();
    return first ?? own;
  });
}

/** Makes a folder below another one, which must be there: what was removed or renamed is not made anew. */
export async function makeFolderIn(root: string, path: string): Promise<string> {
  let at = root;
  for (const name of path.split('/')) {
    at = join(at, name);
    await mkdir(at).catch((error) => {
      if (error.code !== 'EEXIST') throw asWriteError(error, at);
    });
  }
  return at;
}

/** Names under which files are written until they are whole. Others may write the same file, here or elsewhere. */
const temporaryOf = (path: string): string => join(dirname(path), `.${process.pid}-${written++}-${basename(path)}.tmp`);
export const isHalfWritten = (name: string): boolean => /^\.\d+-\d+-.*\.tmp$/.test(name);

/** Removes what writers that were killed left half written in a folder; what is younger than an hour may be in work. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!isHalfWritten(name)) continue;
    const path = join(folder, name);
    const modified = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - modified > 3_600_000) await rm(path, { force: true }).catch(() => {});
  }
}

/** Of a file: its text or bytes, or several that follow each other. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/**
 * Writes files so that a reader, a crash or a full disk never sees half of one: all contents go to temporary names in
 * the folder and to the disk, and only then take their names. Makes the folder if it is missing; on failure nothing is
 * left behind.
 * @param files contents by name, relative to `folder`
 * @returns the paths written, in the order given
 */
export async function writeFilesAtomically(
  folder: string,
  files: Readonly<Record<string, Content>>,
): Promise<string[]> {
  return await writeAll(folder, files, makeFolder);
}

/** As `writeFilesAtomically`, of one file by its path. */
export async function writeFileAtomically(path: string, content: Content): Promise<void> {
  await writeAll(dirname(path), { [basename(path)]: content }, makeFolder);
}

/** As `writeFilesAtomically`, into a folder that must be there: one that was removed or renamed is not made anew. */
export async function writeFilesIn(folder: string, files: Readonly<Record<string, Content>>): Promise<string[]> {
  return await writeAll(folder, files, async () => async () => {});
}

async function writeAll(
  folder: string,
  files: Readonly<Record<string, Content>>,
  make: typeof makeFolder,
): Promise<string[]> {
  const pending = Object.entries(files).map(([name, data]) => {
    const path = join(folder, name);
    return { path, temporary: temporaryOf(path), data };
  });
  // Whoever ends the process meanwhile (Ctrl-C) leaves nothing behind either.
  const clear = () => {
    for (const { temporary } of pending) rmSync(temporary, { force: true });
  };
  process.once('exit', clear);
  const takeBack: (() => Promise<void>)[] = [];
  try {
    for (const { temporary, data } of pending) {
      takeBack.unshift(await make(dirname(temporary)));
      const file = await open(temporary, 'w');
      try {
        for (const part of typeof data === 'string' || data instanceof Uint8Array ? [data] : data)
          await file.appendFile(part);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    for (const { temporary, path } of pending) await rename(temporary, path);
  } catch (error) {
    await Promise.all(pending.map(({ temporary }) => rm(temporary, { force: true }).catch(() => {})));
    for (const remove of takeBack) await remove();
    throw asWriteError(error, pending.length === 1 ? pending[0].path : folder);
  } finally {
    process.off('exit', clear);
  }
  return pending.map(({ path }) => path);
}

/** A file that is there under a second name, in place of what has it: the same bytes where the file system can, else a copy. */
export async function linkAtomically(from: string, path: string): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    await link(from, temporary).catch(async () => {
      await copyFile(from, temporary);
      const file = await open(temporary, 'r+');
      await file.sync().finally(() => file.close());
    });
    await rename(temporary, path);
  } catch (error) {
    throw asWriteError(error, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Makes a file with its whole content, unless something of that name is there: of several processes that try, one can.
 * The folder must be there.
 * @returns whether it was this call that made it
 */
export async function createFile(path: string, data: string | Uint8Array): Promise<boolean> {
  const folder = dirname(path);
  const temporary = temporaryOf(path);
  try {
    await writeFile(temporary, data, { flush: true });
    await link(temporary, path);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // A file system without hard links: a reader may meet the file before its content.
    if (['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(code)) return await createInPlace(path, data);
    throw asWriteError(error, folder);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

async function createInPlace(path: string, data: string | Uint8Array): Promise<boolean> {
  try {
    await writeFile(path, data, { flag: 'wx', flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw asWriteError(error, dirname(path));
  }
}

/** A new file of lines, to be read while it grows: what was appended stays, however the process ends. */
export class LineFile {
  readonly path: string;
  private file: number | undefined;

  /** Empties a file that is there. The folder must be there. */
  constructor(path: string) {
    this.path = path;
    this.file = this.try(() => openSync(path, 'w'));
  }

  append(line: string): void {
    this.try(() => appendFileSync(this.file!, `${line}\n`));
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }

  private try<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw asWriteError(error, dirname(this.path));
    }
  }
}

/**
 * Finds out before the work whether its results can be written, and makes nothing.
 * @param folder there, or yet to be made
 * @throws FrostlineError where a file is in the way or the permission is missing
 */
export async function checkWritable(folder: string): Promise<void> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    try {
      if (!(await stat(at)).isDirectory()) throw Object.assign(new Error(at), { code: 'ENOTDIR' });
      return await access(at, constants.W_OK);
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(at) !== at;
      if (!missing) throw asWriteError(error, folder);
    }
  }
}

/** Whether a folder lies at this path. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

const remedies: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist: make it, unless it was removed or renamed in the meantime',
  ENOSPC: 'the disk is full; free some space or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another folder',
  EROFS: 'the file system is read-only; choose another folder',
  EACCES: 'no permission to write there; choose another folder',
  EPERM: 'no permission to write there; choose another folder',
  ENOTDIR: 'a part of the path is a file, not a folder; choose another folder',
  EEXIST: 'a file of that name is in the way; choose another folder',
  EISDIR: 'a folder of that name is in the way; choose another folder',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
  ELOOP: 'its links lead in a circle; choose another folder',
  EIO: 'the disk reports an error; choose a folder on another one',
  ENXIO: 'no device stands behind it; choose another folder',
  EFBIG: 'the file system takes no file of that size; choose a folder on another one',
  EMFILE: "too many files are open; raise the limit with 'ulimit -n'",
  ENFILE: 'too many files are open on this machine; close some programs',
  ESTALE: 'the file system has lost it; mount it again',
  ETIMEDOUT: 'the file system does not answer; check the network',
  EBUSY: 'it is in use; try again, or choose another folder',
  ETXTBSY: 'it is a program that runs; choose another name',
  EXDEV: 'a part of it lies on another file system; choose another folder',
  EINVAL: 'the path is none here; check it',
  ERR_INVALID_ARG_VALUE: 'the path holds a zero byte; check it',
};

/** What the user can mend becomes a FrostlineError; anything else is passed on. */
export function asWriteError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException)?.code;
  const remedy = code === undefined ? undefined : remedies[code];
  return remedy === undefined ? error : new FrostlineError(`cannot write to ${path}: ${code}, ${remedy}`);
}

/** A file that grows under another name and takes its own when it is whole. */
export class GrowingFile {
  readonly path: string;
  private readonly temporary: string;
  private readonly file: number;
  private readonly takeBack: () => Promise<void>;

  private constructor(path: string, temporary: string, takeBack: () => Promise<void>) {
    this.path = path;
    this.temporary = temporary;
    this.takeBack = takeBack;
    this.file = openSync(temporary, 'w');
  }

  /** Makes the folder where it is missing. @throws FrostlineError where it cannot be written */
  static async open(path: string): Promise<GrowingFile> {
    const folder = dirname(path);
    const takeBack = await makeFolder(folder);
    try {
      return new GrowingFile(path, temporaryOf(path), takeBack);
    } catch (error) {
      await takeBack();
      throw asWriteError(error, folder);
    }
  }

  append(text: string): void {
    try {
      appendFileSync(this.file, text);
    } catch (error) {
      throw asWriteError(error, dirname(this.path));
    }
  }

  async commit(): Promise<void> {
    closeSync(this.file);
    await rename(this.temporary, this.path).catch((error) => {
      throw asWriteError(error, dirname(this.path));
    });
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    closeSync(this.file);
    await rm(this.temporary, { force: true });
    await this.takeBack();
  }
}
