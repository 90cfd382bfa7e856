/** Probes for the terminal. */
import Table from 'cli-table3';
import type { Probe } from '../train/probe.ts';
import { duration, freezeLabel, percent, plural, score } from './format.ts';

export function probeTable({ points, images, grouped, seconds }: Probe): string {
  const table = new Table({
    head: ['freeze', 'features', 'linear probe, F1 (accuracy)', 'LogME', 'CKA'],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { freeze, shape, linear, logme, cka } of points) {
    const probed = `${score(linear.f1)} (${percent(linear.accuracy)})`;
    table.push([freezeLabel(freeze), shape.join(' x '), probed, score(logme), score(cka)]);
  }
  return [
    table.toString(),
    `${plural(images, 'training image')}, each ${grouped ? 'group ' : ''}predicted by the others; ${duration(seconds)}`,
    'evidence to order a search by, no verdict: fine-tuning changes the layers above the frost line',
  ].join('\n');
}
