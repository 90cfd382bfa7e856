import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import type { ImageSource } from './dataset.ts';
import { kindOf, readWhole, writeAtomically } from './files.ts';

/** Raise it whenever the same file would decode to other pixels. */
const DECODER = 'frostline-pixels-1';
const DIGEST_BYTES = 32;

/**
 * The file that would hold these images decoded to this size: its name is a hash of the decoder, the size, and each
 * image's path, time of change and length. A changed image makes another name.
 */
export async function cacheFile(
  folder: string,
  sources: readonly ImageSource[],
  height: number,
  width: number,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([DECODER, sharp.versions.vips, height, width]));
  const versions = new Map<string, string>();
  for (const source of sources) {
    const file = 'file' in source ? source.file : source.array.file;
    let version = versions.get(file);
    if (version === undefined) {
      const found = await stat(file).catch(() => undefined);
      version = JSON.stringify([resolve(file), found?.mtimeMs, found?.size]);
      versions.set(file, version);
    }
    hash.update(version).update('index' in source ? `#${source.index}` : '');
  }
  return join(folder, `${hash.digest('hex').slice(0, 32)}.rgba`);
}

const digestOf = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();

/** The pixels of a cache file, or undefined where there is none, or one that a full disk or a copy has damaged. */
export async function readCache(file: string, length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if ((await kindOf(file)) !== 'file') return undefined;
  const bytes = await readWhole(file);
  const data = bytes.subarray(DIGEST_BYTES);
  const sound = data.length === length && digestOf(data).equals(bytes.subarray(0, DIGEST_BYTES));
  return sound ? data : undefined;
}

/** A digest of the pixels, then the pixels. */
export async function writeCache(file: string, data: Uint8Array): Promise<void> {
  await writeAtomically(file, digestOf(data), data);
}
