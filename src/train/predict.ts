/** Classes of new images: a network's inference over files, with the preprocessing and labels it carries. */
import { resolve } from 'node:path';
import type { Sample } from '../data/dataset.ts';
import { type DecodeOptions, decodeImages } from '../data/decode.ts';
import { filesBelow, isImageName, kindOf } from '../data/files.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Network } from '../models/network.ts';
import { Evaluator } from './evaluate.ts';
import { createModel, releaseModel } from './model.ts';

export interface Ranked {
  /** Index of the class among the network's outputs. */
  readonly index: number;
  /** Its name, or its index where the network has no labels. */
  readonly name: string;
  readonly probability: number;
}

export interface ImagePrediction {
  readonly image: string;
  /** The most probable classes, the first first. */
  readonly classes: readonly Ranked[];
}

export interface PredictOptions extends Pick<DecodeOptions, 'concurrency' | 'onProgress'> {
  /** How many classes for each image; 1 unless given. */
  readonly top?: number;
  /** Images at a time on the device; 16 unless given. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
}

/**
 * The images that paths name: files as they are, folders with every image at any depth, sorted.
 *
 * @throws FrostlineError naming every path that does not exist, or a folder without images
 */
export async function findImages(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const problems: string[] = [];
  for (const path of paths) {
    const kind = await kindOf(path);
    if (kind === 'file') found.push(path);
    else if (kind === 'folder') {
      const images = (await filesBelow(path)).filter(isImageName);
      if (images.length === 0) problems.push(`${path} holds no image (jpg, png, webp, tiff, bmp)`);
      found.push(...images);
    } else problems.push(`${path} does not exist`);
  }
  if (problems.length > 0) throw new FrostlineError(`${problems.join('\n')}; check the paths of the images`);
  return found;
}

/**
 * @param images paths of image files, stretched to the network's input as in training
 * @throws FrostlineError that names every image that cannot be decoded, or when the network does not classify images
 */
export async function predictImages(
  gpu: Gpu,
  network: Network,
  images: readonly string[],
  options: PredictOptions = {},
): Promise<ImagePrediction[]> {
  const [height, width] = imageSize(network);
  const { top = 1, batch = 16, signal } = options;
  const samples = images.map((image): Sample => ({ id: image, label: 0, source: { file: resolve(image) } }));
  const { concurrency, onProgress } = options;
  const { data } = await decodeImages({ path: 'those given', samples }, { height, width, concurrency, onProgress });
  const model = createModel(network);
  try {
    const evaluator = await Evaluator.compile(
      gpu,
      model,
      { kind: 'images', pixels: data, height, width, labels: new Uint32Array(images.length) },
      Math.min(batch, images.length),
    );
    try {
      const { probabilities, classes } = await evaluator.run(signal);
      const names = classNames(network, classes);
      return images.map((image, i) => {
        const row = probabilities.subarray(i * classes, (i + 1) * classes);
        return { image, classes: rank(row, names, top) };
      });
    } finally {
      evaluator.destroy();
    }
  } finally {
    releaseModel(gpu, model);
  }
}

/** Height and width of the one image that the network takes. */
export function imageSize({ name, inputs, preprocessing }: Network): readonly [number, number] {
  if (inputs.length !== 1) {
    throw new FrostlineError(
      `${name} has ${inputs.length} inputs, ${inputs.map((input) => input.name).join(', ')}; one image is expected. ` +
        "Run it with 'frostline infer'.",
    );
  }
  const [{ name: input, shape }] = inputs;
  if (shape.length !== 3) {
    throw new FrostlineError(
      `${name}: the input ${input} is [N, ${shape.join(', ')}], an image [N, channels, height, width] is expected. ` +
        "Run it with 'frostline infer'.",
    );
  }
  if (preprocessing === undefined) {
    throw new FrostlineError(
      `How images become the input of ${name} is not known. Give --preprocessing with a preset's name.`,
    );
  }
  return [shape[1], shape[2]];
}

/** Of the outputs: the labels that the file carries, or numbers. */
export function classNames({ name, labels }: Network, classes: number): readonly string[] {
  if (labels !== undefined && labels.length !== classes) {
    throw new FrostlineError(
      `${name} carries ${labels.length} labels for ${classes} classes. Mend 'frostline.labels' in the file's metadata.`,
    );
  }
  return labels ?? Array.from({ length: classes }, (_, index) => String(index));
}

/** The `top` largest, equal ones in the order of the classes. */
function rank(row: Float32Array, names: readonly string[], top: number): Ranked[] {
  return Array.from(row, (probability, index) => ({ index, name: names[index], probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, top);
}
