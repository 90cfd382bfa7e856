/** Models and images for the tests of commands, made in a folder of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll } from 'vitest';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import type { Network } from '../../src/models/network.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { writeModelFile } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';

/** A path in a folder that is removed when the file's tests end. */
export function temporaryFolder(): (name?: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'frostline-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name = '') => join(folder, name);
}

/** A narrow AlexNet with drawn weights. */
export function tinyNetwork(classes: readonly string[] = ['bag', 'boot', 'coat']): Network {
  return alexnetSmall({ classes, filters: [4, 8, 6, 6, 4], hidden: 10, seed: 11 });
}

export async function writeTiny(file: string, network: Network = tinyNetwork()): Promise<Network> {
  await writeModelFile(file, exportOnnx(network));
  return network;
}

/** A noisy RGB image as PNG. */
export async function writeImage(file: string, seed: number, size = 64): Promise<Uint8Array> {
  const random = new Random(seed);
  const data = Uint8Array.from({ length: 3 * size * size }, () => random.integer(256));
  await sharp(data, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toFile(file);
  return data;
}
