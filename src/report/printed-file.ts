/** printed.json in a grid's folder: a paper's rows as they were typed, so that every later report shows them, too. */
import { join } from 'node:path';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { writeFilesIn } from '../files.ts';
import { readTextIfThere } from '../read-files.ts';
import { parseRunFile } from '../train/run-folder.ts';
import { type PrintedRow, parsePrinted } from './printed.ts';

const PRINTED = 'printed.json';

const schema = z.object({ counts: z.array(z.int().positive()).min(2), table: z.string() });

/** What was typed: a table with its header, and the images of each class in the paper's test part. */
export type Typed = z.infer<typeof schema>;

export async function keepPrinted(folder: string, typed: Typed): Promise<void> {
  await writeFilesIn(folder, { [PRINTED]: `${JSON.stringify(typed, null, 2)}\n` });
}

/** @returns nothing where none were given. @throws FrostlineError for a file that holds no such rows */
export async function readPrinted(
  folder: string,
): Promise<{ readonly rows: readonly PrintedRow[]; readonly counts: readonly number[] } | undefined> {
  const file = join(folder, PRINTED);
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseRunFile(file, text));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw new FrostlineError(`${file}: ${path.join('.')}: ${message}. Give --printed again, or delete the file.`);
  }
  const { counts, table } = parsed.data;
  return { rows: parsePrinted(table, file), counts };
}
