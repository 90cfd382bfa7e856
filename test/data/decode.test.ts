import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ImageDataset } from '../../src/data/dataset.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { inspectDataset } from '../../src/data/inspect.ts';
import { loadDataset } from '../../src/data/load.ts';
import { resizeToRgba } from '../../src/data/resize.ts';
import { Random } from '../../src/random.ts';
import { bmp, hasPython, lay, python, scratch } from './tools.ts';

const dataset = (...files: string[]): ImageDataset => ({
  name: 'files',
  path: 'files',
  format: 'folder',
  classes: ['one'],
  samples: files.map((file) => ({ id: file, label: 0, source: { file } })),
  ignored: [],
  notes: [],
});

const decodeOne = async (file: string, height: number, width: number): Promise<number[]> =>
  Array.from((await decodeImages(dataset(file), { height, width })).data);

/** Every pixel another colour. */
const colourAt = (x: number, y: number) => [10 + 3 * x, 200 - 5 * y, 17 * ((x + y) % 3)] as const;
const expectedPixels = (height: number, width: number, colour = colourAt) =>
  Array.from({ length: height * width }, (_, i) => [...colour(i % width, Math.floor(i / width)), 255]).flat();

describe('BMP', () => {
  const cases = [24, 8, 32].flatMap((bits) =>
    [5, 6, 7, 8].flatMap((width) => [false, true].map((topDown) => ({ bits: bits as 8 | 24 | 32, width, topDown }))),
  );
  it.each(cases)('$bits bits, width $width, top-down $topDown', async ({ bits, width, topDown }) => {
    const file = join(scratch(), 'a.bmp');
    writeFileSync(file, bmp(width, 3, colourAt, { bits, topDown }));
    expect(await decodeOne(file, 3, width)).toEqual(expectedPixels(3, width));
  });

  it.each([40, 108, 124])('finds the pixels behind a gap and a header of %i bytes', async (headerSize) => {
    for (const bits of [8, 24, 32] as const) {
      const file = join(scratch(), 'a.bmp');
      writeFileSync(file, bmp(5, 3, colourAt, { bits, gap: 12, headerSize }));
      expect(await decodeOne(file, 3, 5)).toEqual(expectedPixels(3, 5));
    }
  });

  it.skipIf(!hasPython('PIL'))('reads what Pillow writes: black and white, grey, palette, colour', async () => {
    const folder = scratch();
    const program = `
import sys; from PIL import Image
im = Image.new('RGB', (13, 7)); im.putdata([(10 + 3 * (i % 13), 200 - 5 * (i // 13), 17 * ((i % 13 + i // 13) % 3)) for i in range(91)])
for mode in ('1', 'L', 'P', 'RGB'):
    x = im.convert(mode); x.save(f'{sys.argv[1]}/{mode}.bmp'); x.convert('RGB').save(f'{sys.argv[1]}/{mode}.png')`;
    python(program, folder);
    for (const mode of ['1', 'L', 'P', 'RGB']) {
      const [fromBmp, fromPng] = [
        await decodeOne(`${folder}/${mode}.bmp`, 7, 13),
        await decodeOne(`${folder}/${mode}.png`, 7, 13),
      ];
      expect(fromBmp, mode).toEqual(fromPng);
    }
  });
});

describe('files that sharp reads', () => {
  const rgb = Buffer.from(Array.from({ length: 15 }, (_, i) => colourAt(i % 5, Math.floor(i / 5))).flat());
  const raw = { raw: { width: 5, height: 3, channels: 3 } } as const;

  it.each(['png', 'tiff', 'webp'] as const)('%s without loss', async (format) => {
    const file = join(scratch(), `a.${format}`);
    await sharp(rgb, raw).toFormat(format, { lossless: true, compression: 'lzw' }).toFile(file);
    expect(await decodeOne(file, 3, 5)).toEqual(expectedPixels(3, 5));
  });

  it('JPEG of one colour', async () => {
    const file = join(scratch(), 'a.jpg');
    await sharp({ create: { width: 9, height: 8, channels: 3, background: '#c86432' } })
      .jpeg({ quality: 100 })
      .toFile(file);
    const pixels = await decodeOne(file, 8, 9);
    for (const [i, value] of [200, 100, 50, 255].entries()) expect(Math.abs(pixels[i] - value)).toBeLessThanOrEqual(2);
  });

  it('palette PNG', async () => {
    const file = join(scratch(), 'a.png');
    const flat = Buffer.from(Array.from({ length: 15 }, (_, i) => (i % 2 ? [255, 0, 0] : [0, 0, 255])).flat());
    await sharp(flat, raw).png({ palette: true }).toFile(file);
    expect(await decodeOne(file, 3, 5)).toEqual(
      expectedPixels(3, 5, (x, y) => ((y * 5 + x) % 2 ? [255, 0, 0] : [0, 0, 255]) as never),
    );
  });

  it('transparent pixels are laid over black', async () => {
    const file = join(scratch(), 'a.png');
    await sharp(Buffer.from([200, 100, 50, 255, 200, 100, 50, 51, 200, 100, 50, 0]), {
      raw: { width: 3, height: 1, channels: 4 },
    })
      .png()
      .toFile(file);
    expect(await decodeOne(file, 1, 3)).toEqual([200, 100, 50, 255, 40, 20, 10, 255, 0, 0, 0, 255]);
  });

  it('an EXIF orientation is applied', async () => {
    const file = join(scratch(), 'a.png');
    // Orientation 6: turn clockwise to see it upright; 2 wide x 1 high becomes 1 wide x 2 high.
    await sharp(Buffer.from([10, 20]), { raw: { width: 2, height: 1, channels: 1 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toFile(file);
    expect((await decodeOne(file, 2, 1)).filter((_, i) => i % 4 === 0)).toEqual([10, 20]);
    expect((await inspectDataset(dataset(file))).sizes?.mostCommon).toEqual({ height: 2, width: 1, count: 1 });
  });

  it.skipIf(!hasPython('PIL', 'numpy'))('16-bit grey keeps its upper 8 bits; floating point is refused', async () => {
    const folder = scratch();
    const program = `
import sys, numpy as np; from PIL import Image
x = (np.arange(35, dtype=np.int64) * 1873).astype(np.uint16).reshape(5, 7)
Image.fromarray(x).save(sys.argv[1] + '/a.tif'); Image.fromarray(x).save(sys.argv[1] + '/a.png')
Image.fromarray(x.astype(np.float32)).save(sys.argv[1] + '/f.tif')`;
    python(program, folder);
    const expected = Array.from({ length: 35 }, (_, i) => (i * 1873) >> 8);
    for (const name of ['a.tif', 'a.png']) {
      expect((await decodeOne(`${folder}/${name}`, 5, 7)).filter((_, i) => i % 4 === 1)).toEqual(expected);
    }
    await expect(decodeOne(`${folder}/f.tif`, 5, 7)).rejects.toThrow(/values of type float/);
  });
});

describe('resizing', () => {
  const grey = (values: number[], height: number, width: number, toHeight: number, toWidth: number) => {
    const out = new Uint8Array(toHeight * toWidth * 4);
    resizeToRgba({ height, width, channels: 1, data: Uint8Array.from(values) }, toHeight, toWidth, out, 0);
    return [...out].filter((_, i) => i % 4 === 0);
  };

  it('by hand: to twice the size at a quarter and three quarters, to half the size with weights 1 3 3 1', () => {
    expect(grey([0, 101], 1, 2, 1, 4)).toEqual([0, 25, 76, 101]);
    expect(grey([0, 100], 2, 1, 4, 1)).toEqual([0, 25, 75, 100]);
    // The first output takes 3/7, 3/7, 1/7 of three pixels, the second 1/8, 3/8, 3/8, 1/8 of four.
    expect(grey([0, 80, 160, 240, 40, 0], 1, 6, 1, 3)).toEqual([57, 165, 51]);
  });

  it.skipIf(!hasPython('PIL', 'numpy'))('agrees with Pillow within 1 on odd sizes, up and down', () => {
    const seed = 11;
    const random = new Random(seed);
    const folder = scratch();
    for (const [height, width, toHeight, toWidth] of [
      [13, 17, 5, 7],
      [13, 17, 31, 40],
      [1, 1, 3, 2],
      [28, 28, 64, 64],
      [97, 64, 64, 97],
      [60, 2, 7, 11],
    ]) {
      const data = Uint8Array.from({ length: height * width * 3 }, () => random.integer(256));
      writeFileSync(join(folder, 'in.raw'), data);
      const program = `
import sys, numpy as np; from PIL import Image
f, h, w, H, W = sys.argv[1], *map(int, sys.argv[2:])
x = Image.fromarray(np.fromfile(f + '/in.raw', np.uint8).reshape(h, w, 3))
np.asarray(x.resize((W, H), Image.BILINEAR).convert('RGBA')).tofile(f + '/out.raw')`;
      python(program, folder, ...[height, width, toHeight, toWidth].map(String));
      const expected = readFileSync(join(folder, 'out.raw'));
      const out = new Uint8Array(toHeight * toWidth * 4);
      resizeToRgba({ height, width, channels: 3, data }, toHeight, toWidth, out, 0);
      const worst = out.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      expect(worst, `${height}x${width} -> ${toHeight}x${toWidth}, seed ${seed}`).toBeLessThanOrEqual(1);
    }
  });

  it('writes nothing outside its own image', () => {
    const out = new Uint8Array(3 * 5 * 4 + 8).fill(77);
    resizeToRgba({ height: 2, width: 2, channels: 1, data: Uint8Array.of(1, 2, 3, 4) }, 3, 5, out, 4);
    expect([...out.subarray(0, 4), ...out.subarray(64)]).toEqual(new Array(8).fill(77));
  });
});

describe('broken files', () => {
  const broken = async () => {
    const folder = scratch();
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 256));
    const jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    const png = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    const whole = bmp(5, 3, colourAt);
    lay(folder, {
      'a/good.jpg': jpeg,
      'a/cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'a/cut.png': png.subarray(0, png.length / 2),
      'a/cut.bmp': whole.subarray(0, whole.length - 1),
      'b/empty.png': '',
      'b/text.jpg': 'not an image',
      'b/good.bmp': whole,
    });
    const rle = Buffer.from(whole);
    rle.writeUInt32LE(1, 30);
    const huge = Buffer.from(whole);
    huge.writeInt32LE(2 ** 30, 18);
    return lay(folder, { 'b/rle.bmp': rle, 'b/huge.bmp': huge });
  };

  it('are reported all at once, by name and reason', async () => {
    const data = await loadDataset({ path: await broken() });
    const message = await decodeImages(data, { height: 4, width: 4 }).catch((error: Error) => error.message);
    expect(message).toMatch(/^7 of 9 images/);
    for (const line of [
      /a\/cut.jpg: .*premature end of data segment/i,
      /a\/cut.png: .*libpng read error/,
      /a\/cut.bmp: a BMP cut off at 101 of 102 bytes/,
    ]) {
      expect(message).toMatch(line);
    }
    for (const line of [
      /b\/empty.png: the file is empty/,
      /b\/text.jpg: .*unsupported image/,
      /b\/rle.bmp: a compressed BMP/,
    ]) {
      expect(message).toMatch(line);
    }
    expect(message).toMatch(/b\/huge.bmp: an image of 1073741824 x 3 pixels; no side may/);
    expect(message).not.toMatch(/good/);
  });

  it('lists twenty in full and counts the rest; a missing file is one of them', async () => {
    const files = Array.from({ length: 23 }, (_, i) => `nowhere-${String(i).padStart(2, '0')}.png`);
    const message = await decodeImages(dataset(...files), { height: 4, width: 4 }).catch(
      (error: Error) => error.message,
    );
    expect(message).toMatch(/nowhere-19.png: file not found\n {2}and 3 more\n/);
  });

  it('do not stop an inspection', async () => {
    const root = await broken();
    lay(root, { 'b/again.jpg': readFileSync(join(root, 'a/good.jpg')), 'c/notes.txt': '' });
    const found = await inspectDataset(await loadDataset({ path: root }));
    expect(found.count).toBe(10);
    expect(found.classes).toEqual([
      { name: 'a', count: 4 },
      { name: 'b', count: 6 },
      { name: 'c', count: 0 },
    ]);
    expect(found.unreadable.map(({ id }) => id)).toEqual([
      'a/cut.bmp',
      'a/cut.jpg',
      'a/cut.png',
      'b/empty.png',
      'b/huge.bmp',
      'b/rle.bmp',
      'b/text.jpg',
    ]);
    expect(found.sizes).toEqual({
      height: { min: 3, max: 64 },
      width: { min: 5, max: 64 },
      mostCommon: { height: 64, width: 64, count: 2 },
      different: 2,
    });
    expect(found.channels).toEqual([{ channels: 3, count: 3 }]);
    expect(found.duplicates).toEqual([{ ids: ['a/good.jpg', 'b/again.jpg'], sameLabel: false }]);
    expect(found.ignored.map(({ path }) => path)).toEqual(['c/notes.txt']);
    expect(found.problems.join('; ')).toMatch(/class 'c' has 0 images.*7 images cannot be read.*more than one label/);
  });
});

describe('the cache', () => {
  const setUp = () => {
    const folder = scratch();
    lay(folder, { 'x/a.bmp': bmp(2, 2, () => [1, 2, 3]), 'x/b.bmp': bmp(2, 2, () => [4, 5, 6]) });
    const cacheFolder = join(folder, 'cache', 'deep');
    const decode = (indices?: number[], size = 2, warnings: string[] = []) =>
      decodeImages(dataset(join(folder, 'x/a.bmp'), join(folder, 'x/b.bmp')), {
        height: size,
        width: size,
        indices,
        cacheFolder,
        warn: (text) => warnings.push(text),
      });
    return { folder, cacheFolder, decode };
  };

  it('gives the same pixels, for these indices and this size alone', async () => {
    const { cacheFolder, decode } = setUp();
    const first = await decode();
    expect(readdirSync(cacheFolder)).toHaveLength(1);
    const time = statSync(join(cacheFolder, readdirSync(cacheFolder)[0])).mtimeMs;
    expect((await decode()).data).toEqual(first.data);
    expect(statSync(join(cacheFolder, readdirSync(cacheFolder)[0])).mtimeMs).toBe(time);
    expect([...(await decode([1])).data.subarray(0, 4)]).toEqual([4, 5, 6, 255]);
    expect((await decode([1, 0], 1)).data).toEqual(Uint8Array.of(4, 5, 6, 255, 1, 2, 3, 255));
    expect(readdirSync(cacheFolder)).toHaveLength(3);
  });

  it('is really read: what stands in it comes back', async () => {
    const { folder, decode } = setUp();
    const file = join(folder, 'x/a.bmp');
    const time = new Date(1.7e12);
    utimesSync(file, time, time);
    await decode();
    // Other pixels, but the same length and time: only a second decoding would show them.
    writeFileSync(
      file,
      bmp(2, 2, () => [9, 9, 9]),
    );
    utimesSync(file, time, time);
    expect((await decode()).data[0]).toBe(1);
  });

  it('is passed over when an image changes, or when it is damaged', async () => {
    const { folder, cacheFolder, decode } = setUp();
    await decode();
    const cache = join(cacheFolder, readdirSync(cacheFolder)[0]);
    const bytes = readFileSync(cache);
    bytes[32] ^= 255;
    writeFileSync(cache, bytes);
    expect((await decode()).data[0]).toBe(1);
    truncateSync(cache, 20);
    expect((await decode()).data[0]).toBe(1);
    const file = join(folder, 'x/a.bmp');
    writeFileSync(
      file,
      bmp(2, 2, () => [9, 9, 9]),
    );
    utimesSync(file, new Date(), new Date(Date.now() + 5000));
    expect((await decode()).data[0]).toBe(9);
  });

  it('says so when it cannot be written, goes on, and leaves nothing half-written', async () => {
    const { folder, decode } = setUp();
    const warnings: string[] = [];
    lay(folder, { cache: 'a file where the folder should be' });
    expect((await decode([0], 1, warnings)).data).toEqual(Uint8Array.of(1, 2, 3, 255));
    expect(warnings.join()).toMatch(/cannot write to .*not kept.*FROSTLINE_CACHE/);
    expect(readdirSync(folder).sort()).toEqual(['cache', 'x']);
  });

  it('counts progress up to the total', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'x'));
    const files = Array.from({ length: 7 }, (_, i) => join(folder, 'x', `${i}.bmp`));
    for (const file of files)
      writeFileSync(
        file,
        bmp(1, 1, () => [1, 1, 1]),
      );
    const seen: number[] = [];
    await decodeImages(dataset(...files), {
      height: 1,
      width: 1,
      concurrency: 3,
      onProgress: (done) => void seen.push(done),
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await expect(decodeImages(dataset(...files), { height: 0, width: 1 })).rejects.toThrow(/height is 0/);
    await expect(decodeImages(dataset(...files), { height: 1, width: 1, indices: [7] })).rejects.toThrow(
      /index 7 is outside/,
    );
  });
});
