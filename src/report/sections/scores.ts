/** The scores: the verdict's points, F1 over the freeze layer, the paper's Table I, and the whole grid. */
import { pointName } from '../../train/results.ts';
import { f1Figure } from '../figures/f1.ts';
import { verdictFigure } from '../figures/verdict.ts';
import { percent as formatPercent, freezeLabel, plural, rate, score } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { lostWord, type Part, repeatsOf, scroll, section } from '../part.ts';
import { asGoodAs, type Entry, entryAt, type GridSummary, paperTable } from '../summary.ts';

/** A percentage that no line break parts from its sign. */
const percent = (fraction: number) => formatPercent(fraction).replace(' ', '\u00a0');

const probability = (p: number) => (p < 0.001 ? '< 0.001' : p.toFixed(3));

/** Which points cannot be told from the best, with their intervals. */
export async function verdictSection({ grid, supplement }: Part): Promise<Html | undefined> {
  const { verdict, freezePoints, leftOut = [] } = grid;
  if (verdict === undefined) return undefined;
  const { points, set, wins, level, scoreTitle, counts, over } = verdict;
  const sure = formatPercent(level, 0).replace(' ', '\u00a0');
  const drawn = { splits: 'images and splits', seeds: 'images and seeds', 'images alone': 'images alone' }[over];
  const what = `${plural(counts.images, 'image')}${counts.units < counts.images ? ` in ${plural(counts.units, 'group')}` : ''}, ${plural(counts.splits, 'split')}, ${plural(counts.runs, 'run')} of each point`;
  const figure = await supplement.figure(
    'verdict',
    (size) => verdictFigure(verdict, freezePoints, size),
    `${scoreTitle} with intervals`,
    html`${scoreTitle} of each freeze point at its chosen rate, with its ${sure} interval. Filled: cannot be told from the best. ${what}; drawn anew: ${drawn}. The dashed line is the classifier that always says the commonest class.`,
  );
  const number = supplement.table(
    'verdict',
    ['point', 'score', 'low', 'high', 'in_set', 'share_of_wins', 'p'],
    points.map(({ point, score: value, interval, p }) => [
      point,
      value,
      ...interval,
      set.includes(point) ? 1 : 0,
      wins[point],
      p,
    ]),
  );
  const rows = points.map(
    ({ point, score: value, interval, p }) =>
      html`<tr${set.includes(point) && html` class="best"`}><th scope="row">${point}</th><td>${score(value)}</td><td>${interval.map(score).join(' – ')}</td><td>${formatPercent(wins[point], 0)}</td><td>${probability(p)}</td></tr>`,
  );
  return section('Which freeze points are best', [
    figure,
    html`<div class="keep"><p class="caption"><b>Table ${number}.</b> Bold: cannot be told from the best at ${sure}. “Best in” is the share of the draws in which a point has the highest score; p is for “as good as the best”, against all others at once.${
      leftOut.length > 0 && ` Left out: ${leftOut.map(({ point, why }) => `${point} (${why})`).join('; ')}.`
    }</p>
${scroll(html`<table class="ruled"><thead><tr><th class="text" scope="col">Freeze point</th><th scope="col">${scoreTitle}</th><th scope="col">${sure} interval</th><th scope="col">Best in</th><th scope="col">p</th></tr></thead><tbody>${rows}</tbody></table>`)}</div>`,
  ]);
}

/** A line joins freeze points that were trained in the same way: blocks, phases and other strategies stand apart. */
export async function f1Section({ grid, summary, supplement }: Part): Promise<Html | undefined> {
  if (summary.entries.length === 0) return undefined;
  const deepest = grid.freezePoints.find((point) => point.all);
  const repeats = repeatsOf(grid);
  const lost = new Set(summary.failed.map(({ status }) => status));
  const figure = await supplement.figure(
    'f1',
    (size) => f1Figure(summary, size, summary.baseline),
    'F1 over the last frozen layer',
    html`F1 over the last frozen layer, a line for each learning rate. ${grid.model.numbering ?? 'Layers carry MATLAB’s numbers (the input is 1).'} “None” fine-tunes all layers${
      deepest ? html`, ${deepest.number!} trains the new layer alone` : ''
    }. The ring marks the best point${
      summary.repeated && `; lines are means over ${repeats}, small points single runs, bands ± one standard deviation`
    }${summary.failed.length > 0 && `; × marks a run that ${[...lost].join(' or ')}`}. Dashed: the classifier that always says the commonest class. The axis of F1 covers only the range of the scores.${elsewhere(summary)}`,
  );
  supplement.data(
    'f1',
    [
      'freeze_number',
      'freeze_name',
      'learning_rate',
      'new_layer_rate',
      'momentum',
      'runs',
      'mean_f1',
      'sd_f1',
      'mean_accuracy',
    ],
    summary.entries.map(({ freeze, series, cells, mean, deviation }) => [
      freeze.number,
      pointName(freeze),
      series.learningRate,
      series.newLayerRate,
      series.momentum,
      cells.filter(({ status }) => status === 'done').length,
      mean?.f1,
      deviation?.f1,
      mean?.accuracy,
    ]),
  );
  return section('F1 over the freeze layer', [figure]);
}

function elsewhere({ extraSeries }: GridSummary): string {
  return extraSeries.length > 0 ? ' Rates tried at one freeze point only stand in the table of all runs.' : '';
}

const tableScores = [
  ['accuracy', 'Accuracy'],
  ['macroPrecision', 'Macro precision'],
  ['macroRecall', 'Macro recall'],
  ['f1', 'F1'],
  ['meanClassF1', 'Class F1, mean'],
] as const;

const byNewLayersRate = (a: Entry, b: Entry) =>
  a.series.newLayerRate - b.series.newLayerRate || (b.series.momentum ?? 0) - (a.series.momentum ?? 0);

/** The best and the extreme cells: the rows of the paper's Table I. */
export function extremesSection({ grid, summary, supplement }: Part): Html | undefined {
  const { best, none, all } = paperTable(summary);
  const groups: [string, readonly Entry[]][] = [
    ['Best freeze layer at each rate', best],
    ['No layer frozen', none],
    ['All layers frozen but the new one, by its rate', all.toSorted(byNewLayersRate)],
  ];
  if (summary.entries.length === 0) return undefined;
  const showNewRate = summary.entries.some((entry) => entry.series.newLayerRate !== entry.series.learningRate);
  const showMomentum = summary.entries.some(({ series }) => series.momentum !== undefined);
  const columns = 7 + (showNewRate ? 1 : 0) + (showMomentum ? 1 : 0);
  const cell = (entry: Entry, key: (typeof tableScores)[number][0]): string => {
    const shown = key === 'accuracy' ? percent : score;
    return shown(entry.mean![key]) + (entry.deviation ? ` ± ${shown(entry.deviation[key])}` : '');
  };
  const row = (entry: Entry, ties: readonly Entry[] = []): Html => {
    const equal =
      ties.length > 0 && html`<small>equal: ${ties.map(({ freeze }) => freezeLabel(freeze)).join(', ')}</small>`;
    const start = html`<th scope="row">${freezeLabel(entry.freeze)}${equal}</th><td>${
      summary.extraSeries.includes(entry.series) && entry.freeze.all ? '–' : rate(entry.series.learningRate)
    }</td>${showNewRate && html`<td>${rate(entry.series.newLayerRate)}</td>`}${
      showMomentum && html`<td>${entry.series.momentum}</td>`
    }`;
    if (!entry.mean) return html`<tr>${start}<td class="failed text" colspan="5">${lostWord(entry)}</td></tr>`;
    return html`<tr${entry === summary.best && html` class="best"`}>${start}${tableScores.map(([key]) => html`<td>${cell(entry, key)}</td>`)}</tr>`;
  };
  const shown = groups.filter(([, entries]) => entries.length > 0);
  const number = supplement.table(
    'best-and-extreme',
    [
      'group',
      'freeze_number',
      'freeze_name',
      'learning_rate',
      'new_layer_rate',
      'momentum',
      ...tableScores.map(([key]) => key),
    ],
    shown.flatMap(([name, entries]) =>
      entries.map(({ freeze, series, mean }) => [
        name,
        freeze.number,
        pointName(freeze),
        series.learningRate,
        series.newLayerRate,
        series.momentum,
        ...tableScores.map(([key]) => mean?.[key]),
      ]),
    ),
  );
  const bodies = shown.map(
    ([name, entries]) =>
      html`<tbody><tr class="group"><th class="text" scope="rowgroup" colspan="${columns}">${name}</th></tr>${entries.map((entry) => row(entry, entries === best && entry.mean ? asGoodAs(summary, entry) : []))}</tbody>`,
  );
  return section(
    'Best and extreme cells',
    [
      html`<p class="caption"><b>Table ${number}.</b> The best freeze layer at each learning rate, with those whose scores are equal, and the two extremes, on ${plural(grid.dataset.test, 'test image')}. F1 is the harmonic mean of macro precision and macro recall; the last column, for comparison with other tools, is the mean of each class’s F1.${
        summary.repeated && ` Means over ${repeatsOf(grid)} ± standard deviation.`
      } The best cell of all is bold.${
        summary.best?.mean && summary.best.mean.f1 <= summary.baseline.f1 + 1e-12
          ? ` It does not beat the classifier that always says ${summary.baseline.label} (F1 ${score(summary.baseline.f1)}).`
          : ''
      }</p>
`,
      scroll(html`<table class="ruled wide${summary.repeated && ' dense'}">
<thead><tr><th class="text" scope="col">Last frozen layer</th><th scope="col">Learning rate</th>${
        showNewRate && html`<th scope="col">New layer’s rate</th>`
      }${showMomentum && html`<th scope="col">Momentum</th>`}${tableScores.map(([, title]) => html`<th scope="col">${title}</th>`)}</tr></thead>
${bodies}
</table>`),
    ],
    shown.reduce((sum, [, entries]) => sum + entries.length, 0) <= 20,
  );
}

/** Freeze points by rates, shaded. */
export function gridSection({ summary, supplement, grid }: Part): Html | undefined {
  if (summary.entries.length === 0) return undefined;
  const scores = summary.entries.flatMap((entry) => (entry.mean ? [entry.mean.f1] : []));
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const cell = (entry: Entry | undefined): Html => {
    if (entry === undefined) return html`<td style="--share:0">–</td>`;
    if (entry.mean === undefined) return html`<td class="failed">${lostWord(entry)}</td>`;
    const share = high > low ? Math.round((55 * (entry.mean.f1 - low)) / (high - low)) : 25;
    const partly = entry.cells.filter((c) => c.status !== 'done').length;
    const below = entry.mean.f1 <= summary.baseline.f1 + 1e-12;
    return html`<td style="--share:${share}"${entry === summary.best && html` class="best"`}>${score(entry.mean.f1)}${below && ' ▽'}<small>${percent(entry.mean.accuracy)}${partly > 0 && `, ${partly} lost`}</small></td>`;
  };
  const rows = summary.freezePoints.map(
    (freeze) =>
      html`<tr><th scope="row">${freezeLabel(freeze)}</th>${summary.series.map((s) => cell(entryAt(summary, freeze, s)))}</tr>`,
  );
  const number = supplement.table(
    'grid',
    ['freeze_number', 'freeze_name', ...summary.series.map(({ label }) => label)],
    summary.freezePoints.map((freeze) => [
      freeze.number,
      pointName(freeze),
      ...summary.series.map((s) => entryAt(summary, freeze, s)?.mean?.f1),
    ]),
  );
  return section(
    'The whole grid',
    [
      html`<p class="caption"><b>Table ${number}.</b> F1${summary.repeated && ` (mean over ${repeatsOf(grid)})`} and, below it, accuracy; rows are last frozen layers, columns learning rates. The stronger the blue, the better; the best is framed. ▽: not above the classifier that always says ${summary.baseline.label} (${score(summary.baseline.f1)}).${elsewhere(summary)}</p>
`,
      scroll(html`<table class="heat wide">
<thead><tr><th></th>${summary.series.map((s) => html`<th scope="col">${s.label}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table>`),
    ],
    true,
  );
}
