/**
 * The report as one HTML file that needs nothing else: no script, no font, no network. Written to be read as the
 * supplement of a paper: what was run, Figure 1 (the paper's Figure 6), Table 1 (its Table I), then every cell.
 */
import type { ConfusionMatrix, Metrics } from '../train/metrics.ts';
import type { CellResult, FreezePoint, GridResult } from '../train/results.ts';
import { f1Figure, lossFigure } from './figures.ts';
import {
  duration,
  percent as formatPercent,
  freezeLabel,
  freezePhrase,
  integer,
  plural,
  rate,
  score,
} from './format.ts';
import { type Content, Html, html } from './markup.ts';
import { date, page, twoSizes } from './page.ts';
import { type Entry, entryAt, type GridSummary, paperTable, summarise } from './summary.ts';

/** The whole report as HTML text. */
export async function reportHtml(grid: GridResult): Promise<string> {
  const summary = summarise(grid);
  const sections = [
    heading(grid, summary),
    await f1Section(grid, summary),
    paperSection(grid, summary),
    overviewSection(summary),
    await lossSection(grid, summary),
    confusionSection(grid, summary),
    everyCellSection(grid, summary),
    settingsSection(grid),
    methodSection(grid, summary),
  ];
  const footer = html`Made by frostline ${grid.frostlineVersion} on ${date(grid.startedAt)}. The numbers of every cell are in results.csv and results.json beside this file.`;
  return page({ title: grid.title, version: grid.frostlineVersion, sections, footer });
}

function heading(grid: GridResult, summary: GridSummary): Html {
  const { model, dataset, adapters } = grid;
  const notes = [
    model.note && html`<p><b>Pretraining.</b> ${model.note}</p>`,
    dataset.note && html`<p><b>Images.</b> ${dataset.note}</p>`,
  ].filter(Boolean);
  const counts = dataset.classes.map(
    (name, c) => `${name} ${dataset.counts.train[c] ?? 0} + ${dataset.counts.test[c] ?? 0}`,
  );
  return html`<header>
<p class="kicker">Fine-tuning with frozen layers · ${date(grid.startedAt)}</p>
<h1>${grid.title}</h1>
<p class="lead">${verdict(grid, summary)}</p>
${summary.best && freezeStrip(grid, summary.best.freeze)}
${notes.length > 0 && html`<div class="notes">${notes}</div>`}
<dl class="facts">
<dt>Model</dt><dd>${model.name}, ${integer(model.parameters)} parameters, from ${model.source}${
    model.sha256 && html`<br><small>sha256 ${model.sha256}</small>`
  }</dd>
<dt>Data</dt><dd>${dataset.name}: ${integer(dataset.train)} training + ${plural(dataset.test, 'test image')} (${counts.join(', ')})</dd>
<dt>${adapters.length > 1 ? 'Adapters' : 'Adapter'}</dt><dd>${adapters
    .map(({ name, kind, driver }) => `${name} (${kind}${driver && `, ${driver}`})`)
    .join('; ')}</dd>
<dt>Runs</dt><dd>${runs(grid, summary)}</dd>
</dl>
</header>`;
}

function verdict(grid: GridResult, { best, repeated }: GridSummary): Html {
  if (best?.mean === undefined) return html`No cell of this grid finished, so there is nothing to score.`;
  const interval = best.cells.length === 1 && best.cells[0].metrics?.accuracyInterval;
  return html`The best ${repeated ? 'mean F1' : 'F1'}, <strong>${score(best.mean.f1)}</strong> at an accuracy of ${percent(best.mean.accuracy)}${
    interval &&
    ` (95 % interval ${percent(interval[0])} to ${percent(interval[1])}, ${plural(grid.dataset.test, 'test image')})`
  }, came with <strong>${freezePhrase(best.freeze)}</strong> and a learning rate of ${best.series.label}.`;
}

function runs(grid: GridResult, { series, extraSeries, done, failed, repeated }: GridSummary): string {
  const seeds = [...new Set(grid.cells.map((cell) => cell.seed))].sort((a, b) => a - b);
  const shape = `${plural(grid.freezePoints.length, 'freeze point')} × ${plural(series.length, 'rate')}${
    extraSeries.length > 0 ? ` + ${plural(extraSeries.length, 'rate')} at one point` : ''
  }`;
  const seedText = repeated ? `, seeds ${seeds.join(', ')}` : `, seed ${seeds.join(', ')}`;
  const failures = failed.length === 0 ? '' : `, ${failed.length} failed`;
  return `${shape}${seedText}: ${done.length} of ${plural(grid.cells.length, 'cell')} done in ${duration(grid.seconds)}${failures}`;
}

/** The learnable layers from the input to the output, cold up to the frost line. */
function freezeStrip(grid: GridResult, freeze: FreezePoint): Html {
  const layers = grid.freezePoints.filter((point) => point.number !== null);
  if (layers.length === 0) return html``;
  const boxes = layers.map((layer) => {
    const cold = freeze.number !== null && layer.number! <= freeze.number;
    return html`<span class="${cold ? 'cold' : 'warm'}"><b>${layer.number!}</b><small>${layer.name}</small></span>`;
  });
  return html`<div class="strip" role="img" aria-label="Layers of the best cell: ${freezePhrase(freeze)}">${boxes}<span class="fresh"><b>new</b><small>head</small></span></div>
<p class="caption sans">The best cell, input to output: <span class="key" style="--c:#0072b2">frozen</span>, <span class="key" style="--c:#b84f00">fine-tuned</span>, <span class="key" style="--c:#00775a">new layer, trained from random weights</span>.</p>`;
}

async function f1Section(grid: GridResult, summary: GridSummary): Promise<Html> {
  if (summary.entries.length === 0) return html``;
  const deepest = grid.freezePoints.find((point) => point.all);
  const caption = html`<b>Figure 1.</b> F1 over the last frozen layer, a line for each learning rate. Layers carry MATLAB's numbers (the input is 1); “none” fine-tunes all layers${
    deepest ? html`, ${deepest.number!} trains the new layer alone` : ''
  }. The ring marks the best point${summary.repeated && '; points are means over seeds, bars reach from the lowest to the highest seed'}${
    summary.failed.length > 0 && '; × marks a cell that failed'
  }. The axis of F1 covers only the range of the scores.${elsewhere(summary)}`;
  return html`<section><h2>F1 over the freeze layer</h2>
${await twoSizes((size) => f1Figure(summary, size), 'F1 over the last frozen layer', caption)}</section>`;
}

async function lossSection(grid: GridResult, summary: GridSummary): Promise<Html> {
  const caption = html`<b>Figure 2.</b> Training loss (cross-entropy, mean of the mini-batch) over the update steps, a panel for each last frozen layer; each point is a mean over neighbouring steps. Losses above the axis are cut off.`;
  const figure = await twoSizes((size) => lossFigure(grid, summary, size), 'Training loss over steps', caption);
  return html`${figure && html`<section><h2>Training loss</h2>${figure}</section>`}`;
}

function elsewhere({ extraSeries }: GridSummary): string {
  return extraSeries.length > 0 ? ' Rates tried at one freeze point only stand in Table 3.' : '';
}

function paperSection(grid: GridResult, summary: GridSummary): Html {
  const { best, none, all } = paperTable(summary);
  const groups: [string, readonly Entry[]][] = [
    ['Best freeze layer at each rate', best],
    ['No layer frozen', none],
    ['All layers frozen but the new one', all],
  ];
  const showNewRate = summary.entries.some((entry) => entry.series.newLayerRate !== entry.series.learningRate);
  const columns = showNewRate ? 8 : 7;
  const row = (entry: Entry): Html => {
    const start = html`<th scope="row">${freezeLabel(entry.freeze)}</th><td>${rate(entry.series.learningRate)}</td>${
      showNewRate && html`<td>${rate(entry.series.newLayerRate)}</td>`
    }`;
    if (!entry.mean) return html`<tr>${start}<td class="failed text" colspan="5">failed: ${errorOf(entry)}</td></tr>`;
    const spread = (key: 'macroPrecision' | 'macroRecall' | 'f1' | 'meanClassF1'): string =>
      score(entry.mean![key]) + (entry.deviation ? ` ± ${score(entry.deviation[key])}` : '');
    const accuracy = percent(entry.mean.accuracy) + (entry.deviation ? ` ± ${percent(entry.deviation.accuracy)}` : '');
    return html`<tr${entry === summary.best && html` class="best"`}>${start}<td>${accuracy}</td><td>${spread('macroPrecision')}</td><td>${spread('macroRecall')}</td><td>${spread('f1')}</td><td>${spread('meanClassF1')}</td></tr>`;
  };
  const bodies = groups
    .filter(([, entries]) => entries.length > 0)
    .map(
      ([name, entries]) =>
        html`<tbody><tr class="group"><th class="text" scope="rowgroup" colspan="${columns}">${name}</th></tr>${entries.map(row)}</tbody>`,
    );
  return html`<section><h2>Best and extreme cells</h2>
<p class="caption"><b>Table 1.</b> The best freeze layer at each learning rate, and the two extremes, on ${plural(grid.dataset.test, 'test image')}. F1 is the harmonic mean of macro precision and macro recall; the last column, for comparison with other tools, is the mean of each class’s F1.${
    summary.repeated && ' Means over seeds ± standard deviation.'
  } The best cell of all is bold.</p>
<div class="scroll" tabindex="0"><table class="ruled wide${summary.repeated && ' dense'}">
<thead><tr><th class="text" scope="col">Last frozen layer</th><th scope="col">Learning rate</th>${
    showNewRate && html`<th scope="col">New layer’s rate</th>`
  }<th scope="col">Accuracy</th><th scope="col">Macro precision</th><th scope="col">Macro recall</th><th scope="col">F1</th><th scope="col">Class F1, mean</th></tr></thead>
${bodies}
</table></div></section>`;
}

function overviewSection(summary: GridSummary): Html {
  const scores = summary.entries.flatMap((entry) => (entry.mean ? [entry.mean.f1] : []));
  const low = Math.min(...scores);
  const high = Math.max(...scores);
  const cell = (entry: Entry | undefined): Html => {
    if (entry === undefined) return html`<td style="--share:0">–</td>`;
    if (entry.mean === undefined) return html`<td class="failed" title="${errorOf(entry)}">failed</td>`;
    const share = high > low ? Math.round((55 * (entry.mean.f1 - low)) / (high - low)) : 25;
    const partly = entry.cells.filter((c) => c.status === 'failed').length;
    return html`<td style="--share:${share}"${entry === summary.best && html` class="best"`}>${score(entry.mean.f1)}<small>${percent(entry.mean.accuracy)}${partly > 0 && `, ${partly} failed`}</small></td>`;
  };
  const rows = summary.freezePoints.map(
    (freeze) =>
      html`<tr><th scope="row">${freezeLabel(freeze)}</th>${summary.series.map((s) => cell(entryAt(summary, freeze, s)))}</tr>`,
  );
  return html`<section><h2>The whole grid</h2>
<p class="caption"><b>Table 2.</b> F1${summary.repeated && ' (mean over seeds)'} and, below it, accuracy; rows are last frozen layers, columns learning rates. The stronger the blue, the better; the best is framed.${elsewhere(summary)}</p>
<div class="scroll" tabindex="0"><table class="heat wide">
<thead><tr><th></th>${summary.series.map((s) => html`<th scope="col">${s.label}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div></section>`;
}

function confusionSection(grid: GridResult, summary: GridSummary): Html {
  const { classes } = grid.dataset;
  // Names fit over the columns of a small matrix; a large one gets numbers and a key.
  const numbered = classes.length > 4;
  const key = numbered
    ? html`<p class="caption">Classes: ${classes.map((name, c) => `${c + 1} ${name}`).join(', ')}.</p>`
    : '';
  const open = grid.cells.length <= 60 && classes.length <= 12;
  const groups = summary.freezePoints.map((freeze) => {
    const entries = summary.entries.filter((entry) => entry.freeze.number === freeze.number);
    if (entries.length === 0) return html``;
    const cards = entries.flatMap((entry) =>
      entry.cells.map((cell) => {
        const title = `${entry.series.label}${summary.repeated ? ` · seed ${cell.seed}` : ''}`;
        return html`<div class="card${entry === summary.best && ' best'}"><h4>${title}${
          cell.metrics && html`<span>F1 ${score(cell.metrics.f1)}</span>`
        }</h4>${
          cell.confusion
            ? matrixTable(cell.confusion, numbered ? classes.map((_, c) => String(c + 1)) : classes)
            : html`<p class="failed">Failed: ${cell.error ?? 'no reason was recorded'}</p>`
        }</div>`;
      }),
    );
    const least = `${Math.max(10, classes.length * 2.4 + 5)}rem`;
    return html`<details${open && new Html(' open')}><summary>${freezeLabel(freeze)} <span>${freeze.number === null ? 'frozen' : 'last frozen layer'}</span></summary><div class="cards" style="--least:min(100%,${least})">${cards}</div></details>`;
  });
  return html`<section><h2>Confusion matrices</h2>
<p class="caption">Of the ${plural(grid.dataset.test, 'test image')}, by learning rate. Rows are true classes, columns predicted ones; shades are shares of the row, <span class="key" style="--c:var(--ice)">right</span> and <span class="key" style="--c:var(--ember)">wrong</span>.</p>${key}
${groups}</section>`;
}

function matrixTable(confusion: ConfusionMatrix, names: readonly string[]): Html {
  const head = names.map((name) => html`<th scope="col" title="${name}">${name}</th>`);
  const rows = confusion.map((row, r) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    const cells = row.map(
      (count, c) =>
        html`<td class="${r === c ? 'hit' : 'miss'}" style="--share:${Math.round((100 * count) / total)}">${count}</td>`,
    );
    return html`<tr><th scope="row" title="${names[r]}">${names[r]}</th>${cells}</tr>`;
  });
  return html`<table class="matrix"><thead><tr><th></th>${head}</tr></thead><tbody>${rows}</tbody></table>`;
}

function everyCellSection(grid: GridResult, summary: GridSummary): Html {
  const columns: [string, (cell: CellResult, metrics: Metrics) => Content][] = [
    ['Accuracy', (_, m) => percent(m.accuracy)],
    ['95 % interval', (_, m) => `${percent(m.accuracyInterval[0])} – ${percent(m.accuracyInterval[1])}`],
    ['Precision', (_, m) => score(m.macroPrecision)],
    ['Recall', (_, m) => score(m.macroRecall)],
    ['F1', (_, m) => score(m.f1)],
    ['Class F1', (_, m) => score(m.meanClassF1)],
    ['Training accuracy', (c) => (c.trainAccuracy === undefined ? '–' : percent(c.trainAccuracy))],
    ['Final loss', (c) => (c.finalLoss === undefined ? '–' : c.finalLoss.toPrecision(3))],
    ['Steps', (c) => integer(c.steps)],
    ['Time', (c) => duration(c.seconds)],
  ];
  const bodies = summary.freezePoints.map((freeze) => {
    const rows = summary.entries
      .filter((entry) => entry.freeze.number === freeze.number)
      .flatMap((entry) =>
        entry.cells.map((cell) => {
          const start = html`<th scope="row">${freezeLabel(freeze)}</th><td>${entry.series.label}</td>${
            summary.repeated && html`<td>${cell.seed}</td>`
          }`;
          const { metrics } = cell;
          const rest =
            cell.status === 'done' && metrics
              ? columns.map(([, value]) => html`<td>${value(cell, metrics)}</td>`)
              : html`<td class="failed wrap" colspan="${columns.length}">Failed after ${plural(cell.steps, 'step')}: ${cell.error ?? 'no reason was recorded'}</td>`;
          return html`<tr>${start}${rest}</tr>`;
        }),
      );
    return rows.length > 0 && html`<tbody>${rows}</tbody>`;
  });
  return html`<section><h2>Every cell</h2>
<p class="caption"><b>Table 3.</b> All ${plural(grid.cells.length, 'run')}. Precision and recall are macro averages; the interval is Wilson’s for the accuracy.</p>
<div class="scroll" tabindex="0"><table class="ruled wide dense">
<thead><tr><th class="text" scope="col">Last frozen</th><th scope="col">Rate</th>${
    summary.repeated && html`<th scope="col">Seed</th>`
  }${columns.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
${bodies}
</table></div></section>`;
}

function settingsSection(grid: GridResult): Html {
  const rows = flatten(grid.settings).map(
    ([key, value]) => html`<tr><th class="text" scope="row">${key}</th><td class="wrap">${value}</td></tr>`,
  );
  if (rows.length === 0) return html``;
  return html`<section><h2>Settings</h2>
<p class="caption"><b>Table 4.</b> The configuration as used.</p>
<div class="scroll" tabindex="0"><table class="ruled lines">
<thead><tr><th class="text" scope="col">Setting</th><th class="text" scope="col">Value</th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}

function methodSection(grid: GridResult, summary: GridSummary): Html {
  const step = percent(1 / grid.dataset.test);
  return html`<section><h2>How to read the scores</h2>
<p>Precision and recall are computed for each class and averaged without weights; F1 is the harmonic mean of the two averages. A class that is never predicted has precision 1 (0/0 = 1). This is the convention of Barburiceanu, Miclea and Terebes, whose experiment this grid repeats.</p>
<p>All cells share one split. With ${plural(grid.dataset.test, 'test image')} a single image moves the accuracy by ${step}, so small differences between cells are within chance. The best cell is picked on the test images themselves, as in the paper, which makes its score an optimistic estimate for new images.${
    summary.repeated ? '' : ' Other seeds would give other numbers; run several to see how far they spread.'
  }</p></section>`;
}

/** A percentage that no line break parts from its sign. */
function percent(fraction: number): string {
  return formatPercent(fraction).replace(' ', '\u00a0');
}

function errorOf(entry: Entry): string {
  return entry.cells.find((cell) => cell.error)?.error ?? 'no reason was recorded';
}

/** Nested settings as dotted keys with short values. */
function flatten(value: Readonly<Record<string, unknown>>, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, v]): [string, string][] => {
    if (v !== null && typeof v === 'object' && !Array.isArray(v)) {
      return flatten(v as Record<string, unknown>, `${prefix}${key}.`);
    }
    if (v === undefined) return [];
    const list = Array.isArray(v) && v.every((item) => item === null || typeof item !== 'object');
    const text = list ? v.map(settingText).join(', ') : settingText(v);
    return [[prefix + key, text]];
  });
}

function settingText(value: unknown): string {
  if (typeof value === 'number') return rate(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
