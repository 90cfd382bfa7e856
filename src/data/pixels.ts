import { FrostlineError } from '../errors.ts';
import { readBytes } from '../read-files.ts';
import { decodeBmp } from './bmp.ts';
import type { ImageArray } from './dataset.ts';
import { imageFormats, typeOf } from './image-type.ts';
import { mendJpeg } from './jpeg.ts';
import type { Pixels } from './resize.ts';
import { loadSharp } from './sharp.ts';

/** An image in its own size, and how many channels its file has (an alpha channel counts). */
export interface DecodedImage {
  readonly pixels: Pixels;
  readonly fileChannels: number;
  /** what the decoder remarked on a file whose pixels are whole */
  readonly remark?: string;
  /** of 16-bit files: the bits that the largest value takes */
  readonly bits?: number;
}

/** As Pillow's limit: more pixels than this, 256 MB of RGB, are taken for a bomb unless they are asked for. */
export const MOST_PIXELS = 89_478_485;

/** Longest side: what JPEG can have, and what resizing is made for. */
const LONGEST_SIDE = 65_535;

/** Images above this many pixels are decoded one at a time. */
const LARGE = 2 ** 24;

let largeOnes: Promise<unknown> = Promise.resolve();

/** Runs what takes much memory when nothing else of the kind runs. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = largeOnes.then(work);
  largeOnes = result.catch(() => {});
  return result;
}

/** @throws Error where an image is larger than what is decoded */
function checkSize(height: number, width: number, most: number): void {
  if (height > LONGEST_SIDE || width > LONGEST_SIDE) {
    throw new Error(
      `an image of ${width} x ${height} pixels; no side may have more than ${LONGEST_SIDE}. Cut or scale it`,
    );
  }
  if (width * height > most) {
    throw new Error(
      `an image of ${width} x ${height} pixels, more than the ${most} that are decoded; --max-pixels ${width * height} allows it`,
    );
  }
}

/**
 * Decodes the bytes of a JPEG, PNG, WebP, TIFF (sharp) or BMP file, told by its content, to 8-bit sRGB. Grey and palette
 * images become RGB, alpha is laid over black, 16 bits keep their upper 8, an EXIF orientation is applied. Of several
 * pages or frames the first is taken.
 *
 * What a decoder only remarks on (a tag out of order, an unknown revision of a header) is no fault; pixels that are not
 * all there, or damaged, are.
 *
 * @param maxPixels larger images are refused before anything is allocated for them
 * @throws Error where the file is broken, even in part, or of another format
 */
export async function decodeImage(bytes: Uint8Array, maxPixels = MOST_PIXELS): Promise<DecodedImage> {
  if (bytes.length === 0) throw new Error('the file is empty');
  const { format, other } = typeOf(bytes);
  if (format === undefined) {
    throw new Error(
      `${other ?? 'an unsupported image format'}; expected ${imageFormats.join(', ')}. Convert or remove it`,
    );
  }
  if (format === 'BMP') {
    const pixels = decodeBmp(bytes, (height, width) => checkSize(height, width, maxPixels));
    return { pixels, fileChannels: bytes[28] <= 8 ? 1 : bytes[28] === 32 ? 4 : 3 };
  }
  const mended = format === 'JPEG' ? mendJpeg(bytes) : { bytes, remarks: [] };
  const sharp = await loadSharp();
  const { width, height } = await sharp(mended.bytes, { failOn: 'error', limitInputPixels: false }).metadata();
  checkSize(height, width, maxPixels);
  const work = async () => {
    const [before] = mended.remarks;
    try {
      return { ...(await decodeBySharp(mended.bytes, 'warning')), remark: before };
    } catch (error) {
      const remark = harmlessRemark(reasonOf(error), format);
      if (remark === undefined) throw error;
      return { ...(await decodeBySharp(mended.bytes, 'error')), remark };
    }
  };
  return width * height > LARGE ? await inTurn(work) : await work();
}

/**
 * A complaint that leaves the pixels whole: of libjpeg only bytes before the end of the image, after which nothing worse
 * can come; of libtiff what concerns its tags.
 */
function harmlessRemark(message: string, format: string): string | undefined {
  const lines = [...new Set(message.split(/;\s/))];
  if (format === 'JPEG') {
    const isLast = (line: string) => /extraneous bytes before marker 0xd9$/.test(line);
    return lines.every(isLast) ? 'bytes before the end marker' : undefined;
  }
  if (format !== 'TIFF' || !lines[0].startsWith('Warning treated as error')) return undefined;
  // libvips says where it gave up, which is because of the remark; sizes of strips that are missing libtiff computes.
  const remarks = lines.slice(1).filter((line) => !/^error in tile \d+ x \d+$/.test(line));
  const computed = /StripByteCounts.*calculating from imagelength/i;
  const damaged = /premature|corrupt|bad code|not enough|uncompressed data|line length|strip|tile|scanline|read error/i;
  return remarks.some((line) => damaged.test(line) && !computed.test(line)) ? undefined : remarks.join('; ');
}

async function decodeBySharp(bytes: Uint8Array, failOn: 'warning' | 'error'): Promise<DecodedImage> {
  const sharp = await loadSharp();
  const image = sharp(bytes, { failOn, limitInputPixels: false });
  const { depth, channels } = await image.metadata();
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new Error(`values of type ${depth}; expected 8 or 16 bits. Convert the image, its range is not known`);
  }
  const { data, info } = await image
    .clone()
    .autoOrient()
    .toColourspace('srgb')
    .flatten({ background: 'black' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 1 && info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
  const pixels: Pixels = { height: info.height, width: info.width, channels: info.channels, data };
  if (depth === 'uchar') return { pixels, fileChannels: channels };
  const colours = (await image.stats()).channels.slice(0, channels >= 3 ? 3 : 1);
  const bits = Math.ceil(Math.log2(1 + Math.max(...colours.map(({ max }) => max))));
  return { pixels, fileChannels: channels, bits };
}

/** The pixels of a file; see `decodeImage`. */
export async function decodeFile(file: string, maxPixels?: number): Promise<DecodedImage> {
  return await decodeImage(await readBytes(file), maxPixels);
}

/** The pixels of one image of an array. */
export function arrayPixels({ height, width, channels, data }: ImageArray, index: number): Pixels {
  const size = height * width * channels;
  return { height, width, channels, data: data.subarray(index * size, (index + 1) * size) };
}

/** What went wrong, in one line: libraries report some errors over several. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  // Whose name cannot be had is told as such.
  if (code === 'ENOENT' && !(error instanceof FrostlineError && message.includes('UTF-8'))) return 'file not found';
  return message.trim().replace(/\s*\n\s*/g, '; ');
}

/** Counts what is worth a word but hinders nothing, over the images of a data set. */
export class Remarks {
  private readonly counts = new Map<string, { count: number; first: string }>();
  private deep = { count: 0, bits: 0 };

  add(id: string, { remark, bits }: Pick<DecodedImage, 'remark' | 'bits'>): void {
    if (remark !== undefined) {
      const before = this.counts.get(remark);
      this.counts.set(remark, { count: (before?.count ?? 0) + 1, first: before?.first ?? id });
    }
    if (bits !== undefined) this.deep = { count: this.deep.count + 1, bits: Math.max(this.deep.bits, bits) };
  }

  /** In words, a line each. */
  lines(): string[] {
    const lines = [...this.counts].map(
      ([remark, { count, first }]) =>
        `${count} image${count === 1 ? ' is' : 's are'} used although the decoder remarks on ${count === 1 ? 'it' : 'them'}: ${remark} (${first})`,
    );
    const { count, bits } = this.deep;
    if (count > 0 && bits <= 14) {
      lines.push(
        `${count} images of 16 bits hold no value above ${2 ** bits - 1}: read as 16 bits they are ${2 ** (16 - bits)} times too dark. ` +
          `If they are of ${bits} bits, scale them up or save them with 8`,
      );
    }
    return lines;
  }
}
