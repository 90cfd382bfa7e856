/** Every run, with the whole message of each that failed. */
import type { Metrics } from '../../train/metrics.ts';
import { type CellResult, isSamePoint } from '../../train/results.ts';
import { duration, percent as formatPercent, freezeLabel, integer, plural, score } from '../format.ts';
import { type Content, type Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';

const percent = (fraction: number) => formatPercent(fraction).replace(' ', '\u00a0');

const columns: [string, (cell: CellResult, metrics: Metrics) => Content][] = [
  ['Accuracy', (_, m) => percent(m.accuracy)],
  ['95 % interval', (_, m) => `${percent(m.accuracyInterval[0])} – ${percent(m.accuracyInterval[1])}`],
  ['Precision', (_, m) => score(m.macroPrecision)],
  ['Recall', (_, m) => score(m.macroRecall)],
  ['F1', (_, m) => score(m.f1)],
  ['AUC', (c) => (c.detail === undefined ? '–' : score(c.detail.auc.value))],
  ['Training accuracy', (c) => (c.trainAccuracy === undefined ? '–' : percent(c.trainAccuracy))],
  ['Final loss', (c) => (c.finalLoss === undefined ? '–' : c.finalLoss.toPrecision(3))],
  ['Steps', (c) => integer(c.steps)],
  ['Time', (c) => duration(c.seconds)],
];

export function cellsSection({ grid, summary, supplement }: Part): Html | undefined {
  if (grid.cells.length === 0) return undefined;
  const several = (key: 'split' | 'seed') => new Set(grid.cells.map((cell) => cell[key])).size > 1;
  const [splits, seeds] = [several('split'), several('seed')];
  const bodies = summary.freezePoints.map((freeze) => {
    const rows = summary.entries
      .filter((entry) => isSamePoint(entry.freeze, freeze))
      .flatMap((entry) =>
        entry.cells.map((cell) => {
          const start = html`<th scope="row">${freezeLabel(freeze)}</th><td>${entry.series.label}</td>${
            splits && html`<td>${cell.split}</td>`
          }${seeds && html`<td>${cell.seed}</td>`}`;
          const { metrics } = cell;
          const rest =
            cell.status === 'done' && metrics
              ? columns.map(([, value]) => html`<td>${value(cell, metrics)}</td>`)
              : html`<td class="failed wrap" colspan="${columns.length}">${cell.status === 'diverged' ? 'Diverged' : 'Failed'} after ${plural(cell.steps, 'step')}: ${cell.error ?? 'no reason was recorded'}</td>`;
          return html`<tr>${start}${rest}</tr>`;
        }),
      );
    return rows.length > 0 && html`<tbody>${rows}</tbody>`;
  });
  // Their file is results.csv, beside the report.
  const number = supplement.nextTable();
  const table = scroll(html`<table class="ruled wide dense">
<thead><tr><th class="text" scope="col">Last frozen</th><th scope="col">Rate</th>${
    splits && html`<th scope="col">Split</th>`
  }${seeds && html`<th scope="col">Seed</th>`}${columns.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
${bodies}
</table>`);
  const caption = html`<p class="caption"><b>Table ${number}.</b> All ${plural(grid.cells.length, 'run')}, also in results.csv. Precision and recall are macro averages; the interval is Wilson’s for the accuracy.</p>
`;
  // A long list is for looking things up: folded on screen, whole on paper.
  return section('Every run', [
    caption,
    grid.cells.length > 40
      ? html`<details><summary>All ${plural(grid.cells.length, 'run')}</summary>${table}</details>`
      : table,
  ]);
}
