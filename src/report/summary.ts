/**
 * The grid as tables see it: columns are rates, rows are freeze points, and one entry gathers the seeds of one freeze
 * point and rate.
 */
import { commonestF1 } from '../statistics/baseline.ts';
import { type CellResult, type FreezePoint, type GridResult, isSamePoint } from '../train/results.ts';
import { rate } from './format.ts';

/** One column of the grid, one line of the figure. */
export interface Series {
  readonly learningRate: number;
  readonly newLayerRate: number;
  /** Only where the grid has several. */
  readonly momentum?: number;
  /** The rate; the new layer's alone where nothing else is trained, or beside it where it is not the usual multiple. */
  readonly label: string;
}

const scores = ['accuracy', 'macroPrecision', 'macroRecall', 'f1', 'meanClassF1'] as const;
export type Scores = Readonly<Record<(typeof scores)[number], number>>;

/** All runs of one freeze point at one rate: splits and seeds. */
export interface Entry {
  readonly freeze: FreezePoint;
  readonly series: Series;
  /** In order of split and seed. */
  readonly cells: readonly CellResult[];
  /** Means over the cells that are done; undefined where none is. */
  readonly mean?: Scores;
  /** Sample standard deviation over the runs; undefined with fewer than two. */
  readonly deviation?: Scores;
}

/** The classifier that always says the commonest class of the test part. */
export interface Baseline {
  readonly label: string;
  readonly f1: number;
}

export interface GridSummary {
  /** Those that run over the freeze points: columns of tables and lines of figures. */
  readonly series: readonly Series[];
  /** Rates tried at a single freeze point beside them, as the paper does with all layers frozen. */
  readonly extraSeries: readonly Series[];
  readonly freezePoints: readonly FreezePoint[];
  /** In order of freeze point, then series; only those that hold a cell. */
  readonly entries: readonly Entry[];
  /** Highest mean F1; ties go to accuracy, then to the deeper freeze, which trains fewer weights. */
  readonly best?: Entry;
  /** All that have the best's mean F1 and accuracy, the best among them: equal scores are shown as equal. */
  readonly tied: readonly Entry[];
  readonly done: readonly CellResult[];
  /** Failed or diverged. */
  readonly failed: readonly CellResult[];
  readonly baseline: Baseline;
  /** More than one run of a point and rate somewhere: scores are means. */
  readonly repeated: boolean;
}

export function summarise(grid: GridResult): GridSummary {
  const allSeries = seriesOf(grid);
  const entries = grid.freezePoints.flatMap((freeze) =>
    allSeries.flatMap((s) => {
      const cells = grid.cells.filter((cell) => isSamePoint(cell.freeze, freeze) && belongs(cell, s));
      return cells.length === 0 ? [] : [entryOf(freeze, s, cells)];
    }),
  );
  const isExtra = (s: Series): boolean =>
    grid.freezePoints.length > 1 && entries.filter((entry) => entry.series === s).length === 1;
  const extraSeries = allSeries.filter(isExtra);
  const series = allSeries.filter((s) => !isExtra(s));
  const best = bestOf(entries);
  return {
    series: series.length > 0 ? series : allSeries,
    extraSeries: series.length > 0 ? extraSeries : [],
    freezePoints: grid.freezePoints,
    entries,
    best,
    tied: best === undefined ? [] : entries.filter((entry) => isEqual(entry, best)),
    done: grid.cells.filter((cell) => cell.status === 'done'),
    failed: grid.cells.filter((cell) => cell.status !== 'done'),
    baseline: baselineOf(grid),
    repeated: entries.some((entry) => entry.cells.length > 1),
  };
}

/** Splits share the classes' shares, so that the first one's counts serve for all. */
function baselineOf({ dataset }: GridResult): Baseline {
  const { index, f1 } = commonestF1(dataset.counts.test);
  return { label: dataset.classes[index], f1 };
}

/** Entries of the rates that run over the freeze points: what figures draw. */
export function regularEntries(summary: GridSummary): Entry[] {
  return summary.entries.filter((entry) => summary.series.includes(entry.series));
}

/** The entry with the highest F1, or undefined where no cell is done. */
export function bestOf(entries: readonly Entry[]): Entry | undefined {
  return entries.filter((entry) => entry.mean !== undefined).sort(betterFirst)[0];
}

/** By rounding alone apart. */
function isEqual({ mean }: Entry, best: Entry): boolean {
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12;
  return mean !== undefined && near(mean.f1, best.mean!.f1) && near(mean.accuracy, best.mean!.accuracy);
}

/** The other freeze points of a series that have the scores of its best one. */
export const asGoodAs = ({ entries }: GridSummary, best: Entry): Entry[] =>
  entries.filter((entry) => entry !== best && entry.series === best.series && isEqual(entry, best));

/** Cells of an entry, of those that are compared, that predict one class for every test image. */
export const constantCells = ({ cells }: Entry): readonly CellResult[] =>
  cells.filter((cell) => cell.status === 'done' && predictsOneClass(cell));

/** Told from the confusion matrix, so that results of earlier versions are told, too. */
function predictsOneClass({ confusion }: CellResult): boolean {
  if (confusion === undefined) return false;
  return confusion[0].filter((_, c) => confusion.some((row) => row[c] > 0)).length === 1;
}

/** The entry at a freeze point and series, if the grid has one. */
export function entryAt(summary: GridSummary, freeze: FreezePoint, series: Series): Entry | undefined {
  return summary.entries.find((entry) => isSamePoint(entry.freeze, freeze) && entry.series === series);
}

/** The rows of the paper's Table I: the best freeze layer at each rate, then the two extremes. */
export interface PaperTable {
  readonly best: readonly Entry[];
  readonly none: readonly Entry[];
  readonly all: readonly Entry[];
}

export function paperTable(summary: GridSummary): PaperTable {
  return {
    best: summary.series.flatMap((series) => bestOf(summary.entries.filter((e) => e.series === series)) ?? []),
    none: summary.entries.filter((entry) => entry.freeze.name === 'none'),
    all: summary.entries.filter((entry) => entry.freeze.all),
  };
}

function seriesOf(grid: GridResult): Series[] {
  const usual = usualFactor(grid.cells);
  const several = new Set(grid.cells.map(({ momentum }) => momentum)).size > 1;
  // Rates that were asked for as the new layer's: with all other layers frozen no other one is used.
  const elsewhere = grid.freezePoints.some((point) => !point.all);
  const isNewLayers = (cell: CellResult) =>
    elsewhere && grid.cells.every((other) => other.freeze.all || !sharesRates(other, cell));
  const series: Series[] = [];
  for (const cell of grid.cells) {
    if (series.some((s) => belongs(cell, s))) continue;
    const { learningRate, newLayerRate, momentum } = cell;
    const rates = isNewLayers(cell)
      ? `${rate(newLayerRate)} of the new layer`
      : close(newLayerRate, learningRate * usual)
        ? rate(learningRate)
        : `${rate(learningRate)}, new layer ${rate(newLayerRate)}`;
    const own = several && momentum !== undefined ? { momentum } : {};
    series.push({
      learningRate,
      newLayerRate,
      ...own,
      label: own.momentum !== undefined ? `${rates}, momentum ${momentum}` : rates,
    });
  }
  return series.sort(
    (a, b) =>
      (b.momentum ?? 0) - (a.momentum ?? 0) || a.learningRate - b.learningRate || a.newLayerRate - b.newLayerRate,
  );
}

/** The most frequent multiple of the global rate at the new layer; 10 in the paper. */
function usualFactor(cells: readonly CellResult[]): number {
  const counts = new Map<string, number>();
  for (const { newLayerRate, learningRate } of cells) {
    const factor = (newLayerRate / learningRate).toPrecision(6);
    counts.set(factor, (counts.get(factor) ?? 0) + 1);
  }
  return Number([...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 1);
}

function belongs(cell: CellResult, series: Series): boolean {
  return (series.momentum === undefined || cell.momentum === series.momentum) && sharesRates(cell, series);
}

type Rates = Pick<Series, 'learningRate' | 'newLayerRate'>;

const sharesRates = (a: Rates, b: Rates): boolean =>
  close(a.learningRate, b.learningRate) && close(a.newLayerRate, b.newLayerRate);

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}

function entryOf(freeze: FreezePoint, series: Series, unsorted: readonly CellResult[]): Entry {
  const cells = [...unsorted].sort((a, b) => Number(a.split) - Number(b.split) || a.seed - b.seed);
  const metrics = cells.flatMap((cell) => (cell.status === 'done' && cell.metrics ? [cell.metrics] : []));
  if (metrics.length === 0) return { freeze, series, cells };
  const mean = each((key) => average(metrics.map((m) => m[key])));
  const deviation =
    metrics.length < 2
      ? undefined
      : each((key) => {
          const squares = metrics.map((m) => (m[key] - mean[key]) ** 2);
          return Math.sqrt((average(squares) * squares.length) / (squares.length - 1));
        });
  return { freeze, series, cells, mean, deviation };
}

function each(value: (key: keyof Scores) => number): Scores {
  return Object.fromEntries(scores.map((key) => [key, value(key)])) as Scores;
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function betterFirst(a: Entry, b: Entry): number {
  return (
    b.mean!.f1 - a.mean!.f1 ||
    b.mean!.accuracy - a.mean!.accuracy ||
    (b.freeze.number ?? 0) - (a.freeze.number ?? 0) ||
    a.series.learningRate - b.series.learningRate
  );
}
