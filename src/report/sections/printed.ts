/** The paper's printed tables, ours beside them. */
import { rate } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';
import { type ComparedRow, misfits, type OurScore, printedScores } from '../printed.ts';

const titles = { accuracy: 'Accuracy', precision: 'Precision', recall: 'Recall', f1: 'F1' };

const hundredths = (value: number) => value.toFixed(2).replace('-', '−');
const signed = (value: number) => (value >= 0 ? '+' : '') + hundredths(value);

export function printedSection({ printed, supplement }: Part): Html | undefined {
  if (printed === undefined) return undefined;
  const { rows, counts } = printed;
  const number = supplement.table(
    'printed',
    [
      ...[
        'table',
        'network',
        'point',
        'rate',
        'new_layer_rate',
        'momentum',
        'fitting_matrices',
        'confusion',
        'our_runs',
      ],
      ...printedScores.flatMap((key) => [
        `printed_${key}`,
        `our_${key}`,
        `our_${key}_low`,
        `our_${key}_high`,
        `difference_${key}`,
      ]),
    ],
    rows.map(({ row, fits, ours, runs }) => [
      ...[row.table, row.network, row.point, row.rate, row.newLayerRate, row.momentum],
      ...[fits.length, fits.length === 1 ? JSON.stringify(fits[0]) : undefined, runs],
      ...printedScores.flatMap((key) => [
        row[key],
        ...(ours === undefined
          ? [undefined, undefined, undefined, undefined]
          : [ours[key].value, ...(ours[key].interval ?? [undefined, undefined]), ours[key].difference]),
      ]),
    ]),
  );
  const tables = [...new Set(rows.map(({ row }) => row.table))];
  const odd = misfits(printed);
  const bodies = tables.map((table) => {
    const own = rows.filter(({ row }) => row.table === table).toSorted(byRate);
    return html`<tbody><tr class="group"><th class="text" scope="rowgroup" colspan="7">Table ${table}</th></tr>${own.map(rowOf)}</tbody>`;
  });
  return section('The paper beside us', [
    html`<p class="caption"><b>Table ${number}.</b> In per cent: the printed score, below it ours with its 95 % interval (other images; of several runs the mean of theirs), and the difference in percentage points. The printed rows were typed in by whoever made this report; each was looked for among all confusion matrices of ${counts.join(' + ')} images. ${
      odd.length === 0 ? 'Each fits exactly one.' : html`<b>Not so:</b> ${odd.join('; ')}.`
    }</p>
`,
    scroll(
      html`<table class="ruled wide dense"><thead><tr><th class="text" scope="col">Last frozen layer</th><th scope="col">Rate</th><th scope="col">New layer’s rate</th>${printedScores.map((key) => html`<th scope="col">${titles[key]}</th>`)}</tr></thead>${bodies}</table>`,
    ),
  ]);
}

/** Tables by rate; those that vary the new layer's alone, by that. */
const byRate = ({ row: a }: ComparedRow, { row: b }: ComparedRow) =>
  (a.rate ?? 0) - (b.rate ?? 0) || (a.newLayerRate ?? 0) - (b.newLayerRate ?? 0) || a.line - b.line;

function rowOf({ row, ours, runs }: ComparedRow): Html {
  const score = (key: (typeof printedScores)[number]): Html =>
    html`<td>${hundredths(row[key])}<small>${ours ? oursOf(ours[key]) : 'not run here'}</small></td>`;
  const name = row.network === undefined ? row.point : `${row.network}, ${row.point}`;
  return html`<tr><th scope="row">${name}${runs > 1 && html`<small>${runs} runs</small>`}</th><td>${row.rate === undefined ? '–' : rate(row.rate)}</td><td>${row.newLayerRate === undefined ? '–' : rate(row.newLayerRate)}</td>${printedScores.map(score)}</tr>`;
}

const oursOf = ({ value, interval, difference }: OurScore) =>
  `${hundredths(value)}${interval === undefined ? '' : ` (${interval.map(hundredths).join(' to ')})`}, ${signed(difference)}`;
