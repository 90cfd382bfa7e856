/** A paper's rows beside a grid's: what `sweep` and `report` take. */
import { z } from 'zod';
import type { Typed } from '../report/printed-file.ts';

export const printedOptions = {
  printed: z
    .string()
    .optional()
    .meta({ valueName: 'TABLE.csv' })
    .describe(
      "the paper's printed rows in per cent, typed by you under examples/printed-rows.csv's header: kept with the grid, and shown beside ours",
    ),
  printedCounts: z
    .array(z.int().positive())
    .min(2)
    .default([40, 10])
    .describe("images of each class in the paper's test part, which each row is checked against"),
};

/** @throws FrostlineError for a file that is not there, or holds no rows */
export async function typedRows(file: string | undefined, counts: readonly number[]): Promise<Typed | undefined> {
  if (file === undefined) return undefined;
  const { parsePrinted } = await import('../report/printed.ts');
  const { readText } = await import('../read-files.ts');
  const table = await readText(file, "give the paper's rows, typed under the header of examples/printed-rows.csv");
  parsePrinted(table, file);
  return { counts: [...counts], table };
}
