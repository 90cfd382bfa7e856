/** Classes of new images: a network's inference over files, with the preprocessing and labels it carries. */
import { type DecodeOptions, decodeInto } from '../data/decode.ts';
import { imagesBelow, kindOf, type LeftOut } from '../data/files.ts';
import { imageFormats } from '../data/image-type.ts';
import { separateMasks } from '../data/masks.ts';
import { Remarks } from '../data/pixels.ts';
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { resolve } from '../host.ts';
import { imageShape, type Network } from '../models/network.ts';
import { preprocessingOf } from '../models/preprocessing.ts';
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

export interface PredictOptions extends Pick<DecodeOptions, 'concurrency' | 'onProgress' | 'maxPixels'> {
  /** How many classes for each image; 1 unless given. */
  readonly top?: number;
  /** Images at a time on the device; 16 unless given. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Is told what the decoder remarked on images that are used. */
  onRemark?(text: string): void;
}

export interface StreamOptions extends PredictOptions {
  onUnreadable(problem: Unreadable): void;
}

/**
 * The images that paths name: files as they are, folders with every image at any depth, sorted. What is named as a mask
 * of another image of the same folder is left out, unless masks are asked for.
 *
 * @throws FrostlineError naming every path that does not exist, or a folder without images
 */
export async function findImages(
  paths: readonly string[],
  { masks = 'leave-out' }: { readonly masks?: 'leave-out' | 'use' } = {},
): Promise<{ images: string[]; leftOut: LeftOut[] }> {
  const found: string[] = [];
  const leftOut: LeftOut[] = [];
  const problems: string[] = [];
  for (const path of paths) {
    const kind = await kindOf(path);
    if (kind === 'file') found.push(path);
    else if (kind === 'folder') {
      const { images, others } = await imagesBelow(path);
      if (images.length === 0) problems.push(`${path} holds no image (${imageFormats.join(', ')})`);
      leftOut.push(...others);
      const told = separateMasks(path, images);
      for (const image of masks === 'use' ? images : told.images) found.push(image);
      if (masks === 'use') continue;
      leftOut.push(...told.masks.map((mask) => ({ path: mask.path, reason: `a mask of ${mask.of}, by its name` })));
    } else problems.push(kind === 'special' ? `${path} is a pipe or a device, no image` : `${path} does not exist`);
  }
  if (problems.length > 0) throw new FrostlineError(`${problems.join('\n')}; check the paths of the images`);
  return { images: found, leftOut };
}

/** An image that cannot be read, and why. */
export interface Unreadable {
  readonly image: string;
  readonly why: string;
}

/**
 * Predictions batch by batch, in the order of the images: a folder of any size takes the memory of one batch.
 * @param images paths of image files, stretched to the network's input as in training
 * @param onUnreadable told of each image that cannot be decoded; it has no prediction, and the others go on
 * @throws FrostlineError when the network does not classify images
 */
export async function* streamPredictions(
  gpu: Gpu,
  network: Network,
  images: readonly string[],
  { top = 1, batch = 16, signal, concurrency, maxPixels, onProgress, onRemark, onUnreadable }: StreamOptions,
): AsyncGenerator<ImagePrediction[]> {
  const [height, width] = imageSize(network);
  const size = Math.min(batch, Math.max(1, images.length));
  const pixels = new Uint8Array(size * 4 * height * width);
  const remarks = new Remarks();
  const model = createModel(network);
  try {
    const data = { kind: 'images' as const, pixels, height, width, labels: new Uint32Array(size) };
    const evaluator = await Evaluator.compile(gpu, model, data, size);
    try {
      for (let first = 0; first < images.length; first += size) {
        signal?.throwIfAborted();
        const part = images.slice(first, first + size);
        const files = part.map((image) => resolve(image));
        const unreadable = new Map(
          (await decodeInto(files, pixels, { height, width, concurrency, maxPixels }, remarks)).map(
            ({ index, why }) => [index, why],
          ),
        );
        for (const [index, why] of unreadable) onUnreadable({ image: part[index], why });
        if (unreadable.size < part.length) {
          // What stands in the places of those that are missing is computed, too, and dropped.
          evaluator.reload();
          const { probabilities, classes } = await evaluator.run(signal);
          const names = classNames(network, classes);
          yield part.flatMap((image, i) => {
            if (unreadable.has(i)) return [];
            const row = probabilities.subarray(i * classes, (i + 1) * classes);
            return [{ image, classes: rank(row, names, top) }];
          });
        }
        onProgress?.(Math.min(images.length, first + size), images.length);
      }
      for (const remark of remarks.lines()) onRemark?.(remark);
    } finally {
      evaluator.destroy();
    }
  } finally {
    releaseModel(gpu, model);
  }
}

/** Height and width of the one image that the network takes. */
export function imageSize(network: Network): readonly [number, number] {
  const { name, inputs } = network;
  if (inputs.length !== 1) {
    throw new FrostlineError(
      `${name} has ${inputs.length} inputs, ${inputs.map((input) => input.name).join(', ')}; one image is expected. ` +
        "Run it with 'frostline infer'.",
    );
  }
  const [input] = inputs;
  const image = imageShape(input);
  if (image === undefined) {
    throw new FrostlineError(
      `${name}: the input ${input.name} is [N, ${input.shape.join(', ')}], an image [N, channels, height, width] or ` +
        "[N, height, width, channels] is expected. Run it with 'frostline infer'.",
    );
  }
  preprocessingOf(network);
  return [image[1], image[2]];
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
