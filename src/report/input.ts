/** What a report is made of, and where in a grid's folder it lies. */
import { join } from 'node:path';
import { readTextIfThere } from '../read-files.ts';
import type { Probe } from '../train/probe.ts';
import { readProbe } from '../train/probe-file.ts';
import type { GridResult } from '../train/results.ts';
import { parseRunFile } from '../train/run-folder.ts';
import { type Pictures, readPictures } from './pictures.ts';
import { type Predictions, readPredictions } from './predictions.ts';
import { comparePrinted, type PrintedComparison } from './printed.ts';
import { readPrinted } from './printed-file.ts';
import { readGrid } from './read.ts';

export interface ReportInput {
  readonly grid: GridResult;
  /** By the cells' folders: for ROC curves and the images that are hard. */
  readonly predictions?: ReadonlyMap<string, Predictions>;
  /** Images that the best network has wrong, and how the training images were changed. */
  readonly pictures?: Pictures;
  /** The paper's rows beside ours, where they were given. */
  readonly printed?: PrintedComparison;
  /** What `frostline probe` found of this grid's network and data. */
  readonly probe?: Probe;
  /** environment.json. */
  readonly environment?: Readonly<Record<string, unknown>>;
}

/**
 * Reads a grid's folder, also one whose grid is not finished.
 * @throws FrostlineError where it holds no grid, or a file that is not what a grid writes
 */
export async function readReport(folder: string): Promise<ReportInput> {
  return await withFiles(folder, await readGrid(folder));
}

/** What lies beside a grid's results. */
export async function withFiles(folder: string, grid: GridResult): Promise<ReportInput> {
  const [predictions, pictures, probe, environment, printed] = await Promise.all([
    readPredictions(folder, grid),
    readPictures(folder),
    readProbe(folder),
    readEnvironment(folder),
    readPrinted(folder),
  ]);
  const compared = printed && comparePrinted(printed.rows, grid, printed.counts);
  return { grid, predictions, pictures, probe, environment, printed: compared };
}

/** Where and with what a grid was run; nothing where the file is not there. */
async function readEnvironment(folder: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const file = join(folder, 'environment.json');
  const text = await readTextIfThere(file);
  return text === undefined ? undefined : parseRunFile<Readonly<Record<string, unknown>>>(file, text);
}
