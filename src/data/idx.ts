import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { FrostlineError } from '../errors.ts';
import { allocate } from '../read-files.ts';
import { type ImageArray, type ImageDataset, namedClasses, type Sample } from './dataset.ts';
import { entriesOf, kindOf, readWhole } from './files.ts';
import { MOST_UNPACKED } from './unpack.ts';

/** IDX files of images and labels, as MNIST has them. */
export interface IdxOptions {
  /** Which files to read: the training set, the test set (t10k) or all there are (default). */
  split?: 'train' | 'test' | 'all';
  /** Names of the classes in the order of the labels (default: the numbers). */
  classNames?: readonly string[];
  /** Megabytes that a gzipped file may become (default 1024). */
  maxUnpacked?: number;
}

export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major unsigned bytes. */
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of unsigned bytes, plain or gzipped: two zero bytes, the type 0x08, the number of dimensions, each
 * dimension as a big-endian 32-bit number, the values (LeCun, the MNIST database).
 * @param maxUnpacked megabytes that a gzipped file may become
 */
export async function readIdx(path: string, maxUnpacked = MOST_UNPACKED): Promise<IdxArray> {
  let bytes: Uint8Array = await readWhole(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await unpack(path, bytes, maxUnpacked);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 + 4 * (bytes[3] ?? 0);
  if (bytes.length < 8 || view.getUint16(0) !== 0 || bytes.length < header) {
    throw new FrostlineError(
      `${path} is no IDX file: its first bytes are ${hex(bytes.subarray(0, 4))}, expected 00 00 08 0n`,
    );
  }
  if (bytes[2] !== 8) {
    throw new FrostlineError(
      `${path} holds IDX values of type 0x${hex(bytes.subarray(2, 3))}; only unsigned bytes (0x08) are read`,
    );
  }
  const shape = Array.from({ length: bytes[3] }, (_, i) => view.getUint32(4 + 4 * i));
  const data = bytes.subarray(header);
  const expected = shape.reduce((product, size) => product * size, 1);
  if (data.length !== expected) {
    throw new FrostlineError(
      `${path} holds ${data.length} values, but its header says ${shape.join(' x ')} = ${expected}; download it again`,
    );
  }
  return { shape, data };
}

/** Unpacks as much as the header in the file says and a byte, and allocates that once. */
async function unpack(path: string, packed: Uint8Array, maxUnpacked: number): Promise<Uint8Array> {
  const gunzip = createGunzip();
  gunzip.end(packed);
  let bytes = new Uint8Array(0);
  let wanted: number | undefined;
  let at = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      if (wanted === undefined) {
        // The first piece holds the whole header, or the file does not.
        wanted = lengthOf(chunk);
        if (wanted > maxUnpacked * 1e6) {
          throw new FrostlineError(
            `${path} unpacks to ${wanted} bytes, more than ${maxUnpacked} MB; --max-unpacked ${Math.ceil(wanted / 1e6)} allows it`,
          );
        }
        bytes = allocate(wanted + 1, path);
      }
      const room = bytes.subarray(at);
      room.set(chunk.subarray(0, room.length));
      at += Math.min(chunk.length, room.length);
      if (at > wanted) break;
    }
  } catch (error) {
    if (error instanceof FrostlineError) throw error;
    throw new FrostlineError(`${path} is a broken gzip file (${(error as Error).message}); download it again`);
  } finally {
    gunzip.destroy();
  }
  return bytes.subarray(0, at);
}

/** Header and values, as the header says; of what is no IDX file enough to say so. */
function lengthOf(start: Buffer): number {
  const header = 4 + 4 * (start[3] ?? 0);
  if (start.length < header) return start.length;
  let values = 1;
  for (let i = 0; i < start[3]; i++) values *= start.readUInt32BE(4 + 4 * i);
  return header + values;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

const imagesName = /^(.*[-_.])?(train|t10k|test)([-_.])images([-_.]idx3)?([-_.]ubyte)?(\.gz)?$/i;

/** Files of images by the part of the data set that they hold; a plain file comes before its gzipped twin. */
async function imageFiles(path: string): Promise<{ file: string; part: 'train' | 'test' }[]> {
  const files = (await kindOf(path)) === 'file' ? [path] : (await entriesOf(path)).files;
  const partOf = (file: string) => {
    const match = imagesName.exec(basename(file));
    return match ? (match[2].toLowerCase() === 'train' ? 'train' : 'test') : undefined;
  };
  return files.flatMap((file) => {
    const part = partOf(file);
    return part && !(file.endsWith('.gz') && files.includes(file.slice(0, -3))) ? [{ file, part } as const] : [];
  });
}

/** Whether a path holds images in IDX files, by their names. */
export const hasIdx = async (path: string): Promise<boolean> => (await imageFiles(path)).length > 0;

/**
 * The MNIST family: `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte` with their labels beside them, gzipped or
 * not. A sample's id is its part and its place in the file: `test/35`.
 */
export async function loadIdx(path: string, options: IdxOptions = {}): Promise<ImageDataset> {
  const wanted = options.split ?? 'all';
  const found = await imageFiles(path);
  const chosen = found.filter(({ part }) => wanted === 'all' || part === wanted);
  if (chosen.length === 0) {
    throw new FrostlineError(
      `${path} holds no IDX images ${wanted === 'all' ? '' : `of the ${wanted} set `}(train- or t10k-images-idx3-ubyte, also .gz); ` +
        (found.length > 0 ? `found ${found.map(({ file }) => basename(file)).join(', ')}` : 'check the folder'),
    );
  }
  for (const part of ['train', 'test'] as const) {
    const several = chosen.filter((one) => one.part === part).map(({ file }) => basename(file));
    if (several.length > 1) {
      throw new FrostlineError(
        `${path} holds several ${part} sets: ${several.join(', ')}; give one of these files as the path`,
      );
    }
  }

  const samples: Sample[] = [];
  for (const { file, part } of chosen) {
    const array = await readImages(file, options.maxUnpacked);
    const labels = await readLabels(file, array.count, options.maxUnpacked);
    labels.forEach((label, index) => void samples.push({ id: `${part}/${index}`, label, source: { array, index } }));
  }
  if (samples.length === 0) throw new FrostlineError(`${path} holds IDX files of no images; download them again`);
  const highest = samples.reduce((most, { label }) => Math.max(most, label), 0);
  return {
    name: basename(path),
    path,
    format: 'idx',
    classes: namedClasses(highest, options.classNames, path),
    samples,
    ignored: [],
    notes: chosen.map(({ file, part }) => `${part} set: ${basename(file)}`),
  };
}

async function readImages(file: string, maxUnpacked?: number): Promise<ImageArray> {
  const { shape, data } = await readIdx(file, maxUnpacked);
  if (shape.length !== 3) {
    throw new FrostlineError(`${file} has ${shape.length} dimensions; expected images x rows x columns`);
  }
  const [count, height, width] = shape;
  return { file, count, height, width, channels: 1, data };
}

async function readLabels(imagesFile: string, count: number, maxUnpacked?: number): Promise<Uint8Array> {
  const name = basename(imagesFile)
    .replace(/images/i, 'labels')
    .replace(/idx3/i, 'idx1');
  const plain = join(imagesFile, '..', name.replace(/\.gz$/, ''));
  const file = (await kindOf(plain)) === 'file' ? plain : `${plain}.gz`;
  if ((await kindOf(file)) !== 'file') {
    throw new FrostlineError(`${imagesFile} has no labels beside it; expected ${basename(plain)} or ${basename(file)}`);
  }
  const { shape, data } = await readIdx(file, maxUnpacked);
  if (shape.length !== 1 || shape[0] !== count) {
    throw new FrostlineError(
      `${file} holds ${shape.join(' x ')} labels; ${basename(imagesFile)} holds ${count} images`,
    );
  }
  return data;
}
