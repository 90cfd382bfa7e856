#!/usr/bin/env node
/**
 * Makes samples/fashion-two from Fashion-MNIST's test set: the first 160 sneakers and the first 40 ankle boots, as grey PNG
 * of 28 x 28 in a folder for each class. A file's name says its index in the test set.
 *
 * Run after `npm run build`:  node samples/make.mjs [folder of the IDX files]
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { fashionMnistClasses } from '../dist/data/dataset.js';
import { loadDataset } from '../dist/data/load.js';

const wanted = { Sneaker: 160, 'Ankle boot': 40 };
const source = process.argv[2] ?? '/usr/share/datasets/fashion-mnist';
const target = join(dirname(fileURLToPath(import.meta.url)), 'fashion-two');

const dataset = await loadDataset({ path: source, format: 'idx', split: 'test', classNames: fashionMnistClasses });
const unfinished = `${target}.unfinished`;
await rm(unfinished, { recursive: true, force: true });
for (const [name, count] of Object.entries(wanted)) {
  const folder = join(unfinished, name);
  await mkdir(folder, { recursive: true });
  const chosen = dataset.samples.filter(({ label }) => dataset.classes[label] === name).slice(0, count);
  for (const { source } of chosen) {
    const { height, width, data } = source.array;
    const pixels = data.subarray(source.index * height * width, (source.index + 1) * height * width);
    await sharp(pixels, { raw: { height, width, channels: 1 } })
      .toColourspace('b-w')
      .png({ compressionLevel: 9, adaptiveFiltering: true })
      .toFile(join(folder, `test-${String(source.index).padStart(5, '0')}.png`));
  }
  console.log(`${name}: ${chosen.length} images`);
}
await rm(target, { recursive: true, force: true });
await rename(unfinished, target);
