/**
 * A checkpoint of a run: one file, whole or not there. A line of JSON (what it belongs to, the steps so far, the sizes
 * of the parts), then the parts of the state one after the other. It is written after each epoch and removed with the
 * result; a run that was killed redoes one epoch at most and ends in the same bits.
 */
import { writeFilesIn } from '../files.ts';
import { createHash, join, readFile, rm } from '../host.ts';
import { frostlineVersion } from '../version.ts';
import type { RunProgress } from './phases.ts';

export const CHECKPOINT = 'checkpoint.bin';

interface Header extends Pick<RunProgress, 'records' | 'epochs' | 'done'> {
  readonly frostline: string;
  readonly key: string;
  readonly seconds: number;
  /** of the parts: state, the best epoch's parameters (none without early stopping), what earlier phases have settled */
  readonly sizes: { readonly state: number[]; readonly best: number[]; readonly settled: number[] };
  readonly sha256: string;
}

export interface Checkpoint extends RunProgress {
  /** spent on the run so far */
  readonly seconds: number;
}

/** Thrown at a checkpoint by a run that was asked to stop there. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

function digest(parts: readonly ArrayBuffer[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(new Uint8Array(part));
  return hash.digest('hex');
}

/** @param key of all that decides the bits: configuration, cell, adapter */
export async function saveCheckpoint(folder: string, key: string, checkpoint: Checkpoint) {
  const { state, best = [], settled, ...rest } = checkpoint;
  const parts = [...state, ...best, ...settled];
  const sizesOf = (of: readonly ArrayBuffer[]) => of.map(({ byteLength }) => byteLength);
  const sizes = { state: sizesOf(state), best: sizesOf(best), settled: sizesOf(settled) };
  const header: Header = { frostline: frostlineVersion, key, ...rest, sizes, sha256: digest(parts) };
  const line = `${JSON.stringify(header)}\n`;
  const bytes = Buffer.concat([Buffer.from(line), ...parts.map((part) => new Uint8Array(part))]);
  await writeFilesIn(folder, { [CHECKPOINT]: bytes });
}

/**
 * @returns nothing where there is none, or one that belongs to another configuration, adapter or version, or that is
 * damaged: the run then starts anew, which is slower and never wrong
 */
export async function readCheckpoint(folder: string, key: string): Promise<Checkpoint | undefined> {
  const bytes = await readFile(join(folder, CHECKPOINT)).catch(() => undefined);
  const end = bytes?.indexOf(10) ?? -1;
  if (bytes === undefined || end < 0) return undefined;
  let header: Header;
  try {
    header = JSON.parse(bytes.toString('utf8', 0, end)) as Header;
  } catch {
    return undefined;
  }
  if (header.frostline !== frostlineVersion || header.key !== key) return undefined;
  const { sizes, records, epochs, done, seconds } = header;
  let at = end + 1;
  const take = (size: number) => {
    const part = new Uint8Array(size);
    part.set(bytes.subarray(at, at + size));
    at += size;
    return part.buffer;
  };
  const [state, best, settled] = [sizes.state, sizes.best, sizes.settled].map((of) => of.map(take));
  if (at !== bytes.length || digest([...state, ...best, ...settled]) !== header.sha256) return undefined;
  return { records, epochs, done, seconds, state, settled, ...(best.length > 0 && { best }) };
}

export const removeCheckpoint = (folder: string) => rm(join(folder, CHECKPOINT), { force: true });
