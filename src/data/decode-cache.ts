import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { removeLeftovers, writeFileAtomically } from '../files.ts';
import { readBytes } from '../read-files.ts';
import type { ImageSource } from './dataset.ts';
import { loadSharp } from './sharp.ts';

/** Raise it whenever the same file would decode to other pixels. */
const DECODER = 'frostline-pixels-2';
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
  const { versions: of } = await loadSharp();
  const hash = createHash('sha256').update(JSON.stringify([DECODER, of.vips, height, width]));
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

function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Decoded images as they are kept: their pixels, and what was remarked when they were decoded. */
export interface Kept {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly remarks: readonly string[];
}

/** What a cache file holds, or undefined where there is none, or one that cannot be read or was damaged. */
export async function readCache(file: string, length: number): Promise<Kept | undefined> {
  const bytes = await readBytes(file).catch(() => undefined);
  if (bytes === undefined || bytes.length < DIGEST_BYTES + length) return undefined;
  const body = bytes.subarray(DIGEST_BYTES);
  if (!digestOf(body).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
  const remarks = JSON.parse(Buffer.from(body.subarray(length)).toString()) as string[];
  return { data: body.subarray(0, length), remarks };
}

/** A digest of what follows, the pixels, the remarks as JSON. */
export async function writeCache(file: string, { data, remarks }: Kept): Promise<void> {
  const text = Buffer.from(JSON.stringify(remarks));
  await removeLeftovers(dirname(file));
  await writeFileAtomically(file, [digestOf(data, text), data, text]);
}
