/** The table of `bench kernels`: a row a kernel run. */
import Table from 'cli-table3';
import { inStepText } from '../bench/in-step.ts';
import type { KernelRow } from '../bench/kernels.ts';
import type { Timing } from '../bench/statistics.ts';
import { choiceText } from '../kernels/kernel.ts';
import { percentText, timeText } from './bench-options.ts';

interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
  readonly cell: (row: KernelRow) => string | number;
}

const left = (head: string, cell: Column['cell']): Column => ({ head, align: 'left', cell });
const right = (head: string, cell: Column['cell']): Column => ({ head, align: 'right', cell });

const VERIFIED = { plain: 'is plain', device: 'yes', host: 'sampled' };

const COLUMNS: readonly Column[] = [
  left('network', ({ network }) => network),
  right('batch', ({ batch }) => batch),
  left('layers', ({ layers }) => layers.join(' ')),
  left('direction', ({ direction }) => direction),
  left('kernel', ({ kernel, choice }) => `${kernel} ${choiceText(choice)}`),
  left('in a step', ({ inStep }) => inStepText(inStep)),
  left('verified', ({ verdict }) => (verdict.passed ? VERIFIED[verdict.against] : 'WRONG')),
  right('ms', ({ timing }) => timeText(timing)),
  right('GFLOP/s', ({ gflops }) => gflops.toFixed(1)),
  right('GB/s', ({ gigabytes }) => gigabytes.toFixed(1)),
  right('of ceiling', ({ share }) => percentText(share)),
];

/** What was timed beside ours, and how many times as long ours takes. */
const besideOurs = (name: string, quotient: string, of: (row: KernelRow) => KernelRow['own']): readonly Column[] => [
  left(`${name}, ms`, (row) => {
    const other = of(row);
    if (other === undefined) return '';
    return other.timing === undefined || !other.verdict.passed ? 'WRONG' : timeText(other.timing);
  }),
  left(quotient, (row) => {
    const other = of(row);
    return other?.timing === undefined || !other.verdict.passed ? '' : timesText(row.timing, other.timing);
  }),
];

const timesText = (ours: Timing, other: Timing) => `${(ours.median / other.median).toFixed(2)} x`;

/** @param own the file of somebody's own text; @param second the name of a second adapter */
export function kernelsTable(
  rows: readonly KernelRow[],
  { besidePlain, own, second }: { besidePlain: boolean; own?: string; second?: string },
): string {
  const columns = [
    ...COLUMNS,
    ...(besidePlain ? [left('plain, ms', ({ plain }) => (plain === undefined ? '' : timeText(plain)))] : []),
    ...(own === undefined ? [] : besideOurs(own, 'ours / it', (row) => row.own)),
    ...(second === undefined ? [] : besideOurs(second.split(',')[0], 'first / it', ({ beside }) => beside)),
  ];
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(columns.map(({ cell }) => cell(row)));
  return table.toString();
}
