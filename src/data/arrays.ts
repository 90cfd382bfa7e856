import { basename, join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { type ImageDataset, namedClasses } from './dataset.ts';
import { kindOf } from './files.ts';
import { type NpyArray, readNpy } from './npy.ts';

/** npy files of images and labels. */
export interface NpyOptions {
  /** File of the images (default X.npy or images.npy in the folder). */
  images?: string;
  /** File of the labels (default Y.npy, y.npy or labels.npy in the folder). */
  labels?: string;
  /** Names of the classes in the order of the labels (default: the numbers). */
  classNames?: readonly string[];
}

const firstFile = async (folder: string, names: readonly string[]): Promise<string | undefined> => {
  for (const name of names) if ((await kindOf(join(folder, name))) === 'file') return join(folder, name);
  return undefined;
};

/** The files of images and labels in a folder, by their names. */
export async function findArrays(folder: string): Promise<{ images?: string; labels?: string }> {
  return {
    images: await firstFile(folder, ['X.npy', 'images.npy']),
    labels: await firstFile(folder, ['Y.npy', 'y.npy', 'labels.npy']),
  };
}

/** Images as uint8 N,H,W or N,H,W,C (1, 3 or 4 channels) and integer labels N. A sample's id is its index. */
export async function loadNpy(path: string, options: NpyOptions = {}): Promise<ImageDataset> {
  const found = (await kindOf(path)) === 'folder' ? await findArrays(path) : { images: path };
  const images = options.images ?? found.images;
  const labels = options.labels ?? ('labels' in found ? found.labels : undefined);
  if (!images || !labels) {
    throw new FrostlineError(
      `${path} holds no ${images ? 'Y.npy or labels.npy' : 'X.npy or images.npy'}; name the file by the option ${images ? 'labels' : 'images'}`,
    );
  }
  const x = await readNpy(images);
  if (x.type !== 'u1' || x.shape.length < 3 || x.shape.length > 4) {
    throw new FrostlineError(
      `${images} is ${x.type} of shape ${x.shape.join(' x ')}; expected images of type u1 (uint8), N x H x W or N x H x W x C. ` +
        'Train on raw float tensors with loadTensors (--images, --labels)',
    );
  }
  const [count, height, width, channels = 1] = x.shape;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new FrostlineError(`${images} has ${channels} channels in its last dimension; expected 1, 3 or 4`);
  }
  const values = await readLabels(labels, images, count);
  const array = { file: images, count, height, width, channels, data: x.data } as const;
  return {
    name: basename(path).replace(/\.npy$/, ''),
    path,
    format: 'npy',
    classes: namedClasses(highest(values), options.classNames, labels),
    samples: Array.from(values, (label, index) => ({ id: String(index), label, source: { array, index } })),
    ignored: [],
    notes: [`images ${basename(images)}, labels ${basename(labels)}`],
  };
}

/** Tensors used for training as they are: no decoding, resizing or normalisation. */
export interface TensorDataset {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** N x C x H x W, row-major. */
  readonly data: Float32Array;
  readonly labels: Uint32Array;
  /** One more than the highest label. */
  readonly classes: number;
}

/**
 * Raw tensors: float32 N,C,H,W and integer labels N, as `.npy`.
 *
 * @throws FrostlineError where type, shape, labels or values (NaN, infinity) do not serve
 */
export async function loadTensors(images: string, labels: string): Promise<TensorDataset> {
  const x = await readNpy(images);
  if (x.type !== 'f4' || x.shape.length !== 4) {
    throw new FrostlineError(
      `${images} is ${x.type} of shape ${x.shape.join(' x ')}; expected f4 (float32) of shape N x C x H x W`,
    );
  }
  const bad = x.data.findIndex((value) => !Number.isFinite(value));
  const [count, channels, height, width] = x.shape;
  if (bad >= 0) {
    const image = Math.floor(bad / (channels * height * width));
    throw new FrostlineError(`${images} holds ${x.data[bad]} in image ${image}; only finite values can be trained on`);
  }
  const values = await readLabels(labels, images, count);
  return { count, channels, height, width, data: x.data, labels: values, classes: highest(values) + 1 };
}

const highest = (labels: Uint32Array): number => labels.reduce((most, label) => Math.max(most, label), 0);

async function readLabels(file: string, images: string, count: number): Promise<Uint32Array> {
  if (count === 0) throw new FrostlineError(`${images} holds no images`);
  const { type, shape, data }: NpyArray = await readNpy(file);
  // N x 1 is how a column is usually saved.
  const flat = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
  if (!flat || type.startsWith('f')) {
    throw new FrostlineError(`${file} is ${type} of shape ${shape.join(' x ')}; expected integers of shape N`);
  }
  if (shape[0] !== count) {
    throw new FrostlineError(`${file} holds ${shape[0]} labels; ${images} holds ${count} images`);
  }
  const labels = Array.from(data as ArrayLike<number | bigint>, Number);
  const bad = labels.findIndex((label) => label < 0 || label > 0xffff);
  if (bad >= 0) {
    throw new FrostlineError(`${file} holds label ${labels[bad]} at index ${bad}; expected class numbers from 0 on`);
  }
  return Uint32Array.from(labels);
}
