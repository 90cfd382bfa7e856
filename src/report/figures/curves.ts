/** Learning curves: the training loss of every run, and the validation loss behind each epoch where there is one. */
import type { CellResult, GridResult } from '../../train/results.ts';
import { freezeLabel } from '../format.ts';
import { type GridSummary, regularEntries } from '../summary.ts';
import { colours, config, type FigureSize, legendColumns, render } from '../vega.ts';

const CURVE_POINTS = 30;
/** How many times its start a loss may reach before the axis becomes logarithmic. */
const EXPLODES = 10;

export interface Curves {
  draw(size: FigureSize): Promise<string | undefined>;
  readonly logarithmic: boolean;
  readonly validation: boolean;
}

interface Point {
  readonly step: number;
  readonly loss: number | null;
  readonly freeze: string;
  readonly series: string;
  readonly run: string;
  readonly part: 'training' | 'validation';
}

/** @returns nothing where no cell kept its history */
export function curvesOf(grid: GridResult, summary: GridSummary): Curves | undefined {
  const points = regularEntries(summary).flatMap((entry) =>
    entry.cells.flatMap((cell): Point[] => {
      const common = { freeze: freezeLabel(entry.freeze), series: entry.series.label };
      const run = `${entry.series.label}/${cell.split}/${cell.seed}`;
      return [
        ...thin(cell.lossHistory ?? []).map((point) => ({ ...point, ...common, run, part: 'training' as const })),
        ...validationOf(cell).map((point) => ({ ...point, ...common, run: `${run}/v`, part: 'validation' as const })),
      ];
    }),
  );
  const losses = points.flatMap(({ loss }) => (loss === null ? [] : [loss]));
  if (losses.length === 0) return undefined;
  const starts = grid.cells.flatMap(({ lossHistory = [] }) => lossHistory.slice(0, 1)).filter(Number.isFinite);
  const start = starts.reduce((a, b) => a + b, 0) / Math.max(1, starts.length);
  const highest = Math.max(...losses);
  const logarithmic = highest > EXPLODES * Math.max(start, 0.1);
  // Zero has no logarithm; and a loss below a thousandth is as good as it.
  const least = Math.max(1e-3, Math.min(...losses.filter((loss) => loss > 0), highest));
  const values = points.map((point) => ({
    ...point,
    loss: point.loss === null ? null : logarithmic ? Math.max(least, point.loss) : point.loss,
  }));
  return {
    logarithmic,
    validation: points.some(({ part }) => part === 'validation'),
    draw: (size) => draw(grid, summary, values, { logarithmic, least, highest }, size),
  };
}

interface Reach {
  readonly logarithmic: boolean;
  readonly least: number;
  readonly highest: number;
}

async function draw(
  grid: GridResult,
  summary: GridSummary,
  values: readonly Point[],
  { logarithmic, least, highest }: Reach,
  { width, narrow }: FigureSize,
): Promise<string> {
  const labels = summary.series.map((series) => series.label);
  const columns = Math.min(narrow ? 2 : 4, Math.max(1, summary.freezePoints.length));
  const panel = Math.floor((width - (columns - 1) * 20) / columns);
  const parts = [...new Set(values.map(({ part }) => part))];
  const legend = {
    orient: 'top' as const,
    direction: 'horizontal' as const,
    symbolType: 'stroke' as const,
    offset: 10,
  };
  return render(narrow ? 'loss-narrow' : 'loss', {
    data: { values: [...values] },
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
      mark: { type: 'line', strokeWidth: 1.2, clip: true, opacity: 0.8 },
      encoding: {
        x: { field: 'step', type: 'quantitative', title: null, axis: { tickCount: 3, grid: false } },
        y: {
          field: 'loss',
          type: 'quantitative',
          title: null,
          scale: logarithmic
            ? { type: 'log', domain: [least, highest * 1.1], nice: false }
            : { domain: [0, highest * 1.05], nice: false },
          axis: logarithmic ? { values: powers(least, highest), format: '~g' } : { tickCount: 3 },
        },
        detail: { field: 'run' },
        color: {
          field: 'series',
          type: 'nominal',
          title: 'learning rate',
          sort: labels,
          scale: { domain: labels, range: colours },
          legend: { ...legend, columns: legendColumns(labels, width) },
        },
        ...(parts.length > 1 && {
          strokeDash: {
            field: 'part',
            type: 'nominal' as const,
            title: null,
            sort: ['training', 'validation'],
            scale: { domain: ['training', 'validation'], range: [[], [4, 2]] },
            legend,
          },
        }),
      },
    },
    config,
  } as Parameters<typeof render>[1]);
}

/** Powers of ten for the axis, at most five of them. */
function powers(least: number, highest: number): number[] {
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(highest))];
  const stride = Math.max(1, Math.ceil((high - low + 1) / 5));
  return Array.from({ length: Math.floor((high - low) / stride) + 1 }, (_, i) => 10 ** (low + i * stride));
}

/** At most `CURVE_POINTS` means over neighbouring steps; a stretch with no finite loss is a gap. */
function thin(history: readonly number[]): { step: number; loss: number | null }[] {
  const stride = Math.max(1, Math.ceil(history.length / CURVE_POINTS));
  const points = [];
  for (let start = 0; start < history.length; start += stride) {
    const finite = history.slice(start, start + stride).filter(Number.isFinite);
    const loss = finite.length === 0 ? null : finite.reduce((a, b) => a + b, 0) / finite.length;
    points.push({ step: start + Math.min(stride, history.length - start), loss });
  }
  return points;
}

/** The validation part's loss stands at the last step of its epoch. */
function validationOf({ epochs = [], steps }: CellResult): { step: number; loss: number | null }[] {
  return epochs.map(({ epoch, validationLoss }) => ({
    step: Math.round((steps * (epoch + 1)) / epochs.length),
    loss: Number.isFinite(validationLoss) ? validationLoss : null,
  }));
}
