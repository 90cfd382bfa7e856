/** Files that decoders remark on and whose pixels are whole are used and told; those whose pixels are not are refused. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/data/pixels.ts';

const [height, width] = [32, 48];
const raw = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
  const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
  return [(x * 255) / (width - 1), (y * 255) / (height - 1), (x + y) * 3][i % 3];
});
const picture = () => sharp(raw, { raw: { width, height, channels: 3 } });

const pixelsOf = async (bytes: Uint8Array) => [...(await decodeImage(bytes)).pixels.data];
const remarkOf = async (bytes: Uint8Array) => (await decodeImage(bytes)).remark;

/** Where a segment begins. */
const marker = (bytes: Buffer, kind: number) => bytes.indexOf(Buffer.of(0xff, kind));
const inserted = (bytes: Buffer, at: number, ...more: number[]) =>
  Buffer.concat([bytes.subarray(0, at), Buffer.from(more), bytes.subarray(at)]);
const changed = (bytes: Buffer, at: number, ...values: number[]) => {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
};

describe('JPEG', async () => {
  const plain = await picture().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
  const sound = inserted(plain, 2, 0xff, 0xe0, 0, 16, ...Buffer.from('JFIF\0'), 1, 1, 0, 0, 1, 0, 1, 0, 0);
  const scan = marker(sound, 0xda);
  const spectral = scan + 5 + 2 * sound[scan + 4];
  const jfif = sound.indexOf('JFIF\0');
  const adobe = (transform: number) =>
    inserted(sound, 2, 0xff, 0xee, 0, 14, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, transform);

  it('a sound one has no remark', async () => expect(await remarkOf(sound)).toBeUndefined());

  it('a head of JFIF that ends before its revision is read over', async () => {
    const short = inserted(plain, 2, 0xff, 0xe0, 0, 7, ...Buffer.from('JFIF\0'));
    expect(await pixelsOf(short)).toEqual(await pixelsOf(sound));
  });

  it('what is mended is a copy', async () => {
    const file = changed(sound, spectral, 0, 0, 0);
    expect(await remarkOf(file)).toBe(await remarkOf(file));
    expect(file).toEqual(changed(sound, spectral, 0, 0, 0));
  });

  it.each([
    ['bytes between segments', inserted(sound, marker(sound, 0xc0), 0, 0), /2 bytes before a marker/],
    ['JFIF revision 0.00', changed(sound, jfif + 5, 0, 0), /JFIF revision 0\.0/],
    ['a scan of a camera that names no coefficients', changed(sound, spectral, 0, 0, 0), /all its coefficients/],
    ['an unknown transform of Adobe', adobe(3), /Adobe colour transform 3/],
    ['no end', sound.subarray(0, -2), /./],
  ])('%s: the very pixels of the sound file, and a remark', async (_, bytes, remark) => {
    expect(await pixelsOf(bytes)).toEqual(await pixelsOf(sound));
    expect(await remarkOf(bytes)).toMatch(remark);
  });

  it.each([
    [
      'a scan whose head is too short',
      Buffer.concat([sound.subarray(0, scan), Buffer.of(0xff, 0xda, 0, 3, 3, 0xff, 0xd9)]),
    ],
    ['a scan without a head', Buffer.concat([sound.subarray(0, scan), Buffer.of(0xff, 0xda, 0, 2, 0, 0)])],
    ['cut short', sound.subarray(0, sound.length - 200)],
    ['damaged, beside a remark', changed(changed(sound, jfif + 5, 0, 0), sound.length - 300, 0xff, 0xd9)],
  ])('%s: refused', async (_, bytes) => await expect(decodeImage(bytes)).rejects.toThrow());
});

type Entry = readonly [tag: number, type: number, count: number, value: number | 'bits' | 'text'];

/** A TIFF of one strip without compression, its directory as it is given. */
function tiff(entries: readonly Entry[], text = 'Camera\0'): Buffer {
  const bits = Buffer.from(Uint16Array.of(8, 8, 8).buffer);
  const places = { bits: 8 + raw.length, text: 8 + raw.length + bits.length };
  const words = Buffer.from(text.padEnd(text.length + (text.length % 2), '\0'), 'latin1');
  const head = Buffer.from('II*\0....', 'latin1');
  head.writeUInt32LE(places.text + words.length, 4);
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length, 0);
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    const at = 2 + 12 * i;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(count, at + 4);
    directory.writeUInt32LE(typeof value === 'number' ? value : places[value], at + 8);
  }
  return Buffer.concat([head, raw, bits, words, directory]);
}

describe('TIFF', () => {
  const entries: Entry[] = [
    [256, 3, 1, width],
    [257, 3, 1, height],
    [258, 3, 3, 'bits'],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, 1, 8],
    [277, 3, 1, 3],
    [278, 3, 1, height],
    [279, 4, 1, raw.length],
  ];
  const model = (count: number): Entry => [272, 2, count, 'text'];
  const withModel = (count: number): Entry[] => [...entries.slice(0, 5), model(count), ...entries.slice(5)];

  it('a sound one has no remark', async () => {
    expect(await pixelsOf(tiff(withModel(7)))).toEqual([...raw]);
    expect(await remarkOf(tiff(withModel(7)))).toBeUndefined();
  });

  it.each([
    ['tags out of order', tiff([entries[1], entries[0], ...entries.slice(2)]), /not sorted/],
    ['a zero within a text', tiff(withModel(9), 'Cam\0era\0\0'), /null byte/],
    ['a text without its zero', tiff(withModel(6), 'Camera'), /null/],
    ['no size of its strip', tiff(entries.filter(([tag]) => tag !== 279)), /StripByteCounts/],
  ])('%s: the very pixels, and a remark', async (_, bytes, remark) => {
    expect(await pixelsOf(bytes)).toEqual([...raw]);
    expect(await remarkOf(bytes)).toMatch(remark);
  });

  it('a strip that is not all there is refused, also beside a harmless remark', async () => {
    const beyond = entries.map(([tag, type, count, value]): Entry => [tag, type, count, tag === 273 ? 4000 : value]);
    await expect(decodeImage(tiff(beyond))).rejects.toThrow();
    await expect(decodeImage(tiff([beyond[1], beyond[0], ...beyond.slice(2)]))).rejects.toThrow();
  });
});
