/** A cell of a grid as the options of one run: what `train --from` trains again, to the bit. */
import { dirname, join, resolve } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { readText } from '../read-files.ts';
import type { Experiment } from '../train/experiment.ts';
import type { CellResult } from '../train/results.ts';
import { parseRunFile, type Settings } from '../train/run-folder.ts';
import type { Training } from '../train/strategy.ts';

export interface GridCell {
  /** as the grid's config.json has them, the names of options */
  readonly settings: Settings;
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly training: Training;
  readonly learningRate: number;
  /** nothing of cells of earlier versions, whose grids have one */
  readonly momentum?: number;
  /** of the cell: new layer, order, augmentation, dropout; the grid's own is that of the splits */
  readonly seed: number;
  /** from 0 */
  readonly division: number;
}

export type GridConfig = Pick<GridCell, 'settings' | 'fingerprints'>;

/** What a grid ran with, from its folder. @throws FrostlineError where the folder is none, or was written by an earlier version */
export async function readGridConfig(folder: string, name: string): Promise<GridConfig> {
  const file = join(folder, 'config.json');
  const text = await readText(file, `${name}: give the folder of a grid, the --out of a sweep`);
  const { settings, fingerprints } = parseRunFile<Partial<GridConfig>>(file, text);
  if (settings !== undefined && fingerprints !== undefined) return { settings, fingerprints };
  throw new FrostlineError(
    `${name}: the grid was written by an earlier version, which did not keep what is needed. Run it again.`,
  );
}

/** @throws FrostlineError where the folder is no cell of a grid */
export async function readCell(folder: string): Promise<GridCell> {
  const read = async <T extends object>(file: string): Promise<T> => {
    const text = await readText(file, `--from ${folder}: give the folder of a finished cell, GRID/cells/CELL`);
    return parseRunFile<T>(file, text);
  };
  const { freeze, training, learningRate, momentum, seed, split } = await read<CellResult>(join(folder, 'result.json'));
  const { settings, fingerprints } = await readGridConfig(dirname(dirname(resolve(folder))), `--from ${folder}`);
  if (split === undefined) {
    throw new FrostlineError(
      `--from ${folder}: the grid was written by an earlier version, which did not keep what is needed. Run it again.`,
    );
  }
  return {
    settings,
    fingerprints,
    // Of cells of earlier versions the freeze point says it.
    training: training ?? { freeze: freeze.number ?? 'none' },
    learningRate,
    momentum,
    seed,
    division: Number(split) - 1,
  };
}

/** @throws FrostlineError naming what is no longer what the grid ran on */
export function checkSame(name: string, { fingerprints }: GridConfig, experiment: Experiment): void {
  const differing = Object.keys(fingerprints).filter((key) => fingerprints[key] !== experiment.fingerprints[key]);
  if (differing.length === 0) return;
  throw new FrostlineError(
    `${name}: ${differing.join(', ')} changed since the grid ran. ` +
      'Give the model and data of that time (--model, --data), or run the grid anew.',
  );
}

/** The experiment that a cell ran on: its grid's, on the cell's split, with the new layer of the cell's seed. */
export function atCell(name: string, cell: GridCell, grid: Experiment): Experiment {
  checkSame(name, cell, grid);
  return { ...grid.at(cell.division), network: grid.withSeed(cell.seed) };
}
