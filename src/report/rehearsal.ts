/** What a grid will do, before it does: cells, arithmetic, time. */
import Table from 'cli-table3';
import type { Rehearsal } from '../train/rehearsal.ts';
import { duration, plural } from './format.ts';

export function rehearsalText({ cells, steps, work, seconds }: Rehearsal): string {
  const table = new Table({
    head: ['cell', 'arithmetic', 'about'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const total = cells.reduce((sum, { cost }, i) => sum + cost * steps[i], 0);
  for (const [i, { label, cost }] of cells.entries()) {
    table.push([label, amount((work * cost * steps[i]) / total), duration(Math.ceil(seconds[i]))]);
  }
  const sum = seconds.reduce((a, b) => a + b, 0);
  return [
    table.toString(),
    `${plural(cells.length, 'cell')}, ${plural(
      steps.reduce((a, b) => a + b, 0),
      'step',
    )}, ${amount(work)} multiply-adds, about ${duration(Math.ceil(sum))} on this adapter`,
    'reckoned from timed steps of the cheapest and the costliest cell; without decoding and compiling, and as if every',
    'cell ran its frozen layers itself: cells of a split and seed share them, so it takes less',
  ].join('\n');
}

/** 1.2 T of multiply-adds. */
function amount(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  return `${(value / 1000 ** power).toPrecision(3)} ${units[power]}`.trim();
}
