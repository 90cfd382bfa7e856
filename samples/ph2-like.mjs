#!/usr/bin/env node
/**
 * Makes a folder that lies on disk as PH2 does (200 BMP of 768 x 560, a folder a case, PH2_dataset.txt), for trying the
 * paper's experiment without PH2, which may not be redistributed. Drawn, not photographed: a dark spot on skin, whose edge
 * and colours are the more uneven the worse the diagnosis, with much overlap. Scores on it say nothing about melanoma.
 *
 * Run after `npm run build`:  node samples/ph2-like.mjs PH2Dataset
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../dist/random.js';

const [width, height] = [768, 560];
/** Common naevi, atypical ones and melanomas, as many as PH2 has of each. */
const cases = [80, 80, 40];
const uneven = [0.02, 0.05, 0.11];
const spotted = [8, 14, 24];

/** Pixels between two places where a smooth field is computed; between them it is interpolated. */
const GRID = 16;

/** Waves of low frequency in random directions: a smooth field of about unit size. */
function field(random, waves, longest) {
  const all = Array.from({ length: waves }, () => {
    const k = 6.283 / (longest * random.between(0.3, 1));
    const angle = random.between(0, 6.283);
    return [k * Math.cos(angle), k * Math.sin(angle), random.between(0, 6.283)];
  });
  const scale = Math.sqrt(2 / waves);
  const columns = width / GRID + 2;
  const values = Float32Array.from({ length: columns * (height / GRID + 2) }, (_, i) => {
    const [x, y] = [GRID * (i % columns), GRID * Math.floor(i / columns)];
    return scale * all.reduce((sum, [kx, ky, phase]) => sum + Math.cos(kx * x + ky * y + phase), 0);
  });
  return (x, y) => {
    const at = Math.floor(y / GRID) * columns + Math.floor(x / GRID);
    const [u, v] = [(x % GRID) / GRID, (y % GRID) / GRID];
    const [top, bottom] = [at, at + columns].map((i) => values[i] + u * (values[i + 1] - values[i]));
    return top + v * (bottom - top);
  };
}

/** 24 bits a pixel, blue first, from the lowest line up. */
function bitmap(colourAt) {
  const file = Buffer.alloc(54 + 3 * width * height);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  for (const [at, value] of [
    [10, 54],
    [14, 40],
    [18, width],
    [22, height],
  ])
    file.writeUInt32LE(value, at);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0, at = 54; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, g, b] = colourAt(x, height - 1 - y);
      for (const value of [b, g, r]) file[at++] = Math.max(0, Math.min(255, value));
    }
  }
  return file;
}

function picture(random, diagnosis) {
  const skin = [205, 160, 130].map((value) => value + 12 * random.normal());
  const spot = [120, 78, 55].map((value) => value - [0, 8, 22][diagnosis] + 14 * random.normal());
  const [cx, cy] = [width / 2 + 40 * random.normal(), height / 2 + 30 * random.normal()];
  const radius = random.between(110, 190) * (diagnosis === 2 ? 1.15 : 1);
  const squeeze = random.between(0.8, 1);
  const edge = Array.from({ length: 6 }, () => [uneven[diagnosis] * random.normal(), random.between(0, 6.283)]);
  const rims = Float32Array.from({ length: 1024 }, (_, i) => {
    const angle = (6.2832 * i) / 1024;
    return radius * (1 + edge.reduce((sum, [size, phase], k) => sum + size * Math.cos((k + 2) * angle + phase), 0));
  });
  const blur = [10, 7, 4][diagnosis];
  const [tint, hue] = [field(random, 12, 120), field(random, 6, 260)];
  return bitmap((x, y) => {
    const [dx, dy] = [squeeze * (x - cx), y - cy];
    const rim = rims[Math.floor((1024 * (Math.atan2(dy, dx) / 6.2832 + 1)) % 1024)];
    const inside = 1 / (1 + Math.exp((Math.hypot(dx, dy) - rim) / blur));
    const [n, h] = [spotted[diagnosis] * tint(x, y), 0.4 * spotted[diagnosis] * hue(x, y)];
    const noise = random.between(-7, 7);
    return skin.map((value, c) => value + inside * (spot[c] + n + h * [1, 0.3, -0.8][c] - value) + noise);
  });
}

const [root] = process.argv.slice(2);
if (root === undefined) {
  console.error('Give a folder to make: node samples/ph2-like.mjs PH2Dataset');
  process.exit(2);
}
const order = new Random(5).permutation(200);
const diagnoses = cases.flatMap((count, code) => Array(count).fill(code));
const rows = [];
for (let i = 0; i < 200; i++) {
  const name = `IMD${String(2 + 2 * i).padStart(3, '0')}`;
  const diagnosis = diagnoses[order[i]];
  const folder = join(root, 'PH2 Dataset images', name, `${name}_Dermoscopic_Image`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.bmp`), picture(new Random(i, 11), diagnosis));
  rows.push(`|| ${name} ||               ||         ${diagnosis}         ||  0 |  T | A | A | A | A ||  4  ||`);
}
const header =
  '|| Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network | Dots/Globules | Streaks | Regression Areas | Blue-Whitish Veil || Colors ||';
const legend = 'Clinical Diagnosis: 0 - Common Nevus; 1 - Atypical Nevus; 2 - Melanoma.';
await writeFile(join(root, 'PH2_dataset.txt'), [header, ...rows, '', legend, ''].join('\r\n'));
console.log(`${root}: 200 drawn images, 160 benign, 40 melanoma`);
