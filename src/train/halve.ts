/** A rung of a grid that is halved: what its cells have shown by then, and what is dropped for it. */
import { join } from '../host.ts';
import { removeCheckpoint } from './checkpoint.ts';
import { clearClaims } from './claims.ts';
import type { GridHooks } from './grid-hooks.ts';
import { armKey, judgeRung, type Rung, type RungScore, scoreAfter } from './halving.ts';
import type { PlannedCell } from './plan.ts';
import type { Standing } from './standing.ts';

/**
 * Drops the worse half of what is left.
 * @param folder the grid's; @param epochs the rung's
 * @returns nothing, and drops nothing, where not all cells have come so far: other processes run the others
 */
export async function halve(
  folder: string,
  standing: Standing,
  epochs: number,
  earlyStopping: boolean,
  { onDrop }: Pick<GridHooks, 'onDrop'>,
): Promise<Rung | undefined> {
  const judged = await judgeStanding(standing, epochs, earlyStopping);
  for (const index of judged?.dropped ?? []) {
    const cell = standing.cells[index];
    onDrop?.(index);
    await clearClaims(join(folder, cell.folder));
    await removeCheckpoint(join(folder, cell.folder));
  }
  return judged?.rung;
}

/** Judges a rung and says so to `standing`; changes no file. @returns as `halve`, with the cells that are dropped */
export async function judgeStanding(
  standing: Standing,
  epochs: number,
  earlyStopping: boolean,
): Promise<{ readonly rung: Rung; readonly dropped: readonly number[] } | undefined> {
  const { cells, dropped: before } = standing;
  const alive = cells.filter((cell) => !before.has(cell));
  const runs: { arm: PlannedCell; score: RungScore | undefined }[] = [];
  for (const cell of alive) {
    const result = standing.resultOf(cell);
    const shown = result?.epochs ?? (await standing.shownAt(cell, epochs));
    if (shown === undefined && result === undefined) return undefined;
    runs.push({ arm: cell, score: scoreAfter(shown, epochs, earlyStopping) });
  }
  const rung = judgeRung(epochs, runs);
  const kept = new Set(rung.arms.filter((arm) => arm.kept).map(armKey));
  const dropped: number[] = [];
  for (const [index, cell] of cells.entries()) {
    if (!alive.includes(cell) || kept.has(armKey(cell)) || standing.resultOf(cell) !== undefined) continue;
    standing.drop(cell, epochs);
    dropped.push(index);
  }
  return { rung, dropped };
}
