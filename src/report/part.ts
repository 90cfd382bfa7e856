/** What every section of a report gets: the results, their summary, and where figures and tables are gathered. */
import { type CellResult, type GridResult, pointName } from '../train/results.ts';
import { freezeLabel, plural } from './format.ts';
import type { ReportInput } from './input.ts';
import { Html, html } from './markup.ts';
import type { Entry, GridSummary } from './summary.ts';
import type { Supplement } from './supplement.ts';

export interface Part extends ReportInput {
  readonly summary: GridSummary;
  readonly supplement: Supplement;
}

/** Numbers of the cell's freeze point, rates, split and seed, as the first columns of a table file. */
export const cellColumns = [
  'freeze_number',
  'freeze_name',
  'learning_rate',
  'new_layer_rate',
  'momentum',
  'split',
  'seed',
];
export const cellValues = ({ freeze, learningRate, newLayerRate, momentum, split, seed }: CellResult) => [
  freeze.number,
  pointName(freeze),
  learningRate,
  newLayerRate,
  momentum,
  split,
  seed,
];

/** A table that scrolls by itself where it is too wide for a phone. */
export function scroll(table: Html): Html {
  return html`<div class="scroll" tabindex="0">${table}</div>`;
}

/** A section; short ones are kept on one page of paper. */
export function section(title: string, content: readonly (Html | undefined | false)[], keep = false): Html {
  return html`<section${keep && new Html(' class="keep"')}><h2>${title}</h2>
${content}</section>`;
}

/** '2 splits of 4 seeds', '3 splits', '2 seeds' or '' */
export function repeatsOf(grid: GridResult): string {
  const [splits, seeds] = [new Set(grid.cells.map((c) => c.split)).size, new Set(grid.cells.map((c) => c.seed)).size];
  if (splits > 1 && seeds > 1) return `${plural(splits, 'split')} with ${plural(seeds, 'seed')} each`;
  if (splits > 1) return plural(splits, 'split');
  return seeds > 1 ? plural(seeds, 'seed') : '';
}

/** How an entry without a score reads: one word, the message stands in the table of all cells. */
export function lostWord(entry: Entry): string {
  return entry.cells.some(({ status }) => status === 'diverged') ? 'diverged' : 'failed';
}

/** How a run reads where there are several of a point and rate. */
export function runLabel(grid: GridResult, { split, seed }: CellResult): string {
  const splits = new Set(grid.cells.map((c) => c.split)).size > 1;
  const seeds = new Set(grid.cells.map((c) => c.seed)).size > 1;
  return [splits && `split ${split}`, seeds && `seed ${seed}`].filter(Boolean).join(', ');
}

export const pointLabel = freezeLabel;
