import { decode } from 'bmp-ts';
import type { Pixels } from './resize.ts';

export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d;

/**
 * Decodes an uncompressed BMP of 1, 8 (palette), 16, 24 or 32 bits, bottom-up or top-down, by bmp-ts; an alpha channel
 * is not read. The header is checked first, and what bmp-ts 1.0.9 gets wrong is mended or refused:
 * it reads the pixels right behind the palette, wherever the header says that they are; it takes the colour masks of
 * longer headers where these do not apply; 4-bit images of odd width end after one row; run lengths go astray; an index
 * beyond the palette ends it.
 *
 * @param check refuses a size before anything is allocated for it
 * @throws Error with what was found and expected
 */
export function decodeBmp(bytes: Uint8Array, check: (height: number, width: number) => void = () => {}): Pixels {
  if (bytes.length < 54) throw new Error(`a BMP of ${bytes.length} bytes, shorter than its header`);
  const file = Buffer.from(bytes);
  const pixelsAt = file.readUInt32LE(10);
  const headerSize = file.readUInt32LE(14);
  const width = file.readInt32LE(18);
  const height = Math.abs(file.readInt32LE(22));
  const bits = file.readUInt16LE(28);
  const compression = file.readUInt32LE(30);
  const colours = file.readUInt32LE(46);

  if (![40, 52, 56, 108, 124].includes(headerSize))
    throw new Error(`a BMP with an unknown header of ${headerSize} bytes`);
  if (width < 1 || height < 1) throw new Error(`a BMP of ${width} x ${height} pixels`);
  check(height, width);
  if (![1, 8, 16, 24, 32].includes(bits)) throw new Error(`a BMP of ${bits} bits; expected 1, 8, 16, 24 or 32`);
  const hasMasks = compression === 3 && (bits === 16 || bits === 32);
  if (compression !== 0 && !hasMasks) throw new Error(`a compressed BMP (type ${compression}); save it uncompressed`);
  if (colours > 2 ** Math.min(bits, 8)) throw new Error(`a BMP of ${bits} bits with ${colours} colours in its palette`);

  const paletteSize = bits <= 8 ? colours || 2 ** bits : colours;
  const behindPalette = 14 + headerSize + (hasMasks && headerSize === 40 ? 12 : 0) + 4 * paletteSize;
  const pixelBytes = Math.ceil((width * bits) / 32) * 4 * height;
  if (pixelsAt < behindPalette) throw new Error(`a BMP whose pixels begin at byte ${pixelsAt}, within its header`);
  if (file.length < pixelsAt + pixelBytes) {
    throw new Error(`a BMP cut off at ${file.length} of ${pixelsAt + pixelBytes} bytes`);
  }

  if (bits <= 8) checkIndices(file.subarray(pixelsAt, pixelsAt + pixelBytes), width, bits, paletteSize);

  const head = Buffer.from(file.subarray(0, behindPalette));
  if (headerSize > 40 && !hasMasks) {
    const masks = bits === 16 ? [0x7c00, 0x03e0, 0x001f] : [0x00ff0000, 0x0000ff00, 0x000000ff];
    masks.forEach((mask, i) => void head.writeUInt32LE(mask, 54 + 4 * i));
  }
  // The default order, A B G R: the option toRGBA is wrong for palettes.
  const { data } = decode(Buffer.concat([head, file.subarray(pixelsAt, pixelsAt + pixelBytes)]));
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from + 3];
    rgb[to + 1] = data[from + 2];
    rgb[to + 2] = data[from + 1];
  }
  return { height, width, channels: 3, data: rgb };
}

/** @throws Error for a pixel whose colour is not in the palette */
function checkIndices(pixels: Uint8Array, width: number, bits: number, colours: number): void {
  if (colours >= 2 ** bits) return;
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  for (let at = 0; at < pixels.length; at++) {
    const first = ((at % rowBytes) * 8) / bits;
    for (let i = 0; i < 8 / bits && first + i < width; i++) {
      const index = (pixels[at] >> (8 - bits * (i + 1))) & (2 ** bits - 1);
      if (index >= colours) throw new Error(`a BMP with the colour ${index} in a palette of ${colours}`);
    }
  }
}
