/** What `bench selection` says of its measurements. */
import {
  decisionSummaries,
  estimateSummaries,
  GOOD,
  type MeasuredChoice,
  type MeasuredLayer,
  type Miss,
  summaryOf,
  worstLayers,
} from '../bench/regret.ts';
import { plural } from '../report/format.ts';
import { milliseconds, percentText } from './bench-options.ts';

/** How much more time it takes: '4 %'. */
const more = (ratio: number) => (Number.isFinite(ratio) ? percentText(Math.max(0, ratio - 1)) : 'wrong');

const operatorsOf = (layers: readonly MeasuredLayer[]) => [...new Set(layers.map(({ operator }) => operator))];

/** A sentence or two for all layers, and one for each operator where there are several. */
export function summaryText(layers: readonly MeasuredLayer[]): string {
  const operators = operatorsOf(layers);
  const lineOf = (some: readonly MeasuredLayer[], who: string) => {
    const { layers: count, good, plainGood, ratios, milliseconds: sums } = summaryOf(some);
    const times = `all steps: chosen ${milliseconds(sums.chosen)} ms, best ${milliseconds(sums.best)}, plain ${milliseconds(sums.plain)}`;
    const regret = `half of the layers take at most ${more(ratios.half)} longer than the best, nine tenths ${more(ratios.nineTenths)}, the worst ${more(ratios.worst)}`;
    return `${who}: ${good} of ${count} layers (${percentText(good / count)}) are within ${percentText(GOOD - 1)} of the best; with plain algorithms ${plainGood}\n  ${regret}\n  ${times}`;
  };
  const each = operators.map((one) =>
    lineOf(
      layers.filter(({ operator }) => operator === one),
      one,
    ),
  );
  return (operators.length > 1 ? [lineOf(layers, 'all'), ...each] : each).join('\n');
}

const missText = ({ chosen, best, cases, milliseconds: times }: Miss) =>
  `${cases} x ${chosen} for ${best} (${more(times.chosen / times.best)})`;

/** A row for each decision. */
export async function decisionTable(layers: readonly MeasuredLayer[]): Promise<string> {
  const table = await newTable([
    'decision',
    'cases',
    'good',
    'chosen, ms',
    'best, ms',
    'plain, ms',
    'what is not good',
  ]);
  for (const { purpose, cases, good, milliseconds: times, misses } of decisionSummaries(layers)) {
    const [chosen, best, plain] = [times.chosen, times.best, times.plain].map(milliseconds);
    table.push([purpose, cases, good, chosen, best, plain, misses.map(missText).join('\n')]);
  }
  return table.toString();
}

const choiceText = ({ purpose, chosen, best, milliseconds: times, settled }: MeasuredChoice, operator: string) => {
  const what = `${purpose.slice(operator.length + 1)}: ${chosen} ${milliseconds(times.chosen)}${settled ? '' : ' ~'}`;
  return chosen === best ? what : `${what}, best ${best} ${milliseconds(times.best)}`;
};

/** The worst layers, with what was chosen and what was best, in milliseconds. */
export async function worstTable(layers: readonly MeasuredLayer[], count: number): Promise<string> {
  const table = await newTable(['layer', 'longer', 'chosen, ms']);
  for (const { name, ratio, operator, choices } of worstLayers(layers, count)) {
    table.push([name, more(ratio), choices.map((one) => choiceText(one, operator)).join('\n')]);
  }
  return table.toString();
}

/** How estimates stand to times: 1 is right, 2 is twice too long. */
export async function estimateTable(layers: readonly MeasuredLayer[]): Promise<string> {
  const table = await newTable(['decision', 'algorithm', 'cases', 'a tenth', 'half', 'nine tenths']);
  for (const { purpose, algorithm, cases, tenth, half, nineTenths } of estimateSummaries(layers)) {
    table.push([purpose, algorithm, cases, ...[tenth, half, nineTenths].map((ratio) => ratio.toFixed(2))]);
  }
  return `${table.toString()}\nestimate over time: so great a share of the cases is at or below`;
}

async function newTable(head: string[]) {
  const { default: Table } = await import('cli-table3');
  return new Table({ head, style: { head: [], border: [], compact: true } });
}

/** What was left out. */
export const leftText = (left: number) =>
  `${plural(left, 'layer')} ${left === 1 ? 'was' : 'were'} not begun before --stop-after`;
