/** The grid as a table for the terminal. */
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { visibleStrings } from '../text.ts';
import type { GridResult } from '../train/results.ts';
import { duration, freezeLabel, freezePhrase, integer, percent, plural, rate, score } from './format.ts';
import { constantCells, type Entry, entryAt, type GridSummary, summarise } from './summary.ts';

export interface TerminalOptions {
  /** Width of the terminal; 80 where it is not one. */
  readonly columns?: number;
  /** The default follows NO_COLOR, FORCE_COLOR and whether standard output is a terminal. */
  readonly color?: boolean;
}

type Colors = ReturnType<typeof picocolors.createColors>;

/**
 * F1 and accuracy: rows are freeze points, columns learning rates, the best marked by an asterisk; then the failures
 * and a summary line. Where the columns do not fit, each cell gets a line of its own.
 */
export function terminalTable(result: GridResult, options: TerminalOptions = {}): string {
  // The colours that are printed are ours alone.
  const grid = visibleStrings(result);
  const columns = options.columns ?? process.stdout.columns ?? 80;
  const colors = picocolors.createColors(options.color ?? picocolors.isColorSupported);
  const summary = summarise(grid);
  const wide = crossTable(summary, colors);
  const table = widthOf(wide) <= columns ? wide : listTable(summary, colors);
  return [
    table,
    ...extras(summary, colors),
    ...constants(summary),
    ...failures(summary, colors),
    summaryLine(grid, summary, colors),
  ].join('\n');
}

function crossTable(summary: GridSummary, colors: Colors): string {
  const table = newTable(
    ['freeze', ...summary.series.map((series) => `rate ${series.label}`)].map(colors.bold),
    summary.series.length,
  );
  for (const freeze of summary.freezePoints) {
    table.push([
      freezeLabel(freeze),
      ...summary.series.map((series) => cellText(summary, entryAt(summary, freeze, series), colors)),
    ]);
  }
  return table.toString();
}

/** For narrow terminals: no borders, a line for each freeze point and rate. */
function listTable(summary: GridSummary, colors: Colors): string {
  const header = ['freeze', 'rate', 'F1 (accuracy)'];
  const entries = summary.entries.filter((entry) => summary.series.includes(entry.series));
  const rows = entries.map((entry) => [
    freezeLabel(entry.freeze),
    entry.series.label,
    cellText(summary, entry, colors),
  ]);
  const widths = [0, 1].map((c) => Math.max(...[header, ...rows].map((row) => row[c].length)));
  const line = (row: readonly string[]): string =>
    `${row[0].padEnd(widths[0])}  ${row[1].padStart(widths[1])}  ${row[2]}`;
  return [colors.bold(line(header)), ...rows.map(line)].join('\n');
}

function cellText(summary: GridSummary, entry: Entry | undefined, colors: Colors): string {
  if (entry === undefined) return '';
  if (entry.mean === undefined) return `${colors.red('failed')}  `;
  const text = `${score(entry.mean.f1)} (${percent(entry.mean.accuracy)})`;
  const constant = constantCells(entry).length > 0 ? '=' : '';
  if (!summary.tied.includes(entry)) return `${text} ${constant || ' '}`;
  return colors.bold(colors.green(`${text} *${constant}`));
}

/** Rates tried at one freeze point only, which would make a column of blanks; all of that point by the new layer's rate. */
function extras(summary: GridSummary, colors: Colors): string[] {
  const extra = ({ series }: Entry) => summary.extraSeries.includes(series);
  const byNewLayer = summary.entries.some((entry) => entry.freeze.all && extra(entry));
  const text = (entry: Entry) => cellText(summary, entry, colors).trimEnd();
  return summary.entries
    .filter((entry) => extra(entry) || (byNewLayer && entry.freeze.all))
    .map((entry) =>
      extra(entry)
        ? `also ${freezeLabel(entry.freeze)}, rate ${entry.series.label}: ${text(entry)}`
        : `as above, ${freezeLabel(entry.freeze)}, rate ${rate(entry.series.newLayerRate)} of the new layer: ${text(entry)}`,
    );
}

/** What the mark of a constant cell means. */
function constants(summary: GridSummary): string[] {
  const count = summary.entries.reduce((sum, entry) => sum + constantCells(entry).length, 0);
  if (count === 0) return [];
  return [
    `= ${plural(count, 'run')} of ${integer(summary.done.length)} predict one class for every image: a fault of the threshold as often as of the features`,
  ];
}

function failures(summary: GridSummary, colors: Colors): string[] {
  return summary.failed.map(
    (cell) =>
      `${colors.red('failed')} ${freezeLabel(cell.freeze)}, rate ${cell.learningRate}, seed ${cell.seed}: ${cell.error ?? 'no reason was recorded'}`,
  );
}

function summaryLine(grid: GridResult, summary: GridSummary, colors: Colors): string {
  const done = `${summary.done.length} of ${plural(grid.cells.length, 'cell')} done in ${duration(grid.seconds)} on ${grid.adapters.map(({ name, kind }) => `${name} (${kind})`).join(' and ')}`;
  const { best } = summary;
  if (best?.mean === undefined) return `No cell finished; ${done}`;
  const { tied } = summary;
  if (tied.length > 1) {
    const which = tied.map(({ freeze, series }) => `${freezeLabel(freeze)} at ${series.label}`).join('; ');
    const alike = `${tied.length} of ${summary.entries.length} have the best ${summary.repeated ? 'mean F1' : 'F1'}, ${score(best.mean.f1)} (accuracy ${percent(best.mean.accuracy)}): ${which}`;
    return `${colors.bold(`* ${alike}`)}\n  ${done}`;
  }
  const result = `Best ${summary.repeated ? 'mean F1' : 'F1'} ${score(best.mean.f1)} (accuracy ${percent(best.mean.accuracy)}): ${freezePhrase(best.freeze)}, rate ${best.series.label}`;
  return `${colors.bold(`* ${result}`)}\n  ${done}`;
}

function newTable(head: string[], valueColumns: number): InstanceType<typeof Table> {
  return new Table({
    head,
    colAligns: ['left', ...new Array<'right'>(valueColumns).fill('right')],
    style: { head: [], border: [], compact: true },
  });
}

function widthOf(table: string): number {
  const line = table.slice(0, table.indexOf('\n'));
  return line.length;
}
