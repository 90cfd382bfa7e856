import { checkArguments, FUNCTION, NUMBERS, OBJECT, PATH, TEXT, wholeFrom, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { allocate } from '../read-files.ts';
import { attemptAll } from './concurrent.ts';
import type { ImageDataset } from './dataset.ts';
import { cacheFile, readCache, writeCache } from './decode-cache.ts';
import { arrayPixels, type DecodedImage, decodeFile, Remarks, reasonOf } from './pixels.ts';
import { refuseAll } from './problems.ts';
import { resizeToRgba } from './resize.ts';

/** Size and colours that images are brought to. */
export interface DecodeOptions {
  height: number;
  width: number;
  /** Which samples, in which order (default: all). */
  indices?: ArrayLike<number>;
  /** Images decoded at a time (default: the number of cores). */
  concurrency?: number;
  /** Folder of decoded images; without it nothing is kept. */
  cacheFolder?: string;
  /** Larger images are refused (default: `MOST_PIXELS`). */
  maxPixels?: number;
  /** Is told what hinders nothing: a cache that cannot be written. */
  warn?: (text: string) => void;
  onProgress?: (done: number, total: number) => void;
}

/** Decoded images, and what could not be. */
export interface DecodedImages {
  /** count x height x width x 4: red, green, blue, 255. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** What was remarked on files that were used nevertheless. */
  readonly remarks: readonly string[];
}

const DECODE_OPTIONS: OptionNames<DecodeOptions> = {
  height: true,
  width: true,
  indices: NUMBERS,
  concurrency: wholeFrom(1),
  cacheFolder: PATH,
  maxPixels: wholeFrom(1),
  warn: FUNCTION,
  onProgress: FUNCTION,
};

const IMAGES = withMembers('a data set, of loadDataset', { path: TEXT.is, samples: Array.isArray });

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
  checkArguments('decodeImages', { dataset: [dataset, IMAGES], 'the options': [options, OBJECT] });
  const { height, width, onProgress } = checkOptions('decodeImages', options, DECODE_OPTIONS);
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
    return { ...cached, count, height, width };
  }

  const data = allocate(count * size, `${count} images of ${height} x ${width}`);
  const told: Pick<DecodedImage, 'remark' | 'bits'>[] = [];
  const decode = async (at: number) => {
    const { source } = samples[at];
    const decoded: Pick<DecodedImage, 'pixels' | 'remark' | 'bits'> =
      'file' in source
        ? await decodeFile(source.file, options.maxPixels)
        : { pixels: arrayPixels(source.array, source.index) };
    told[at] = { remark: decoded.remark, bits: decoded.bits };
    resizeToRgba(decoded.pixels, height, width, data, at * size);
  };
  const failures = await attemptAll(count, decode, options);
  refuseAll(
    `${failures.length} of ${count} images of ${dataset.path} cannot be decoded`,
    failures.map(({ index, error }) => `${samples[index].id}: ${reasonOf(error)}`),
    'Replace or remove them.',
  );
  const remarks = new Remarks();
  for (const [at, each] of told.entries()) remarks.add(samples[at].id, each);
  const decoded = { data, remarks: remarks.lines() };
  if (cache) {
    await writeCache(cache, decoded).catch((error: Error) => {
      options.warn?.(`${error.message}: decoded images are not kept. FROSTLINE_CACHE names another folder for them`);
    });
  }
  return { ...decoded, count, height, width };
}

/**
 * Decodes image files as `decodeImages` does, one behind the other in `into`; a file that cannot be decoded leaves its
 * place as it was, and takes no other with it.
 * @param into files x height x width x 4
 * @param remarks gathers what the decoder remarked on files that are used
 * @returns those that cannot be decoded, by their place, and why
 */
export async function decodeInto(
  files: readonly string[],
  into: Uint8Array<ArrayBuffer>,
  { height, width, concurrency, maxPixels }: Pick<DecodeOptions, 'height' | 'width' | 'concurrency' | 'maxPixels'>,
  remarks?: Remarks,
): Promise<{ readonly index: number; readonly why: string }[]> {
  const decode = async (at: number) => {
    const decoded = await decodeFile(files[at], maxPixels);
    remarks?.add(files[at], decoded);
    resizeToRgba(decoded.pixels, height, width, into, at * height * width * 4);
  };
  const failures = await attemptAll(files.length, decode, { concurrency });
  return failures.map(({ index, error }) => ({ index, why: reasonOf(error) }));
}
