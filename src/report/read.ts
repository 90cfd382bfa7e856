/** A grid's results from its folder: those of a finished one, or what there is so far. */
import { join } from 'node:path';
import type { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { readText, readTextIfThere } from '../read-files.ts';
import { cellResult, gridPlan, gridResult, withScores } from '../train/result-schema.ts';
import type { CellResult, GridAdapter, GridResult } from '../train/results.ts';

export const RESULTS = 'results.json';
export const PLAN = 'plan.json';

/**
 * Reads and checks results.json of a grid's folder. Scores are computed anew from the confusion matrices, so that they
 * cannot disagree with them.
 * @throws FrostlineError where it is missing or no grid's
 */
export async function readResults(folder: string): Promise<GridResult> {
  const path = join(folder, RESULTS);
  const text = await readText(path, "expected the folder of a grid, as 'frostline sweep --out FOLDER' writes it");
  const grid = parseAs(path, text, gridResult, "run 'frostline sweep' again to write them anew");
  return { ...grid, cells: grid.cells.map(withScores) };
}

/**
 * The grid as it stands: its results where they are of all cells that are planned now; else, from the plan and the cells'
 * own files, what there is, the others as `pending`.
 * @throws FrostlineError as `readResults`, and for a damaged cell
 */
export async function readGrid(folder: string): Promise<GridResult> {
  const path = join(folder, PLAN);
  const text = await readTextIfThere(path);
  if (text === undefined) return await readResults(folder);
  const plan = parseAs(path, text, gridPlan, "run 'frostline sweep' again to write it anew");
  const before = await readResults(folder).catch((error: unknown) => {
    if (error instanceof FrostlineError) return undefined;
    throw error;
  });
  const folders = new Set([...(before?.cells ?? []), ...(before?.dropped ?? [])].map((cell) => cell.folder));
  const isWhole = plan.cells.length === folders.size && plan.cells.every((cell) => folders.has(cell.folder));
  return before !== undefined && isWhole ? before : await gather(folder, plan);
}

async function gather(root: string, { configuration, cells: planned, ...plan }: z.output<typeof gridPlan>) {
  const cells: CellResult[] = [];
  const pending: NonNullable<GridResult['pending']>[number][] = [];
  for (const cell of planned) {
    const file = join(root, cell.folder, 'result.json');
    const text = await readTextIfThere(file);
    if (text === undefined) {
      pending.push(cell);
      continue;
    }
    const remedy = 'delete it, and the sweep runs the cell again';
    const found = withScores(parseAs(file, text, cellResult, remedy));
    if (found.configuration === configuration) cells.push({ ...found, folder: cell.folder });
    else pending.push(cell);
  }
  return {
    ...plan,
    seconds: cells.reduce((sum, { seconds }) => sum + seconds, 0),
    adapters: adaptersOf(cells),
    cells,
    pending,
  };
}

function adaptersOf(cells: readonly CellResult[]): GridAdapter[] {
  return [...new Map(cells.map(({ adapter }) => [`${adapter.kind} ${adapter.name}`, adapter])).values()];
}

function parseAs<T extends z.ZodType>(path: string, text: string, schema: T, remedy: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FrostlineError(
      `${path}: not valid JSON (${(error as Error).message}); expected the results of a grid; ${remedy}`,
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FrostlineError(
    `${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}; expected the results of a grid; ${remedy}`,
  );
}
