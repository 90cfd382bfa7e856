/**
 * Reading files that people name: regular files only (a FIFO would wait for ever, a device never end), and every error
 * of the file system in words. `-` stands for standard input where a caller allows it.
 */
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { FrostlineError } from './errors.ts';

/** Longest text that is read at once: JavaScript's strings end at half a gigabyte. */
const LONGEST_TEXT = 2 ** 28;

const LONGEST_READ = 2 ** 30;

/** Longest that is taken from standard input, which may never end. */
const LONGEST_STREAM = 2 ** 31;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist; check the path',
  EACCES: 'no permission to read it; change its rights, or copy it',
  EPERM: 'no permission to read it; change its rights, or copy it',
  EISDIR: 'it is a folder; give the path of a file',
  ENOTDIR: 'a part of the path is a file, not a folder; check the path',
  ELOOP: 'its links lead in a circle; give the file itself',
  ENAMETOOLONG: 'the name is too long; check the path',
  EMFILE: "too many files are open; raise the limit with 'ulimit -n'",
  ENFILE: 'too many files are open on this machine; close some programs',
  EIO: 'the disk reports an error; copy the file from another place',
  ESTALE: 'the file system has lost it; mount it again',
  ENXIO: 'nothing stands behind it; give a regular file',
  ETIMEDOUT: 'the file system does not answer; check the network',
  EBUSY: 'it is in use; try again',
  EINVAL: 'the path is no path here; check it',
  ERR_INVALID_ARG_VALUE: 'the path holds a zero byte; check it',
};

/** Why a file cannot be read. */
export class ReadError extends FrostlineError {
  /** the file system's, such as ENOENT */
  readonly code: string;

  constructor(path: string, code: string, reason: string) {
    super(`${path} cannot be read (${code}): ${reason}`);
    this.code = code;
  }
}

/** What reading met, as the user can mend it; an error that is none of the file system's is passed on. */
export function asReadError(error: unknown, path: string): unknown {
  if (error instanceof FrostlineError) return error;
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === undefined || (errno === undefined && reasons[code] === undefined)) return error;
  const reason =
    code === 'ENOENT' && path.includes('\uFFFD')
      ? 'its name is not UTF-8; rename it, for example with convmv'
      : (reasons[code] ?? 'check the path and its permissions');
  return new ReadError(path, code, reason);
}

/** Runs what reads, with its errors in words. */
export async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asReadError(error, path);
  }
}

/** What a path leads to that is no regular file, in a word. */
export function specialKind(entry: Pick<Dirent, 'isFIFO' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'>) {
  if (entry.isFIFO()) return 'a pipe';
  if (entry.isSocket()) return 'a socket';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'a device' : undefined;
}

/** Works on an open regular file. */
async function withRegular<T>(path: string, work: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  return await reading(path, async () => {
    // Without O_NONBLOCK, opening a pipe waits for somebody who writes.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const found = await file.stat();
      if (found.isDirectory()) throw new FrostlineError(`${path} is a folder; give the path of a file`);
      if (!found.isFile()) {
        throw new FrostlineError(
          `${path} is ${specialKind(found) ?? 'no regular file'}; only regular files are read. Copy what comes out of it into one`,
        );
      }
      return await work(file, found.size);
    } finally {
      await file.close();
    }
  });
}

/** Reads a whole file, of any size (`fs.readFile` ends at 2 GiB), or its first bytes. */
export async function readBytes(path: string, first = Number.POSITIVE_INFINITY): Promise<Uint8Array<ArrayBuffer>> {
  return await withRegular(path, async (file, size) => {
    const bytes = allocate(Math.min(size, first), path);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, LONGEST_READ), at);
      if (bytesRead === 0) throw new FrostlineError(`${path} became shorter while it was read; read it again`);
      at += bytesRead;
    }
    return bytes;
  });
}

/** A file in pieces, for what need not lie in memory whole. */
export async function forEachChunk(path: string, take: (chunk: Uint8Array) => void): Promise<void> {
  await withRegular(path, async (file) => {
    const chunk = new Uint8Array(2 ** 20);
    for (let bytesRead = -1; bytesRead !== 0; ) {
      ({ bytesRead } = await file.read(chunk, 0, chunk.length));
      take(chunk.subarray(0, bytesRead));
    }
  });
}

/** @throws FrostlineError where the memory does not suffice */
export function allocate(length: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch {
    throw new FrostlineError(`${what} takes ${length} bytes, more than the memory holds; use less of it at a time`);
  }
}

/**
 * Reads a file, or for `-` what comes on standard input.
 * @throws FrostlineError for more than `most` bytes, before they are all read
 */
export async function readGiven(path: string, most = Number.POSITIVE_INFINITY): Promise<Uint8Array<ArrayBuffer>> {
  const refusal = (of: string, limit: number) =>
    new FrostlineError(`${of} has more than ${limit} bytes, the most that are read here`);
  if (path !== '-') {
    const bytes = await readBytes(path, most + 1);
    if (bytes.length > most) throw refusal(path, most);
    return bytes;
  }
  const longest = Math.min(most, LONGEST_STREAM);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > longest) throw refusal('standard input', longest);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}

/**
 * The text of a UTF-8 file; a byte-order mark is dropped.
 * @param expected what should be there, for the message where the file cannot be read
 * @throws FrostlineError that names the line where it is no UTF-8
 */
export async function readText(path: string, expected?: string): Promise<string> {
  try {
    return decodeText(await readBytes(path), path);
  } catch (error) {
    if (expected === undefined || !(error instanceof ReadError)) throw error;
    throw new FrostlineError(`${error.message}; ${expected}`);
  }
}

/** As `readText`, and nothing where there is no such file. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof ReadError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Text out of bytes, strictly: no byte is replaced by a sign that stands for nothing, so that two names never become
 * one. A byte-order mark of UTF-8 or UTF-16 counts before the encoding given.
 * @param encoding a label of the Encoding Standard; UTF-8 unless given
 * @param remedy what the user can do where it is no UTF-8
 */
export function decodeText(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  encoding?: string,
  remedy = 'Save it as UTF-8',
): string {
  if (bytes.length > LONGEST_TEXT) {
    throw new FrostlineError(
      `${name} is a text of ${bytes.length} bytes; at most ${LONGEST_TEXT} are read. Divide it, or compress what it holds`,
    );
  }
  const marked =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : undefined;
  const label = marked ?? encoding ?? 'utf-8';
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    decoder = new TextDecoder(label, { fatal: true });
  } catch {
    throw new FrostlineError(
      `encoding '${encoding}' is not known; expected utf-8, utf-16le, windows-1252 (Latin-1), iso-8859-2, windows-1251, shift_jis, gb18030, big5, euc-kr or another label of the Encoding Standard`,
    );
  }
  try {
    return decoder.decode(bytes);
  } catch {
    const line = firstBadLine(bytes, label);
    throw new FrostlineError(`${name} is not ${decoder.encoding.toUpperCase()}: see line ${line}. ${remedy}`);
  }
}

/** The first line, from 1, that does not decode by itself. */
function firstBadLine(bytes: Uint8Array, label: string): number {
  let line = 1;
  if (label !== 'utf-8' && label !== 'utf8') return line;
  for (let start = 0; start <= bytes.length; line++) {
    const end = bytes.indexOf(10, start);
    const text = bytes.subarray(start, end < 0 ? bytes.length : end);
    try {
      new TextDecoder(label, { fatal: true }).decode(text);
    } catch {
      return line;
    }
    if (end < 0) break;
    start = end + 1;
  }
  return line;
}

/** What lies in a folder, sorted by name. */
export async function readFolder(folder: string): Promise<Dirent[]> {
  return await reading(folder, async () =>
    (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
}
