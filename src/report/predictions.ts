/** What each finished cell of a grid said of every test image, as its predictions.csv has it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readSaid } from '../train/cell-predictions.ts';
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
  const indexOf = new Map(classes.map((name, index) => [name, index]));
  const found = new Map<string, Predictions>();
  for (const cell of grid.cells) {
    const { status, folder: own } = cell;
    if (status === 'failed' || own === undefined || !existsSync(join(folder, own, 'predictions.csv'))) continue;
    const rows = await readSaid(folder, cell, classes);
    found.set(own, {
      images: rows.map(({ image }) => image),
      labels: rows.map(({ label }) => indexOf.get(label)!),
      predicted: rows.map(({ predicted }) => indexOf.get(predicted)!),
      probabilities: rows.map(({ probabilities }) => classes.map((name) => probabilities[name])),
    });
  }
  return found;
}
