/** Confusion matrices by freeze point and rate, and the ROC curves. */
import { areaUnderRoc, ranking, rocCurve } from '../../statistics/roc.ts';
import type { ConfusionMatrix } from '../../train/metrics.ts';
import { type CellResult, isSamePoint, pointName } from '../../train/results.ts';
import { type RocCurve, rocFigure } from '../figures/roc.ts';
import { freezeLabel, plural, score } from '../format.ts';
import { type Content, Html, html } from '../markup.ts';
import { cellColumns, cellValues, lostWord, type Part, repeatsOf, runLabel, section } from '../part.ts';
import type { Predictions } from '../predictions.ts';
import type { Entry } from '../summary.ts';

export function confusionSection({ grid, summary, supplement }: Part): Html | undefined {
  const { classes } = grid.dataset;
  if (summary.entries.length === 0) return undefined;
  // Names fit over the columns of a small matrix; a large one gets numbers and a key.
  const numbered = classes.length > 4;
  const shown = numbered ? classes.map((_, c) => String(c + 1)) : classes;
  const number = supplement.table(
    'confusion',
    [...cellColumns, 'is', 'taken_for', 'images'],
    grid.cells.flatMap((cell) =>
      (cell.confusion ?? []).flatMap((row, r) =>
        row.map((count, c) => [...cellValues(cell), classes[r], classes[c], count]),
      ),
    ),
  );
  const least = `${leastWidth(shown)}rem`;
  const open = summary.entries.length <= 60 && classes.length <= 12;
  const groups = summary.freezePoints.map((freeze) => {
    const entries = summary.entries.filter((entry) => isSamePoint(entry.freeze, freeze));
    if (entries.length === 0) return html``;
    return html`<details${open && new Html(' open')}><summary>${freezeLabel(freeze)} <span>${freeze.number === null ? 'frozen' : 'last frozen layer'}</span></summary><div class="cards" style="--least:min(100%,${least})">${entries.map((entry) => card(entry, shown, entry === summary.best))}</div></details>`;
  });
  return section('Confusion matrices', [
    html`<p class="caption"><b>Table ${number}.</b> Of the ${plural(grid.dataset.test, 'test image')}, by learning rate${summary.repeated && `, sums over ${repeatsOf(grid)}`}. Rows are true classes, columns predicted ones; shades are shares of the row, <span class="key" style="--c:var(--ice)">right</span> and <span class="key" style="--c:var(--ember)">wrong</span>.</p>${
      numbered && html`<p class="caption">Classes: ${classes.map((name, c) => `${c + 1} ${name}`).join(', ')}.</p>`
    }
`,
    ...groups,
  ]);
}

/** Of a matrix whose columns hold the longest word of the names whole, in rem; words of more letters are parted. */
function leastWidth(names: readonly string[]): number {
  const longest = Math.max(...names.flatMap((name) => name.split(/[\s-]+/)).map(({ length }) => length));
  return Math.max(10, (names.length + 1) * (0.45 * Math.min(longest, 12) + 0.6) + 1.7, names.length * 2.4 + 5);
}

function card(entry: Entry, names: readonly string[], best: boolean): Html {
  const done = entry.cells.filter((cell) => cell.status === 'done' && cell.confusion);
  const lost = entry.cells.length - done.length;
  return html`<div class="card${best && ' best'}"><h4>${entry.series.label}${
    entry.mean && html`<span>F1 ${score(entry.mean.f1)}${lost > 0 && `, ${lost} lost`}</span>`
  }</h4>${
    done.length > 0
      ? matrixTable(sumOf(done.map(({ confusion }) => confusion!)), names)
      : html`<p class="failed">${lostWord(entry)}</p>`
  }</div>`;
}

const sumOf = (matrices: readonly ConfusionMatrix[]): number[][] =>
  matrices[0].map((row, r) => row.map((_, c) => matrices.reduce((sum, matrix) => sum + matrix[r][c], 0)));

function matrixTable(confusion: ConfusionMatrix, names: readonly string[]): Html {
  const rows = confusion.map((row, r) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    const cells = row.map(
      (count, c) =>
        html`<td class="${r === c ? 'hit' : 'miss'}" style="--share:${Math.round((100 * count) / total)}">${count}</td>`,
    );
    return html`<tr><th scope="row">${names[r]}</th>${cells}</tr>`;
  });
  return html`<table class="matrix"><thead><tr><th></th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`;
}

/** Curves of two classes: of the rarer one, by freeze point; of more: of each class against the rest, at the best point. */
export async function rocSection(part: Part): Promise<Html | undefined> {
  const { grid, predictions, supplement } = part;
  if (predictions === undefined || predictions.size === 0) return undefined;
  const { classes, counts } = grid.dataset;
  const two = classes.length === 2;
  const operating = grid.cells.flatMap(({ detail }) => detail?.operatingPoint ?? [])[0];
  const positive = operating?.positive ?? classes[counts.test.indexOf(Math.min(...counts.test))];
  const entries = two ? chosen(part) : chosen(part).filter((entry) => isBest(part, entry));
  const drawn = entries.flatMap((entry) =>
    entry.cells.flatMap((cell) => {
      const own = cell.status === 'done' && cell.folder !== undefined ? predictions.get(cell.folder) : undefined;
      if (own === undefined) return [];
      const wanted = two ? [classes.indexOf(positive)] : classes.map((_, c) => c);
      return wanted.map((c) => ({ ...curveOf(own, c), cell, panel: two ? freezeLabel(entry.freeze) : classes[c] }));
    }),
  );
  if (drawn.length === 0) return undefined;
  const panels = two ? entries.map(({ freeze }) => freezeLabel(freeze)) : classes;
  const titles = panels.map((name) => {
    const areas = drawn.filter(({ panel }) => panel === name).map(({ area }) => area);
    return areas.length === 0 ? name : `${name}: ${(areas.reduce((a, b) => a + b, 0) / areas.length).toFixed(3)}`;
  });
  const runs = (cell: CellResult): Content => runLabel(grid, cell) || 'run';
  const curves = drawn.map(
    ({ panel, points, cell }): RocCurve => ({ panel: titles[panels.indexOf(panel)], run: String(runs(cell)), points }),
  );
  const figure = await supplement.figure(
    'roc',
    (size) => rocFigure(curves, titles, size),
    'ROC curves',
    html`ROC curves, a line for each run${two ? html`: the share of ${positive} that is found, over the share of all others that is taken for it, at each freeze point’s ${part.grid.verdict ? 'chosen' : 'best'} rate` : html` of the best freeze point: each class against the rest`}. Over each panel stands the mean area under the curves.${
      operating &&
      ` Finding ${Math.round(100 * operating.asked)} % of ${operating.positive} is judged at a threshold chosen on the ${operating.chosenOn} part.`
    }`,
  );
  supplement.data(
    'roc',
    [...cellColumns, 'class', 'area', 'false_positive_rate', 'true_positive_rate'],
    drawn.flatMap(({ cell, panel, area, points }) =>
      points.map(([fpr, tpr]) => [...cellValues(cell), two ? positive : panel, area, fpr, tpr]),
    ),
  );
  return section('ROC curves', [figure]);
}

function curveOf({ probabilities, labels }: Predictions, c: number) {
  const values = probabilities.map((row) => row[c]);
  const is = labels.map((label) => label === c);
  return { points: rocCurve(values, is), area: areaUnderRoc(ranking(values), is) };
}

/** For each freeze point the entry at its best rate: with a validation part by that, as the verdict chooses. */
function chosen({ grid, summary }: Part): Entry[] {
  const judgedBy = ({ validation, metrics }: CellResult) =>
    (grid.select === 'validation' ? validation?.metrics.f1 : undefined) ?? metrics?.f1 ?? 0;
  const mean = (entry: Entry) => entry.cells.reduce((sum, cell) => sum + judgedBy(cell), 0) / entry.cells.length;
  return summary.freezePoints.flatMap((freeze) => {
    const own = summary.entries.filter((entry) => isSamePoint(entry.freeze, freeze) && entry.mean);
    return own.length === 0 ? [] : [own.reduce((best, entry) => (mean(entry) > mean(best) ? entry : best))];
  });
}

const isBest = ({ grid, summary }: Part, { freeze }: Entry) =>
  grid.verdict === undefined
    ? summary.best !== undefined && isSamePoint(freeze, summary.best.freeze)
    : pointName(freeze) === grid.verdict.best;
