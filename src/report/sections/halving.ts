/** What successive halving dropped, and by what. */
import { pointName } from '../../train/results.ts';
import { freezeLabel, percent, plural, rate, score } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';

export function halvingSection({ grid, supplement }: Part): Html | undefined {
  const { halving, dropped = [] } = grid;
  if (halving === undefined) return undefined;
  const { rungs, share } = halving;
  const momenta = rungs[0].arms.some(({ momentum }) => momentum !== rungs[0].arms[0].momentum);
  const number = supplement.table(
    'halving',
    ['epochs', 'freeze_number', 'freeze_name', 'learning_rate', 'new_layer_rate', 'momentum', 'f1', 'loss', 'kept'],
    rungs.flatMap(({ epochs, arms }) =>
      arms.map(({ freeze, learningRate, newLayerRate, momentum, f1, loss, kept }) => [
        ...[epochs, freeze.number, pointName(freeze), learningRate, newLayerRate, momentum],
        ...[f1, loss, kept ? 1 : 0],
      ]),
    ),
  );
  const bodies = rungs.map(
    ({ epochs, arms }) =>
      html`<tbody><tr class="group"><th class="text" scope="rowgroup" colspan="${momenta ? 5 : 4}">After ${plural(epochs, 'epoch')}: ${arms.filter(({ kept }) => kept).length} of ${arms.length} go on</th></tr>${arms.map(
        ({ freeze, learningRate, momentum, f1, kept }) =>
          html`<tr${kept && html` class="best"`}><th scope="row">${freezeLabel(freeze)}</th><td>${rate(learningRate)}</td>${momenta && html`<td>${momentum}</td>`}<td>${f1 === undefined ? 'failed' : score(f1)}</td><td>${kept ? 'goes on' : 'dropped'}</td></tr>`,
      )}</tbody>`,
  );
  return section('What was not trained to the end', [
    html`<p class="caption"><b>Table ${number}.</b> Successive halving: after each rung the better half of points and rates, by the mean F1 of the validation part over all runs, goes on (bold). ${plural(dropped.length, 'cell')} were dropped: the grid took ${percent(share, 0).replace(' ', '\u00a0')} of the full one’s steps. The cells that were trained to the end are the full grid’s, to the bit; the verdict compares those alone, and a point that learns slowly may have been dropped before it showed what it can.</p>
`,
    scroll(
      html`<table class="ruled"><thead><tr><th class="text" scope="col">Last frozen layer</th><th scope="col">Learning rate</th>${momenta && html`<th scope="col">Momentum</th>`}<th scope="col">Validation F1</th><th scope="col"></th></tr></thead>${bodies}</table>`,
    ),
  ]);
}
