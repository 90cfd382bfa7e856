/** What each finished cell of a grid said of every test image, as its predictions.csv has it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { FrostlineError } from '../errors.ts';
import { unguarded } from '../text.ts';
import type { GridResult } from '../train/results.ts';

export interface Predictions {
  readonly images: readonly string[];
  /** indices among the grid's classes */
  readonly labels: readonly number[];
  readonly predicted: readonly number[];
  /** [image][class] */
  readonly probabilities: readonly (readonly number[])[];
}

/**
 * By the cells' folders. A cell whose file is gone, as in a folder that holds results.json alone, is left out.
 * @throws FrostlineError for a file that is not what a cell writes
 */
export async function readPredictions(folder: string, grid: GridResult): Promise<Map<string, Predictions>> {
  const { classes } = grid.dataset;
  const found = new Map<string, Predictions>();
  for (const { status, folder: own } of grid.cells) {
    if (status === 'failed' || own === undefined) continue;
    const file = join(folder, own, 'predictions.csv');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text !== undefined) found.set(own, parsePredictionsOf(file, text, classes));
  }
  return found;
}

/** Read by place, not by name: a class may be called as a column is. */
function parsePredictionsOf(file: string, text: string, classes: readonly string[]): Predictions {
  const refuse = (why: string) =>
    new FrostlineError(`${file}: ${why}. Delete the cell's folder, and the sweep runs it again.`);
  let records: string[][];
  try {
    records = parse(text, { from_line: 2 }) as string[][];
  } catch (error) {
    throw refuse(`it is no CSV (${(error as Error).message})`);
  }
  const rows = records.map((record, i) => {
    const [image, label, predicted, ...rest] = record.map(unguarded);
    const probabilities = rest.map(Number);
    const [is, said] = [classes.indexOf(label), classes.indexOf(predicted)];
    if (is < 0 || said < 0 || rest.length !== classes.length || !probabilities.every((p) => p >= 0 && p <= 1)) {
      throw refuse(`line ${i + 2} is not an image, two classes and ${classes.length} probabilities`);
    }
    return { image, is, said, probabilities };
  });
  return {
    images: rows.map(({ image }) => image),
    labels: rows.map(({ is }) => is),
    predicted: rows.map(({ said }) => said),
    probabilities: rows.map(({ probabilities }) => probabilities),
  };
}
