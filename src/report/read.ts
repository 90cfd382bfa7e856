import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { gridResult, withScores } from '../train/result-schema.ts';
import type { GridResult } from '../train/results.ts';

/**
 * Reads and checks results.json of a grid's folder. Scores are computed anew from the confusion matrices, so that they
 * cannot disagree with them.
 */
export async function readResults(folder: string): Promise<GridResult> {
  const path = join(folder, 'results.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    throw new FrostlineError(
      `${path}: cannot be read (${code}); expected the folder of a grid, as 'frostline sweep --out FOLDER' writes it`,
    );
  }
  const parsed = gridResult.safeParse(parseJson(path, text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FrostlineError(
      `${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}; expected the results of a grid; run 'frostline sweep' again to write them anew`,
    );
  }
  return { ...parsed.data, cells: parsed.data.cells.map(withScores) };
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FrostlineError(
      `${path}: not valid JSON (${(error as Error).message}); expected the results of a grid; run 'frostline sweep' again to write them anew`,
    );
  }
}
