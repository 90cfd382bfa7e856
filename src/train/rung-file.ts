/** rung-N.json in a cell's folder: what it had shown after N epochs, when it waited for the others. */
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import { join } from '../host.ts';
import { readTextIfThere } from '../read-files.ts';
import type { EpochRecord } from './early-stopping.ts';
import { epochRecords } from './result-schema.ts';
import { parseRunFile } from './run-folder.ts';

const schema = z.object({ configuration: z.string(), epochs: epochRecords });

const fileOf = (epochs: number) => `rung-${epochs}.json`;

/** @param folder the cell's; @param after how many epochs */
export async function saveRung(
  folder: string,
  after: number,
  content: { readonly configuration: string; readonly epochs: readonly EpochRecord[] },
): Promise<void> {
  await writeFilesAtomically(folder, { [fileOf(after)]: `${JSON.stringify(content)}\n` });
}

/**
 * @returns its epochs; nothing where the cell has not come so far, under this configuration
 * @throws FrostlineError for a file that somebody else wrote
 */
export async function readRung(
  folder: string,
  after: number,
  configuration: string,
): Promise<readonly EpochRecord[] | undefined> {
  const file = join(folder, fileOf(after));
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseRunFile(file, text));
  if (!parsed.success)
    throw new FrostlineError(`${file} is not what a grid writes there. Delete it, and the cell is run again.`);
  return parsed.data.configuration === configuration ? parsed.data.epochs : undefined;
}
