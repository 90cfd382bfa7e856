import fs from 'node:fs';
import { FrostlineError } from '../errors.ts';
import { asReadError } from '../read-files.ts';

/**
 * Bytes that can be read in pieces: a file that is never loaded whole, or bytes in memory. Weights of 600 MB stay in
 * their file until they are asked for and then go straight into a buffer of their own.
 */
export interface ByteSource {
  /** For messages: the file's name or 'the given bytes'. */
  readonly name: string;
  readonly length: number;
  /** A view or a copy of `length` bytes from `offset`, which lie inside the source; aligned to 8 bytes when copied. */
  read(offset: number, length: number): Uint8Array;
}

export function memorySource(bytes: Uint8Array, name = 'the given bytes'): ByteSource {
  return { name, length: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

const longestRead = 2 ** 30;

/** Opens the file for each read, so that no descriptor outlives it; a file changed in between is refused. */
export function fileSource(path: string): ByteSource {
  const seen = statFile(path);
  return {
    name: path,
    length: seen.size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      const file = openFile(path);
      try {
        const now = fs.fstatSync(file);
        if (now.size !== seen.size || now.mtimeMs !== seen.mtimeMs) {
          throw new FrostlineError(`${path} changed while it was in use. Start again with the file left in peace.`);
        }
        for (let done = 0; done < length; ) {
          const got = fs.readSync(file, bytes, done, Math.min(length - done, longestRead), offset + done);
          if (got === 0) throw new FrostlineError(`${path} ended at byte ${offset + done} of ${seen.size}.`);
          done += got;
        }
      } catch (error) {
        throw asReadError(error, path);
      } finally {
        fs.closeSync(file);
      }
      return bytes;
    },
  };
}

function statFile(path: string): fs.Stats {
  let stats: fs.Stats;
  try {
    stats = fs.statSync(path);
  } catch (error) {
    throw asReadError(error, path);
  }
  if (!stats.isFile()) throw new FrostlineError(`${path} is no file. Give the path of an ONNX file.`);
  return stats;
}

function openFile(path: string): number {
  try {
    return fs.openSync(path, 'r');
  } catch (error) {
    throw asReadError(error, path);
  }
}
