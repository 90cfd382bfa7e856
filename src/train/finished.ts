/** result.json in a cell's folder: what is there of a finished cell. */
import { FrostlineError } from '../errors.ts';
import { join } from '../host.ts';
import { readTextIfThere } from '../read-files.ts';
import { removeCheckpoint } from './checkpoint.ts';
import { clearClaims } from './claims.ts';
import type { PlannedCell } from './plan.ts';
import { cellResult, withScores } from './result-schema.ts';
import type { CellResult } from './results.ts';
import { parseRunFile } from './run-folder.ts';

/**
 * The result of a cell, where it is there.
 * @throws FrostlineError where it is damaged, or was made by another configuration
 */
export async function readFinished(
  folder: string,
  cell: PlannedCell,
  configuration: string,
): Promise<CellResult | undefined> {
  const file = join(folder, cell.folder, 'result.json');
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const parsed = cellResult.safeParse(parseRunFile(file, text));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    const where = path.length > 0 ? `${path.join('.')}: ` : '';
    throw new FrostlineError(
      `${file} is no result of a cell (${where}${message}). Delete it, and the cell is run again.`,
    );
  }
  if (parsed.data.configuration !== configuration) {
    throw new FrostlineError(
      `${file} was made by another configuration than the one asked for. Give another --out, or delete ` +
        `${join(folder, cell.folder)}, and the cell is run again.`,
    );
  }
  await clearClaims(join(folder, cell.folder));
  // Left by a process that was killed between the result and this.
  await removeCheckpoint(join(folder, cell.folder));
  return { ...withScores(parsed.data), folder: cell.folder };
}
