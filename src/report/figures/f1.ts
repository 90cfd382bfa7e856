/** F1 over the freeze layer, a line for each learning rate: the paper's Figures 6 and 7, with every run in them. */
import { isSamePoint } from '../../train/results.ts';
import { freezeLabel } from '../format.ts';
import { type Baseline, bestOf, type Entry, type GridSummary, regularEntries } from '../summary.ts';
import { colours, config, type FigureSize, legendColumns, render, shapes } from '../vega.ts';
import { baselineLayer } from './baseline.ts';
import { curveOf, freezeAxis, sideStep } from './freeze-axis.ts';

/** @param baseline of the classifier that always says the commonest class: a dashed line */
export async function f1Figure(summary: GridSummary, size: FigureSize, baseline: Baseline): Promise<string> {
  const { width, narrow } = size;
  const height = narrow ? 240 : 320;
  const { means, runs, lost } = pointsOf(summary);
  const scores = [...means.flatMap(({ f1, low, high }) => [f1, low, high]), ...runs.map(({ f1 }) => f1), baseline.f1];
  const x = freezeAxis(summary.freezePoints, size);
  const y = scoreAxis(scores.filter((score) => score !== null));
  const labels = summary.series.map((series) => series.label);
  const colour = colourOf(labels, width);
  const curve = { field: 'curve', type: 'nominal' as const };
  return render(narrow ? 'f1-narrow' : 'f1', {
    width,
    height,
    data: { values: means },
    layer: [
      baselineLayer(baseline, y, width),
      {
        transform: [{ filter: 'datum.low !== null' }],
        mark: { type: 'area', opacity: 0.13, line: false },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour, detail: curve },
      },
      { mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y, color: colour, detail: curve } },
      {
        data: { values: runs },
        mark: { type: 'point', filled: true, size: 20, opacity: 0.5 },
        encoding: { x, y, color: colour },
      },
      {
        transform: [{ filter: 'datum.best' }],
        mark: { type: 'point', shape: 'circle', size: 320, strokeWidth: 1.5, color: 'currentColor', opacity: 0.9 },
        encoding: { x, y },
      },
      {
        transform: [{ filter: 'datum.f1 !== null' }],
        mark: { type: 'point', filled: true, size: 62, opacity: 1 },
        encoding: { x, y, color: colour, shape: { ...colour, scale: { domain: labels, range: shapes } } },
      },
      {
        data: { values: lost },
        mark: { type: 'text', text: '×', fontSize: 18, fontWeight: 'bold', baseline: 'bottom' },
        encoding: { x, y: { value: height }, color: colour },
      },
    ],
    config,
  });
}

/** The mean of each freeze point and rate with its deviation, every run, and the runs that have no score. */
function pointsOf(summary: GridSummary) {
  const drawn = regularEntries(summary);
  const best = bestOf(drawn);
  const placeOf = ({ freeze, series }: Entry) => ({
    at:
      summary.freezePoints.findIndex((point) => isSamePoint(point, freeze)) +
      sideStep(summary.series.indexOf(series), summary.series.length),
    series: series.label,
  });
  const means = drawn.map((entry) => ({
    ...placeOf(entry),
    f1: entry.mean?.f1 ?? null,
    low: entry.deviation ? Math.max(0, entry.mean!.f1 - entry.deviation.f1) : null,
    high: entry.deviation ? Math.min(1, entry.mean!.f1 + entry.deviation.f1) : null,
    best: entry === best,
    freeze: freezeLabel(entry.freeze),
    curve: `${entry.series.label}|${curveOf(entry.freeze)}`,
  }));
  const runs = drawn.flatMap((entry) =>
    entry.cells.flatMap(({ status, metrics }) =>
      status === 'done' && metrics ? [{ ...placeOf(entry), f1: metrics.f1 }] : [],
    ),
  );
  const lost = drawn.flatMap((entry) =>
    entry.cells.filter(({ status }) => status !== 'done').map(() => placeOf(entry)),
  );
  return { means, runs, lost };
}

function scoreAxis(scores: readonly number[]) {
  const domain = domainOf(scores);
  return {
    field: 'f1',
    type: 'quantitative' as const,
    title: 'F1',
    scale: { domain, nice: false, zero: false },
    axis: { format: domain[1] - domain[0] < 0.12 ? '.3f' : '.2f', tickCount: 6 },
  };
}

function colourOf(labels: readonly string[], width: number) {
  return {
    field: 'series',
    type: 'nominal' as const,
    sort: [...labels],
    title: 'learning rate',
    scale: { domain: [...labels], range: colours },
    legend: {
      orient: 'top' as const,
      direction: 'horizontal' as const,
      columns: legendColumns(labels, width),
      // Room for the line of the dashed classifier.
      offset: 20,
    },
  };
}

/** The range of the scores in steps of 0.05, with a little room. */
function domainOf(values: readonly number[]): [number, number] {
  const low = Math.max(0, Math.floor(Math.min(...values) * 20 - 0.2) / 20);
  const high = Math.min(1, Math.ceil(Math.max(...values) * 20 + 0.2) / 20);
  return high > low ? [low, high] : [Math.max(0, low - 0.05), Math.min(1, high + 0.05)];
}
