/**
 * A paper's printed rows beside a grid's. The rows are typed by whoever has the paper, in per cent with two decimals; of
 * each it is asked which confusion matrices of the paper's test part round to it. One that fits exactly one is a row as it
 * was computed; one that fits none has a misprint, another rounding or another test part; both are named.
 */
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { FrostlineError } from '../errors.ts';
import { confusionScores } from '../statistics/scores.ts';
import { unguarded } from '../text.ts';
import { type ConfusionMatrix, computeMetrics } from '../train/metrics.ts';
import type { CellResult, GridResult } from '../train/results.ts';
import { rate } from './format.ts';

/** What is printed of a row, in per cent. */
export interface PrintedScores {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export const printedScores = ['accuracy', 'precision', 'recall', 'f1'] as const;
type Score = (typeof printedScores)[number];

export interface PrintedRow extends PrintedScores {
  /** the file's, from 1 */
  readonly line: number;
  /** such as I, II, III */
  readonly table: string;
  /** AlexNet or VGG16; nothing where all rows are of the grid's network */
  readonly network?: string;
  /** a layer's name or number, none, all */
  readonly point: string;
  readonly rate?: number;
  readonly newLayerRate?: number;
  readonly momentum?: number;
}

/** A score of ours, a mean over runs where there are several, in per cent. */
export interface OurScore {
  readonly value: number;
  /** 95 %, over other images: a run's own, of several runs the mean of theirs */
  readonly interval?: readonly [low: number, high: number];
  /** ours less the printed one, in percentage points */
  readonly difference: number;
}

export interface ComparedRow {
  readonly row: PrintedRow;
  /** every confusion matrix of the printed test part that rounds to the row */
  readonly fits: readonly ConfusionMatrix[];
  /** of the accuracy of the one that fits, in per cent (Wilson) */
  readonly printedInterval?: readonly [low: number, high: number];
  readonly ours?: Readonly<Record<Score, OurScore>>;
  /** runs of ours */
  readonly runs: number;
}

export interface PrintedComparison {
  /** images of each class in the paper's test part */
  readonly counts: readonly number[];
  readonly rows: readonly ComparedRow[];
}

const columns = ['table', 'network', 'point', 'rate', 'new_layer_rate', 'momentum', ...printedScores] as const;
const needed = ['table', 'point', ...printedScores] as const;

/** More matrices than these are not tried. */
const MOST_MATRICES = 5e6;

const number = z
  .string()
  .trim()
  .regex(/^[\d.]+(e-?\d+)?$/i, 'expected a number')
  .transform(Number);
const optional = z
  .string()
  .trim()
  .optional()
  .transform((text) => (text === '' ? undefined : text));
const perCent = number.refine((value) => value >= 0 && value <= 100, { message: 'expected per cent, 0 to 100' });
const rowSchema = z.object({
  table: z.string().trim().min(1),
  network: optional,
  point: z.string().trim().min(1),
  rate: optional.pipe(number.optional()),
  new_layer_rate: optional.pipe(number.optional()),
  momentum: optional.pipe(number.optional()),
  accuracy: perCent,
  precision: perCent,
  recall: perCent,
  f1: perCent,
});

/** @throws FrostlineError naming the line and column that is not what a printed row has */
export function parsePrinted(text: string, file: string): PrintedRow[] {
  let records: string[][];
  try {
    records = parse(text, { bom: true, skip_empty_lines: true, trim: true, relax_column_count: true });
  } catch (error) {
    throw new FrostlineError(`${file}: no CSV (${(error as Error).message}).`);
  }
  const [header = [], ...lines] = records;
  const missing = needed.filter((name) => !header.includes(name));
  const unknown = header.filter((name) => !(columns as readonly string[]).includes(name));
  if (missing.length + unknown.length > 0) {
    const what = missing.length > 0 ? `lacks the column ${missing.join(', ')}` : `has a column '${unknown[0]}'`;
    throw new FrostlineError(`${file} ${what}. Its first line is: ${columns.join(',')}`);
  }
  if (lines.length === 0) throw new FrostlineError(`${file} has no rows: type the paper's, a line each.`);
  return lines.map((record, i) => {
    const parsed = rowSchema.safeParse(Object.fromEntries(header.map((name, c) => [name, unguarded(record[c] ?? '')])));
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0];
      throw new FrostlineError(`${file}, line ${i + 2}, ${path.join('.')}: ${message}.`);
    }
    const { new_layer_rate: newLayerRate, ...rest } = parsed.data;
    return { line: i + 2, ...rest, newLayerRate };
  });
}

/**
 * Every confusion matrix with these row sums whose scores round to the printed ones at two decimals.
 * @param counts images of each class. @throws FrostlineError for more matrices than can be tried
 */
export function fittingMatrices(printed: PrintedScores, counts: readonly number[]): ConfusionMatrix[] {
  const rows = counts.map((count) => compositions(count, counts.length));
  const all = rows.reduce((product, own) => product * own.length, 1);
  if (all > MOST_MATRICES) {
    throw new FrostlineError(
      `There are ${all} confusion matrices of ${counts.join(' + ')} images, too many to try. Give the paper's --printed-counts.`,
    );
  }
  const fits: ConfusionMatrix[] = [];
  const chosen: number[][] = [];
  const walk = (c: number) => {
    if (c === counts.length) {
      const { accuracy, macroPrecision: precision, macroRecall: recall, f1 } = confusionScores(chosen);
      const values: PrintedScores = { accuracy, precision, recall, f1 };
      // Half a unit of the last digit, either way: papers round halves up or to even.
      if (printedScores.every((key) => Math.abs(100 * values[key] - printed[key]) <= 0.005 + 1e-9))
        fits.push([...chosen]);
      return;
    }
    for (const row of rows[c]) {
      chosen[c] = row;
      walk(c + 1);
    }
  };
  walk(0);
  return fits;
}

/** All ways to part a count among so many classes. */
function compositions(count: number, classes: number): number[][] {
  if (classes === 1) return [[count]];
  return Array.from({ length: count + 1 }, (_, first) => first).flatMap((first) =>
    compositions(count - first, classes - 1).map((rest) => [first, ...rest]),
  );
}

/** @param counts of the paper's test part, not of the grid's */
export function comparePrinted(
  rows: readonly PrintedRow[],
  grid: GridResult,
  counts: readonly number[],
): PrintedComparison {
  return {
    counts,
    rows: rows.map((row) => {
      const fits = fittingMatrices(row, counts);
      const cells = cellsOf(row, grid);
      const interval = fits.length === 1 ? computeMetrics(fits[0]).accuracyInterval : undefined;
      return {
        row,
        fits,
        ...(interval && { printedInterval: [100 * interval[0], 100 * interval[1]] as const }),
        ...(cells.length > 0 && { ours: ourScores(cells, row) }),
        runs: cells.length,
      };
    }),
  };
}

/** Rows that fit none or several, in words. */
export function misfits({ rows, counts }: PrintedComparison): string[] {
  return rows.flatMap(({ row, fits }) => {
    if (fits.length === 1) return [];
    const how = fits.length === 0 ? 'fits no confusion matrix' : `fits ${fits.length} confusion matrices`;
    return [`line ${row.line} (${rowName(row)}) ${how} of ${counts.join(' + ')} images`];
  });
}

export const rowName = ({ table, network, point, rate: own, newLayerRate }: PrintedRow) =>
  [
    `Table ${table}`,
    network,
    point,
    own !== undefined ? `rate ${rate(own)}` : newLayerRate !== undefined && `new layer ${rate(newLayerRate)}`,
  ]
    .filter(Boolean)
    .join(', ');

/** The paper's networks by their number of learnable layers. */
const networkOf = ({ model }: GridResult) => ({ 8: 'alexnet', 16: 'vgg16' })[model.layers?.length ?? 0];

/** Runs of ours that are a row's: by point and rates; of a grid of several momenta at the row's, else at the first. */
function cellsOf(row: PrintedRow, grid: GridResult): CellResult[] {
  const named = row.network?.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (named !== undefined && named !== networkOf(grid)) return [];
  const point = row.point.toLowerCase();
  const close = (a: number | undefined, b: number) => a === undefined || Math.abs(a - b) <= 1e-9 * b;
  const fitting = grid.cells.filter(
    ({ status, freeze, learningRate, newLayerRate, momentum }) =>
      status === 'done' &&
      freeze.method === undefined &&
      (freeze.name.toLowerCase() === point || String(freeze.number) === point || (point === 'all' && freeze.all)) &&
      close(row.rate, learningRate) &&
      close(row.newLayerRate, newLayerRate) &&
      (row.momentum === undefined || momentum === undefined || close(row.momentum, momentum)),
  );
  // A row without rates must not gather several.
  const first = fitting[0];
  return fitting.filter(
    (cell) =>
      cell.learningRate === first.learningRate &&
      cell.newLayerRate === first.newLayerRate &&
      cell.momentum === first.momentum,
  );
}

function ourScores(cells: readonly CellResult[], row: PrintedRow): Record<Score, OurScore> {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const of = (
    key: Score,
    value: (cell: CellResult) => number,
    interval: (cell: CellResult) => readonly [number, number] | undefined,
  ): OurScore => {
    const own = 100 * mean(cells.map(value));
    const intervals = cells.map(interval);
    const whole = intervals.every((one) => one !== undefined);
    return {
      value: own,
      ...(whole && {
        interval: [0, 1].map((end) => 100 * mean(intervals.map((one) => one![end]))) as [number, number],
      }),
      difference: own - row[key],
    };
  };
  return {
    accuracy: of(
      'accuracy',
      ({ metrics }) => metrics!.accuracy,
      ({ metrics }) => metrics!.accuracyInterval,
    ),
    precision: of(
      'precision',
      ({ metrics }) => metrics!.macroPrecision,
      ({ detail }) => detail?.macroPrecision.interval,
    ),
    recall: of(
      'recall',
      ({ metrics }) => metrics!.macroRecall,
      ({ detail }) => detail?.balancedAccuracy.interval,
    ),
    f1: of(
      'f1',
      ({ metrics }) => metrics!.f1,
      ({ detail }) => detail?.f1.interval,
    ),
  };
}
