/** The head of the report: the verdict in words, the network with its frost line, and what was run. */
import { type FreezePoint, type GridResult, pointName } from '../../train/results.ts';
import { duration, freezePhrase, integer, percent, plural, score } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { date } from '../page.ts';
import { type Part, repeatsOf } from '../part.ts';
import type { GridSummary } from '../summary.ts';

export function heading({ grid, summary }: Part): Html {
  const { model, dataset, adapters } = grid;
  const notes = [
    model.note && html`<p><b>Pretraining.</b> ${model.note}</p>`,
    dataset.note && html`<p><b>Images.</b> ${dataset.note}</p>`,
  ].filter(Boolean);
  const dataNotes = grid.protocol?.data?.notes ?? [];
  const counts = dataset.classes.map(
    (name, c) => `${name} ${dataset.counts.train[c] ?? 0} + ${dataset.counts.test[c] ?? 0}`,
  );
  const pending = grid.pending?.length ?? 0;
  return html`<header>
<p class="kicker">Fine-tuning with frozen layers · ${date(grid.startedAt)}</p>
<h1>${grid.title}</h1>
${
  pending > 0 &&
  html`<p class="unfinished"><b>Not finished:</b> ${grid.cells.length} of ${plural(grid.cells.length + pending, 'cell')} have a result. What follows is of those alone, and will change.</p>`
}
<p class="lead">${verdict(grid, summary)}</p>
${strip(grid, summary)}
${notes.length > 0 && html`<div class="notes">${notes}</div>`}
<dl class="facts">
<dt>Model</dt><dd>${model.name}, ${integer(model.parameters)} parameters, from ${model.source}${
    model.sha256 && html`<br><small>sha256 ${model.sha256}</small>`
  }</dd>
<dt>Data</dt><dd>${dataset.name}: ${integer(dataset.train)} training + ${plural(dataset.test, 'test image')} (${counts.join(', ')})</dd>
${
  dataNotes.length > 0 &&
  html`<dt>Data, as read</dt><dd><small>${dataNotes.map((note) => html`${note}<br>`)}</small></dd>
`
}<dt>${adapters.length > 1 ? 'Adapters' : 'Adapter'}</dt><dd>${
    adapters.length === 0
      ? 'none so far'
      : adapters.map(({ name, kind, driver }) => `${name} (${kind}${driver && `, ${driver}`})`).join('; ')
  }</dd>
<dt>Runs</dt><dd>${runs(grid, summary)}</dd>
</dl>
</header>`;
}

/** In words, and first what a reader must know: that nothing beats the classifier that always says one class. */
function verdict(grid: GridResult, summary: GridSummary): Html {
  const { best, baseline, repeated } = summary;
  if (best?.mean === undefined) {
    return html`No cell of this grid finished${grid.pending?.length ? ' so far' : ''}, so there is nothing to score.`;
  }
  const found = html`The best ${repeated ? 'mean F1' : 'F1'}, <strong>${score(best.mean.f1)}</strong> at an accuracy of ${percent(best.mean.accuracy).replace(' ', '\u00a0')}, came with ${freezePhrase(best.freeze)} and a learning rate of ${best.series.label}.`;
  if (grid.verdict !== undefined) return html`<strong>${grid.verdict.sentence}</strong>`;
  const always = html`the classifier that always says ${baseline.label} (F1 ${score(baseline.f1)})`;
  if (best.mean.f1 <= baseline.f1 + 1e-12) {
    return html`<strong>No cell beats ${always}.</strong> ${found} On this grid no freeze point can be recommended.`;
  }
  return html`${found} It beats ${always}. ${
    summary.done.length > 1 ? 'Without a verdict over complete runs it may be the best by chance.' : ''
  }`;
}

function runs(grid: GridResult, { series, extraSeries, done, failed }: GridSummary): string {
  const shape = `${plural(grid.freezePoints.length, 'freeze point')} × ${plural(series.length, 'rate')}${
    extraSeries.length > 0 ? ` + ${plural(extraSeries.length, 'rate')} at one point` : ''
  }`;
  const repeats = repeatsOf(grid);
  const diverged = failed.filter(({ status }) => status === 'diverged').length;
  const lost = [
    [failed.length - diverged, 'failed'],
    [diverged, 'diverged'],
    [grid.dropped?.length ?? 0, 'dropped'],
    [grid.pending?.length ?? 0, 'to come'],
  ] as const;
  const rest = lost.map(([count, what]) => (count === 0 ? '' : `, ${count} ${what}`)).join('');
  const all = grid.cells.length + (grid.pending?.length ?? 0) + (grid.dropped?.length ?? 0);
  return `${shape}${repeats && ` × ${repeats}`}: ${done.length} of ${plural(all, 'cell')} done in ${duration(grid.seconds)}${rest}`;
}

/** Every learnable layer from the input to the output, cold up to the frost line; a dot under those not told from it. */
function strip(grid: GridResult, { best }: GridSummary): Html {
  if (best === undefined) return html``;
  const judged = grid.verdict && grid.freezePoints.find((one) => pointName(one) === grid.verdict!.best);
  const at: FreezePoint = judged ?? best.freeze;
  // Of blocks and phases no frost line can be drawn.
  if (at.number === null && at.name !== 'none') return html``;
  const known = grid.model.layers ?? grid.freezePoints.filter(({ number }) => number !== null);
  const layers = known.filter((layer) => layer.number !== null);
  if (layers.length === 0) return html``;
  // The last one is the new layer; results of earlier versions do not name it.
  const whole = grid.model.layers !== undefined;
  const [old, fresh] = whole ? [layers.slice(0, -1), layers.at(-1)!] : [layers, undefined];
  const set = new Set(grid.verdict?.set);
  const boxes = old.map((layer) => {
    const cold = at.number !== null && layer.number! <= at.number;
    return html`<span class="${cold ? 'cold' : 'warm'}${set.has(layer.name) && ' in'}"><b>${layer.number!}</b><small>${layer.name}</small></span>`;
  });
  const which = grid.verdict === undefined ? 'The best cell' : 'The point with the highest score';
  return html`<div class="strip" role="img" aria-label="Layers: ${freezePhrase(at)}">${boxes}<span class="fresh"><b>${fresh?.number ?? 'new'}</b><small>${fresh?.name ?? 'head'}</small></span></div>
<p class="caption sans">${which}, input to output: <span class="key" style="--c:#0072b2">frozen</span>, <span class="key" style="--c:#b84f00">fine-tuned</span>, <span class="key" style="--c:#00775a">new layer, trained from random weights</span>.${
    set.size > 1 &&
    html` A bar under a layer: freezing through it cannot be told from the best.${set.has('none') && ' Neither can freezing nothing.'}`
  }${!whole && ' Layers that the grid did not freeze at are not shown.'}</p>`;
}
