/** Every pair of freeze points: who is better by how much, and whether that can be told. */
import type { VerdictPair } from '../../statistics/verdict.ts';
import { percent } from '../format.ts';
import { type Html, html } from '../markup.ts';
import { type Part, scroll, section } from '../part.ts';

export function pairsSection({ grid, supplement }: Part): Html | undefined {
  const { verdict } = grid;
  if (verdict === undefined || verdict.pairs.length === 0) return undefined;
  const { pairs, points, level, scoreTitle } = verdict;
  const number = supplement.table(
    'pairs',
    ['first', 'second', 'difference', 'low', 'high', 'p', 'p_holm', 'split', 'only_first', 'only_second', 'p_mcnemar'],
    pairs.flatMap(({ first, second, difference, interval, p, pCorrected, mcnemar }) =>
      mcnemar.map(({ split, onlyFirst, onlySecond, p: own }) => [
        ...[first, second, difference, ...interval, p, pCorrected],
        ...[split, onlyFirst, onlySecond, own],
      ]),
    ),
  );
  const names = points.map(({ point }) => point);
  const of = (row: string, column: string): (VerdictPair & { readonly sign: 1 | -1 }) | undefined => {
    const pair = pairs.find(({ first, second }) => first === row && second === column);
    if (pair !== undefined) return { ...pair, sign: 1 };
    const turned = pairs.find(({ first, second }) => first === column && second === row);
    return turned && { ...turned, sign: -1 };
  };
  const largest = Math.max(...pairs.map(({ difference }) => Math.abs(difference)), 1e-9);
  const cell = (row: string, column: string): Html => {
    const pair = of(row, column);
    if (pair === undefined) return html`<td class="self">·</td>`;
    const value = pair.sign * pair.difference;
    const told = pair.pCorrected < 1 - level;
    const share = Math.round((70 * Math.abs(value)) / largest);
    const p = pair.pCorrected < 0.001 ? '< 0.001' : pair.pCorrected.toFixed(3);
    return html`<td class="${value >= 0 ? 'up' : 'down'}${told && ' told'}" style="--share:${share}" title="p ${p} after Holm’s correction">${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(2)}<small>${p}</small></td>`;
  };
  const told = pairs.filter(({ pCorrected }) => pCorrected < 1 - level).length;
  return section(
    'Pairwise comparisons',
    [
      html`<p class="caption"><b>Table ${number}.</b> ${scoreTitle} of the row less that of the column, and below it the probability of so large a difference by chance, after Holm’s correction for ${pairs.length} pairs. Bold and framed: can be told apart at ${percent(level, 0).replace(' ', '\u00a0')}; ${told === 0 ? 'here no pair can' : `here ${told} of ${pairs.length}`}. Exact tests of each split (McNemar) are in the table’s file.</p>
`,
      scroll(html`<table class="pairs${names.length > 9 && ' many'}"><thead><tr><th></th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${names.map((row) => html`<tr><th scope="row">${row}</th>${names.map((column) => cell(row, column))}</tr>`)}</tbody></table>`),
    ],
    names.length <= 16,
  );
}
