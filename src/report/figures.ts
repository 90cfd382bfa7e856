/** The figures of a grid's report. */
import type { GridResult } from '../train/results.ts';
import { freezeLabel } from './format.ts';
import { bestOf, type Entry, type GridSummary, type Series } from './summary.ts';
import { colours, config, type FigureSize, render, shapes } from './vega.ts';

/** F1 over the freeze layer, a line for each learning rate: the paper's Figures 6 and 7. */
export async function f1Figure(summary: GridSummary, { width, narrow }: FigureSize): Promise<string> {
  const names = new Map(summary.freezePoints.map((point) => [freezeLabel(point), point]));
  const order = [...names.keys()];
  const seriesLabels = summary.series.map((series) => series.label);
  const drawn = regularEntries(summary);
  const best = bestOf(drawn);
  const values = drawn.map((entry) => {
    const f1 = entry.cells.flatMap((cell) => (cell.metrics ? [cell.metrics.f1] : []));
    return {
      freeze: freezeLabel(entry.freeze),
      series: entry.series.label,
      f1: entry.mean?.f1 ?? null,
      low: f1.length > 1 ? Math.min(...f1) : null,
      high: f1.length > 1 ? Math.max(...f1) : null,
      failed: entry.mean === undefined,
      best: entry === best,
    };
  });
  const scoresShown = values.flatMap((v) => [v.f1, v.low, v.high]).filter((v) => v !== null);
  const shown = scoresShown.length > 0 ? scoresShown : [0, 1];
  const low = Math.max(0, Math.floor(Math.min(...shown) * 20 - 0.2) / 20);
  const high = Math.min(1, Math.ceil(Math.max(...shown) * 20 + 0.2) / 20);
  // The number over the name; a phone and a deep network have room for the number only.
  const roomForNames = width / order.length >= 46;
  const x = {
    field: 'freeze',
    type: 'ordinal' as const,
    sort: order,
    title: 'last frozen layer',
    axis: {
      labelAngle: 0,
      labelOverlap: false,
      grid: false,
      labelExpr: roomForNames ? "split(datum.value, ' ')" : "split(datum.value, ' ')[0]",
    },
  };
  const colour = {
    field: 'series',
    type: 'nominal' as const,
    sort: seriesLabels,
    title: 'learning rate',
    scale: { domain: seriesLabels, range: colours },
    legend: {
      orient: 'top' as const,
      direction: 'horizontal' as const,
      columns: legendColumns(summary.series, width),
      offset: 10,
    },
  };
  const y = {
    field: 'f1',
    type: 'quantitative' as const,
    title: 'F1',
    scale: { domain: [low, high], nice: false, zero: false },
    axis: { format: high - low < 0.12 ? '.3f' : '.2f', tickCount: 6 },
  };
  return render(narrow ? 'f1-narrow' : 'f1', {
    width,
    height: narrow ? 240 : 320,
    data: { values },
    layer: [
      {
        transform: [{ filter: 'datum.low !== null' }],
        mark: { type: 'rule', opacity: 0.55, strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
      },
      { mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y, color: colour } },
      {
        transform: [{ filter: 'datum.best' }],
        mark: { type: 'point', shape: 'circle', size: 320, strokeWidth: 1.5, color: 'currentColor', opacity: 0.9 },
        encoding: { x, y },
      },
      {
        transform: [{ filter: '!datum.failed' }],
        mark: { type: 'point', filled: true, size: 62, opacity: 1 },
        encoding: {
          x,
          y,
          color: colour,
          shape: { ...colour, scale: { domain: seriesLabels, range: shapes } },
        },
      },
      {
        transform: [{ filter: 'datum.failed' }],
        mark: { type: 'text', text: '×', fontSize: 18, fontWeight: 'bold', baseline: 'bottom' },
        encoding: {
          x,
          y: { value: narrow ? 240 : 320 },
          xOffset: { field: 'series', sort: seriesLabels },
          color: colour,
        },
      },
    ],
    config,
  });
}

const curvePoints = 30;

/** Loss over the steps, a panel for each freeze point; undefined where no cell kept its history. */
export async function lossFigure(
  grid: GridResult,
  summary: GridSummary,
  { width, narrow }: FigureSize,
): Promise<string | undefined> {
  const seriesLabels = summary.series.map((series) => series.label);
  const values = regularEntries(summary).flatMap((entry) =>
    entry.cells.flatMap((cell) =>
      thin(cell.lossHistory ?? []).map((point) => ({
        ...point,
        done: cell.status === 'done',
        freeze: freezeLabel(entry.freeze),
        series: entry.series.label,
        run: `${entry.series.label}/${cell.seed}`,
      })),
    ),
  );
  const finite = values.flatMap((v) => (v.loss === null ? [] : [v]));
  if (finite.length === 0) return undefined;
  // A run that diverges must not flatten all the others.
  const finished = finite.filter((v) => v.done);
  const highest = Math.max(...(finished.length > 0 ? finished : finite).map((v) => v.loss!));
  const columns = narrow ? 2 : 4;
  const panel = Math.floor((width - (columns - 1) * 20) / columns);
  return render(narrow ? 'loss-narrow' : 'loss', {
    data: { values },
    facet: {
      field: 'freeze',
      type: 'ordinal',
      sort: grid.freezePoints.map(freezeLabel),
      header: { labelAnchor: 'start' },
    },
    columns,
    spacing: { row: 18, column: 20 },
    spec: {
      width: panel,
      height: narrow ? 90 : 105,
      mark: { type: 'line', strokeWidth: 1.4, clip: true },
      encoding: {
        x: { field: 'step', type: 'quantitative', title: null, axis: { tickCount: 3, grid: false } },
        y: {
          field: 'loss',
          type: 'quantitative',
          title: null,
          scale: { domain: [0, highest * 1.05], nice: false },
          axis: { tickCount: 3 },
        },
        detail: { field: 'run' },
        color: {
          field: 'series',
          type: 'nominal',
          title: 'learning rate',
          sort: seriesLabels,
          scale: { domain: seriesLabels, range: colours },
          legend: {
            orient: 'top',
            direction: 'horizontal',
            columns: legendColumns(summary.series, width),
            symbolType: 'stroke',
            offset: 10,
          },
        },
      },
    },
    config,
  });
}

function regularEntries(summary: GridSummary): Entry[] {
  return summary.entries.filter((entry) => summary.series.includes(entry.series));
}

function legendColumns(series: readonly Series[], width: number): number {
  const widest = Math.max(...series.map((s) => s.label.length)) * 7 + 36;
  return Math.max(1, Math.floor(width / widest));
}

/** At most `curvePoints` means over neighbouring steps; a stretch with no finite loss is a gap. */
function thin(history: readonly number[]): { step: number; loss: number | null }[] {
  const stride = Math.max(1, Math.ceil(history.length / curvePoints));
  const points = [];
  for (let start = 0; start < history.length; start += stride) {
    const finite = history.slice(start, start + stride).filter(Number.isFinite);
    const loss = finite.length === 0 ? null : finite.reduce((a, b) => a + b, 0) / finite.length;
    points.push({ step: start + Math.min(stride, history.length - start), loss });
  }
  return points;
}
