import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { decodeBmp, isBmp } from './bmp.ts';
import type { ImageArray } from './dataset.ts';
import type { Pixels } from './resize.ts';

/** An image in its own size, and how many channels its file has (an alpha channel counts). */
export interface DecodedImage {
  readonly pixels: Pixels;
  readonly fileChannels: number;
}

/**
 * Decodes the bytes of a JPEG, PNG, WebP, TIFF (sharp) or BMP file, told by its content, to 8-bit sRGB. Grey and palette
 * images become RGB, alpha is laid over black, 16 bits keep their upper 8, an EXIF orientation is applied. Of several
 * pages or frames the first is taken.
 *
 * @throws Error where the file is broken, even in part
 */
export async function decodeImage(bytes: Uint8Array): Promise<DecodedImage> {
  if (bytes.length === 0) throw new Error('the file is empty');
  if (isBmp(bytes)) return { pixels: decodeBmp(bytes), fileChannels: bytes[28] <= 8 ? 1 : bytes[28] === 32 ? 4 : 3 };
  const image = sharp(bytes, { failOn: 'warning' });
  const { depth, channels } = await image.metadata();
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new Error(`values of type ${depth}; expected 8 or 16 bits. Convert the image, its range is not known`);
  }
  const { data, info } = await image
    .autoOrient()
    .toColourspace('srgb')
    .flatten({ background: 'black' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 1 && info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
  return {
    pixels: { height: info.height, width: info.width, channels: info.channels, data },
    fileChannels: channels,
  };
}

/** The pixels of a file; see `decodeImage`. */
export async function readPixels(file: string): Promise<Pixels> {
  return (await decodeImage(await readFile(file))).pixels;
}

/** The pixels of one image of an array. */
export function arrayPixels({ height, width, channels, data }: ImageArray, index: number): Pixels {
  const size = height * width * channels;
  return { height, width, channels, data: data.subarray(index * size, (index + 1) * size) };
}

/** What went wrong, in one line: libraries report some errors over several. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'file not found';
  return message.trim().replace(/\s*\n\s*/g, '; ');
}
