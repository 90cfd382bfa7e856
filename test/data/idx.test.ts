import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { classCounts, fashionMnistClasses } from '../../src/data/dataset.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { readIdx } from '../../src/data/idx.ts';
import { loadDataset } from '../../src/data/load.ts';
import { hasPython, lay, python, scratch } from './tools.ts';

const idx = (shape: number[], values: number[]): Buffer =>
  Buffer.concat([
    Buffer.from([0, 0, 8, shape.length]),
    ...shape.map((size) => Buffer.from([0, 0, size >> 8, size & 255])),
    Buffer.from(values),
  ]);

const files = () => ({
  'train-images-idx3-ubyte.gz': gzipSync(idx([3, 2, 1], [0, 1, 2, 3, 4, 5])),
  'train-labels-idx1-ubyte.gz': gzipSync(idx([3], [2, 0, 1])),
  't10k-images-idx3-ubyte': idx([1, 2, 1], [8, 9]),
  't10k-labels-idx1-ubyte': idx([1], [1]),
});

describe('IDX', () => {
  it('reads plain and gzipped files, and names samples by part and index', async () => {
    const data = await loadDataset({ path: lay(scratch(), files()) });
    expect(data.format).toBe('idx');
    expect(data.classes).toEqual(['0', '1', '2']);
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual([
      ['test/0', 1],
      ['train/0', 2],
      ['train/1', 0],
      ['train/2', 1],
    ]);
    const { data: pixels } = await decodeImages(data, { height: 2, width: 1 });
    expect([...pixels].filter((_, i) => i % 4 === 0)).toEqual([8, 9, 0, 1, 2, 3, 4, 5]);
  });

  it('chooses a part, names classes and leaves some out', async () => {
    const path = lay(scratch(), files());
    const data = await loadDataset({ path, split: 'train', classNames: ['a', 'b', 'c'], exclude: ['a'] });
    expect(data.classes).toEqual(['b', 'c']);
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual([
      ['train/0', 1],
      ['train/2', 0],
    ]);
    await expect(loadDataset({ path, classNames: ['a', 'b'] })).rejects.toThrow(/2 names, but .* holds label 2/);
  });

  it('refuses what is cut off, mislabelled or of another type', async () => {
    const path = lay(scratch(), files());
    lay(path, { 'train-labels-idx1-ubyte.gz': gzipSync(idx([2], [2, 0])) });
    await expect(loadDataset({ path })).rejects.toThrow(/holds 2 labels; .* holds 3 images/);
    lay(path, { 't10k-images-idx3-ubyte': idx([1, 2, 1], [8]) });
    await expect(loadDataset({ path })).rejects.toThrow(/holds 1 values, but its header says 1 x 2 x 1 = 2/);
    lay(path, { 't10k-images-idx3-ubyte': Buffer.from([0, 0, 13, 1, 0, 0, 0, 0]) });
    await expect(loadDataset({ path })).rejects.toThrow(/type 0x0d/);
    lay(path, { 't10k-images-idx3-ubyte': 'hello world' });
    await expect(loadDataset({ path })).rejects.toThrow(/68 65 6c 6c, expected 00 00 08 0n/);
    const gzipped = gzipSync(idx([1], [1]));
    lay(path, { 'broken.gz': gzipped.subarray(0, gzipped.length - 9) });
    await expect(readIdx(`${path}/broken.gz`)).rejects.toThrow(/broken gzip/);
  });
});

const fashion = '/usr/share/datasets/fashion-mnist';
describe.skipIf(!existsSync(fashion))('Fashion-MNIST (Debian package dataset-fashion-mnist)', () => {
  it('has 7000 images in each of its classes, eight without two', async () => {
    const data = await loadDataset({ path: fashion, classNames: fashionMnistClasses, exclude: ['Pullover', 'Coat'] });
    expect(classCounts(data)).toEqual(new Array(8).fill(7000));
    expect(data.classes).toEqual([
      'T-shirt/top',
      'Trouser',
      'Dress',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ]);
  });

  it.skipIf(!hasPython('numpy'))('agrees with numpy on pixels and labels', async () => {
    const program = `
import gzip, sys, numpy as np
x = np.frombuffer(gzip.open(sys.argv[1] + '/t10k-images-idx3-ubyte.gz').read(), np.uint8, offset=16).reshape(-1, 28, 28)
y = np.frombuffer(gzip.open(sys.argv[1] + '/t10k-labels-idx1-ubyte.gz').read(), np.uint8, offset=8)
print(*[int(x[i].astype(np.int64).ravel() @ np.arange(784)) for i in (0, 17, 9999)], *y[[0, 17, 9999]])`;
    const expected = python(program, fashion).trim().split(' ').map(Number);
    const data = await loadDataset({ path: fashion, split: 'test' });
    const at = [0, 17, 9999];
    const { data: pixels } = await decodeImages(data, { height: 28, width: 28, indices: at });
    const sums = at.map((_, i) => {
      let sum = 0;
      for (let p = 0; p < 784; p++) sum += p * pixels[(i * 784 + p) * 4];
      return sum;
    });
    expect([...sums, ...at.map((i) => data.samples[i].label)]).toEqual(expected);
  });
});
