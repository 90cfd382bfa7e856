import { FrostlineError } from '../errors.ts';
import { attemptAll } from './concurrent.ts';
import type { ImageDataset } from './dataset.ts';
import { cacheFile, readCache, writeCache } from './decode-cache.ts';
import { arrayPixels, readPixels, reasonOf } from './pixels.ts';
import { refuseAll } from './problems.ts';
import { resizeToRgba } from './resize.ts';

export interface DecodeOptions {
  height: number;
  width: number;
  /** Which samples, in which order (default: all). */
  indices?: ArrayLike<number>;
  /** Images decoded at a time (default: the number of cores). */
  concurrency?: number;
  /** Folder of decoded images; without it nothing is kept. */
  cacheFolder?: string;
  onProgress?: (done: number, total: number) => void;
}

export interface DecodedImages {
  /** count x height x width x 4: red, green, blue, 255. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Decodes images to 8-bit RGBA of one size: stretched to exactly height x width, bilinear and antialiased
 * (`resizeToRgba`), never cropped. Formats and their conversion: `decodeImage`.
 *
 * @throws FrostlineError that names every image that cannot be decoded
 */
export async function decodeImages(
  dataset: Pick<ImageDataset, 'path' | 'samples'>,
  options: DecodeOptions,
): Promise<DecodedImages> {
  const { height, width, onProgress } = options;
  for (const [name, size] of Object.entries({ height, width })) {
    if (!Number.isInteger(size) || size < 1) {
      throw new FrostlineError(`${name} is ${size}; expected a whole number of pixels from 1 on`);
    }
  }
  const samples = options.indices
    ? Array.from(options.indices, (index) => {
        const sample = dataset.samples[index];
        if (!sample)
          throw new FrostlineError(
            `index ${index} is outside the ${dataset.samples.length} samples of ${dataset.path}`,
          );
        return sample;
      })
    : dataset.samples;
  const count = samples.length;
  const size = height * width * 4;
  const sources = samples.map(({ source }) => source);
  const cache = options.cacheFolder && (await cacheFile(options.cacheFolder, sources, height, width));
  const cached = cache && (await readCache(cache, count * size));
  if (cached) {
    onProgress?.(count, count);
    return { data: cached, count, height, width };
  }

  const data = allocate(count * size, `${count} images of ${height} x ${width}`);
  const decode = async (at: number) => {
    const { source } = samples[at];
    const pixels = 'file' in source ? await readPixels(source.file) : arrayPixels(source.array, source.index);
    resizeToRgba(pixels, height, width, data, at * size);
  };
  const failures = await attemptAll(count, decode, options);
  refuseAll(
    `${failures.length} of ${count} images of ${dataset.path} cannot be decoded`,
    failures.map(({ index, error }) => `${samples[index].id}: ${reasonOf(error)}`),
    'Replace or remove them.',
  );
  if (cache) await writeCache(cache, data);
  return { data, count, height, width };
}

function allocate(length: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch {
    throw new FrostlineError(`${what} take ${length} bytes, more than the memory holds; decode fewer at a time`);
  }
}

/**
 * Decodes image files as `decodeImages` does, one behind the other in `into`; a file that cannot be decoded leaves its
 * place as it was, and takes no other with it.
 * @param into files x height x width x 4
 * @returns those that cannot be decoded, by their place, and why
 */
export async function decodeInto(
  files: readonly string[],
  into: Uint8Array<ArrayBuffer>,
  { height, width, concurrency }: Pick<DecodeOptions, 'height' | 'width' | 'concurrency'>,
): Promise<{ readonly index: number; readonly why: string }[]> {
  const decode = async (at: number) =>
    resizeToRgba(await readPixels(files[at]), height, width, into, at * height * width * 4);
  const failures = await attemptAll(files.length, decode, { concurrency });
  return failures.map(({ index, error }) => ({ index, why: reasonOf(error) }));
}
