/** What a grid will do, before it does: cells, arithmetic, time. */
import Table from 'cli-table3';
import type { Rehearsal } from '../train/rehearsal.ts';
import { duration, plural } from './format.ts';

export function rehearsalText(rehearsal: Rehearsal): string {
  const { cells, steps, multiplyAdds, work, seconds, finished, elsewhere, unkept, halved } = rehearsal;
  const table = new Table({
    head: ['cell', 'arithmetic', 'about'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const [i, { label }] of cells.entries()) {
    table.push([label, amount(multiplyAdds[i]), duration(Math.ceil(seconds[i]))]);
  }
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const left = [
    ...(finished > 0 ? [`${plural(finished, 'cell')} of the grid finished before`] : []),
    ...(elsewhere > 0 ? [`${plural(elsewhere, 'cell')} left to other shards`] : []),
  ];
  return [
    ...(cells.length > 0 ? [table.toString()] : []),
    `${plural(cells.length, 'cell')}, ${plural(sum(steps), 'step')}, ${amount(work)} multiply-adds, about ` +
      `${duration(Math.ceil(sum(seconds)))} on this adapter`,
    'reckoned from timed steps of the cheapest and the costliest kind; without decoding and compiling; what frozen layers',
    'make counts for the first cell that runs them, and for no other that finds it',
    ...left,
    ...(halved ? ['after each rung, a cell counts by the share of points and rates that goes on'] : []),
    ...(unkept.cells > 0
      ? [
          `${amount(unkept.multiplyAdds)} of it, in ${plural(unkept.cells, 'cell')}, for want of memory: of what frozen layers ` +
            'make, a gibibyte is kept',
        ]
      : []),
  ].join('\n');
}

/** 1.2 T of multiply-adds. */
function amount(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return `${(value / 1000 ** power).toPrecision(3)} ${units[power]}`.trim();
}
