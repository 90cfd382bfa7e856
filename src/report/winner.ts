/** The best cell's network where a user finds it: best.onnx and its card beside the report. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FrostlineError } from '../errors.ts';
import { linkAtomically, writeFilesAtomically } from '../files.ts';
import type { GridResult } from '../train/results.ts';
import { bestCell } from '../train/select.ts';
import { modelCard } from './model-card.ts';

export const BEST = 'best.onnx';
export const CARD = 'MODEL_CARD.md';

/**
 * @param folder the grid's
 * @returns the paths of both; nothing where the network was not kept, and then none of an earlier best stays
 */
export async function saveWinner(
  folder: string,
  grid: GridResult,
): Promise<{ model: string; card: string } | undefined> {
  const [model, card] = [join(folder, BEST), join(folder, CARD)];
  const best = bestCell(grid.cells, grid.select ?? 'test');
  const own = best?.folder === undefined ? undefined : join(folder, best.folder, 'model.onnx');
  if (own === undefined || !existsSync(own)) {
    for (const path of [model, card]) await rm(path, { force: true });
    return undefined;
  }
  await linkAtomically(own, model).catch(({ message }) => {
    throw new FrostlineError(`${message}. The network is in ${own}.`);
  });
  const hash = createHash('sha256');
  await pipeline(createReadStream(model), hash);
  const text = modelCard(grid, best!, { file: BEST, sha256: hash.digest('hex') });
  await writeFilesAtomically(folder, { [CARD]: text });
  return { model, card };
}
