/**
 * Which rate each freeze point is judged by. On the validation part it is chosen within each split, by the mean over
 * that split's seeds, so that no split's choice sees what another one tests; the test part is then looked at once. The
 * paper chose on the test part: there one rate serves all splits, and the best of several draws is taken for its score.
 */
import { type CellResult, type FreezePoint, pointKey } from './results.ts';

/** On which part of the data the best is chosen: validation or test. */
export type Select = 'validation' | 'test';

export interface Selection {
  readonly cells: readonly CellResult[];
  /** Freeze points that no rate of some split has all seeds of, with the reason. */
  readonly leftOut: readonly { readonly freeze: FreezePoint; readonly why: string }[];
}

/** The part of a cell that its rate is judged by. */
export const selectionScore = (cell: CellResult, select: Select): number | undefined =>
  (select === 'validation' ? cell.validation?.metrics : cell.metrics)?.f1;

/** The finished cell with the highest score of the part that is chosen on; the first of equals. */
export function bestCell(cells: readonly CellResult[], select: Select): CellResult | undefined {
  let best: CellResult | undefined;
  for (const cell of cells) {
    if (cell.status !== 'done') continue;
    const score = selectionScore(cell, select) ?? cell.metrics!.f1;
    const before = best && (selectionScore(best, select) ?? best.metrics!.f1);
    if (before === undefined || score > before) best = cell;
  }
  return best;
}

/** The cells at the chosen rates: for each freeze point, every split and seed once. The first of equal rates is taken. */
export function chooseRates(cells: readonly CellResult[], select: Select): Selection {
  const chosen: CellResult[] = [];
  const leftOut: Selection['leftOut'][number][] = [];
  const groups = <K>(of: readonly CellResult[], key: (cell: CellResult) => K) => {
    const map = new Map<K, CellResult[]>();
    for (const cell of of) map.set(key(cell), [...(map.get(key(cell)) ?? []), cell]);
    return [...map.values()];
  };
  // With its momentum: the two are chosen together.
  const rateOf = (cell: CellResult) => `${cell.learningRate} ${cell.newLayerRate} ${cell.momentum ?? ''}`;
  for (const point of groups(cells, ({ freeze }) => pointKey(freeze))) {
    const { freeze } = point[0];
    const own: CellResult[] = [];
    let why: string | undefined;
    for (const split of select === 'validation' ? groups(point, (cell) => cell.split) : [point]) {
      const rates = groups(split, rateOf).filter((rate) => rate.every(({ status }) => status === 'done'));
      if (rates.length === 0) {
        const failed = split.filter(({ status }) => status !== 'done');
        why ??= `${failed.length} of ${split.length} runs ${failed.some(({ status }) => status === 'diverged') ? 'failed or diverged' : 'failed'}${select === 'validation' ? ` on split ${split[0].split}` : ''}, at least one at each rate`;
        continue;
      }
      // A grid of one rate has nothing to choose, and needs no validation part.
      const scored = rates.map((rate) =>
        rates.length === 1 ? 0 : rate.reduce((sum, cell) => sum + (selectionScore(cell, select) ?? 0), 0) / rate.length,
      );
      own.push(...rates[scored.indexOf(Math.max(...scored))]);
    }
    if (why === undefined) chosen.push(...own);
    else leftOut.push({ freeze, why });
  }
  return { cells: chosen, leftOut };
}
