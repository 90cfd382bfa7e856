#!/usr/bin/env node
/**
 * Cuts samples/textures from the three textures of scikit-image (512 x 512, grey, CC0): each into 8 x 8 patches of
 * 64 x 64, as they are, as grey PNG in a folder for each texture. A file's name says the patch's row and column.
 *
 *   node samples/textures.mjs [folder with brick.png, grass.png and gravel.png]
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const source = process.argv[2] ?? '/usr/lib/python3/dist-packages/skimage/data';
const target = join(dirname(fileURLToPath(import.meta.url)), 'textures');
const unfinished = `${target}.unfinished`;
const [across, size] = [8, 64];

await rm(unfinished, { recursive: true, force: true });
for (const name of ['brick', 'grass', 'gravel']) {
  const folder = join(unfinished, name);
  await mkdir(folder, { recursive: true });
  const image = sharp(join(source, `${name}.png`));
  const { width, height } = await image.metadata();
  if (width !== across * size || height !== across * size) {
    throw new Error(`${name}.png is ${width} x ${height}; expected ${across * size} x ${across * size}.`);
  }
  for (let row = 0; row < across; row++) {
    for (let column = 0; column < across; column++) {
      await image
        .clone()
        .extract({ left: column * size, top: row * size, width: size, height: size })
        .toColourspace('b-w')
        .png({ compressionLevel: 9, adaptiveFiltering: true })
        .toFile(join(folder, `${row}-${column}.png`));
    }
  }
  console.log(`${name}: ${across * across} patches`);
}
await rm(target, { recursive: true, force: true });
await rename(unfinished, target);
