/** From a grid's finished cells to its table of predictions, a row for each image of each run, and the verdict on it. */
import { csvText } from '../csv-text.ts';
import { gatherRuns, type PredictionRow } from '../statistics/runs.ts';
import { PROBABILITY } from '../statistics/table.ts';
import { type Verdict, verdictOf } from '../statistics/verdict.ts';
import { readSaid } from './cell-predictions.ts';
import type { Experiment } from './experiment.ts';
import { type CellResult, type GridResult, pointName } from './results.ts';
import { chooseRates, type Select } from './select.ts';

export interface Judged {
  /** The text of predictions.csv: all cells, those at the chosen rates with 1 under `chosen`. */
  readonly table: string;
  readonly verdict?: Verdict;
  readonly leftOut: NonNullable<GridResult['leftOut']>;
}

/** Reads each finished cell's own predictions. @param cells in the order of the plan, with their folders */
export async function judge(
  folder: string,
  experiment: Experiment,
  cells: readonly CellResult[],
  select: Select,
): Promise<Judged> {
  const selection = chooseRates(cells, select);
  const chosen = new Set(selection.cells);
  const byDepth = [...cells].sort((a, b) => (a.freeze.number ?? 0) - (b.freeze.number ?? 0));
  const rows: PredictionRow[] = [];
  const lines: (string | number | undefined)[][] = [];
  const groups = groupsOf(experiment);
  const severalMomenta = new Set(cells.map(({ momentum }) => momentum)).size > 1;
  for (const cell of byDepth) {
    if (cell.status !== 'done') continue;
    for (const said of await readSaid(folder, cell, experiment.classes)) {
      const { image, label, predicted, probabilities } = said;
      const group = groups?.get(image);
      const point = pointName(cell.freeze);
      const { split, learningRate, newLayerRate } = cell;
      const seed = String(cell.seed);
      if (chosen.has(cell)) rows.push({ point, split, seed, image, label, predicted, group, probabilities });
      lines.push([
        point,
        split,
        seed,
        image,
        label,
        predicted,
        ...(groups ? [group] : []),
        learningRate,
        newLayerRate,
        ...(severalMomenta ? [cell.momentum] : []),
        chosen.has(cell) ? 1 : 0,
        ...experiment.classes.map((name) => probabilities[name]),
      ]);
    }
  }
  const columns = [
    ...['point', 'split', 'seed', 'image', 'label', 'predicted', ...(groups ? ['group'] : [])],
    ...['rate', 'new_layer_rate', ...(severalMomenta ? ['momentum'] : []), 'chosen'],
    ...experiment.classes.map((name) => `${PROBABILITY}${name}`),
  ];
  return {
    table: csvText([columns, ...lines]),
    verdict: new Set(rows.map(({ point }) => point)).size < 2 ? undefined : verdictOf(gatherRuns(rows)),
    leftOut: selection.leftOut.map(({ freeze, why }) => ({ point: pointName(freeze), why })),
  };
}

/** Groups of the images that any split tests; nothing where there are none. */
function groupsOf({ split }: Experiment): Map<string, string> | undefined {
  const grouped = split?.dataset.samples.flatMap(({ id, group }) =>
    group === undefined ? [] : [[id, group] as const],
  );
  return grouped === undefined || grouped.length === 0 ? undefined : new Map(grouped);
}
