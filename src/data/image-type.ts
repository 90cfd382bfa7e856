/** What a file is, by its first bytes: names lie. */
import { readBytes } from '../read-files.ts';

/** The formats that `decodeImage` reads. */
export const imageFormats = ['JPEG', 'PNG', 'WebP', 'TIFF', 'BMP'] as const;
export type ImageFormat = (typeof imageFormats)[number];

/** Bytes from the beginning that are enough to know the type. */
const HEAD = 512;

const latin = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.subarray(from, to)).toString('latin1');

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: magic numbers have them
/** Others that people take for images, or that lie among them: beginning, name. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^GIF8[79]a/, 'a GIF image'],
  [/^.{4}ftyp(avif|avis)/s, 'an AVIF image'],
  [/^.{4}ftyp(hei[cfmsx]|hev[cmsx]|mif1|msf1)/s, 'a HEIC image'],
  [/^.{4}ftyp/s, 'a video (MP4)'],
  [/^.{4}jP {2}\r\n|^\xff\x4f\xff\x51/s, 'a JPEG 2000 image'],
  [/^\xff\x0a|^\0\0\0\x0cJXL /, 'a JPEG XL image'],
  [/^.{128}DICM/s, 'a DICOM file'],
  [/^8BPS/, 'a Photoshop file'],
  [/^\0\0\x01\0/, 'an icon (ICO)'],
  [/^P[1-7]\s/, 'a Netpbm image'],
  [/^\x93NUMPY/, 'an array of NumPy'],
  [/^\x89HDF/, 'an HDF5 file'],
  [/^MATLAB 5\.0/, 'a MATLAB file'],
  [/^%PDF/, 'a PDF'],
  [/^PK\x03\x04/, 'a ZIP archive'],
  [/^\x1f\x8b/, 'a gzip file'],
  [/^\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]/s, 'an SVG drawing'],
  [/^\s*<(!doctype html|html|head)/i, 'a web page'],
  [/^version https:\/\/git-lfs/, "a pointer of Git LFS: 'git lfs pull' fetches the file"],
];
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: magic numbers have them

/** The format of an image that can be read, else what else it seems to be, in words; nothing where it is not known. */
export function typeOf(bytes: Uint8Array): { readonly format?: ImageFormat; readonly other?: string } {
  const head = latin(bytes, 0, HEAD);
  if (head.startsWith('\xff\xd8\xff')) return { format: 'JPEG' };
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return { format: 'PNG' };
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return { format: 'WebP' };
  if (/^(II[*+]\0|MM\0[*+])/.test(head)) return { format: 'TIFF' };
  // Four bytes that some programs sign stand before the pixels' place; then the length of the header.
  if (head.startsWith('BM') && [40, 52, 56, 108, 124].includes(bytes[14]) && bytes[15] === 0) return { format: 'BMP' };
  const text = head.startsWith('\xef\xbb\xbf') ? head.slice(3) : head;
  return { other: others.find(([beginning]) => beginning.test(text))?.[1] };
}

/** The type of a file; see `typeOf`. */
export const typeOfFile = async (path: string) => typeOf(await readBytes(path, HEAD));
