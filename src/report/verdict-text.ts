/** A verdict for the terminal: the sentence, each point with its interval, and the pairs that can be told apart. */
import Table from 'cli-table3';
import type { Verdict } from '../statistics/verdict.ts';
import { percent, plural, score } from './format.ts';

export function verdictText(verdict: Verdict): string {
  const { points, set, wins, counts, scoreTitle, level } = verdict;
  const table = new Table({
    head: ['', 'point', scoreTitle, `${percent(level, 0)} interval`, 'wins', 'p'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { point, score: value, interval, p } of points) {
    table.push([
      set.includes(point) ? '*' : '',
      point,
      score(value),
      interval.map(score).join(' to '),
      percent(wins[point], 0),
      probability(p),
    ]);
  }
  const told = verdict.pairs.filter(({ pCorrected }) => pCorrected < 1 - level).length;
  const units = counts.units < counts.images ? `${plural(counts.units, 'group')} of ` : '';
  const over = { splits: 'images and splits', seeds: 'images and seeds', 'images alone': 'images alone' }[verdict.over];
  return [
    verdict.sentence,
    table.toString(),
    `* cannot be told from the best (p: as good as the best, against all others at once)`,
    `  ${units}${plural(counts.images, 'image')}, ${plural(counts.splits, 'split')}, ${plural(counts.runs, 'run')} of each point; drawn anew: ${over}`,
    `  ${told} of ${plural(verdict.pairs.length, 'pair')} can be told apart after Holm's correction (--json has them all)`,
  ].join('\n');
}

/** 0 is not shown: a finite number of draws knows no such thing. */
const probability = (p: number) => (p < 0.001 ? '< 0.001' : p.toFixed(3));
