/** The figures of the benchmarks' pages. */
import type { KernelRow } from '../bench/kernels.ts';
import { ratioTo } from '../bench/peers/peer-targets.ts';
import type { PeerRow } from '../bench/peers/rounds.ts';
import type { Roofline } from '../bench/roofline.ts';
import type { StepRow } from '../bench/steps.ts';
import { colours, config, type FigureSize, render, shapes } from './vega.ts';

const topLegend = (columns: number) => ({
  orient: 'top' as const,
  direction: 'horizontal' as const,
  columns,
  offset: 10,
});

/** Where there are more series than shapes, the ninth has the first one's colour and the second one's shape. */
const shapeOf = (i: number) => shapes[(i + Math.floor(i / colours.length)) % shapes.length];

const series = (domain: readonly string[], title: string | null, columns: number) => ({
  color: {
    field: 'series',
    type: 'nominal' as const,
    title,
    sort: [...domain],
    scale: { domain: [...domain], range: colours },
    legend: topLegend(columns),
  },
  shape: {
    field: 'series',
    type: 'nominal' as const,
    title,
    sort: [...domain],
    scale: { domain: [...domain], range: domain.map((_, i) => shapeOf(i)) },
    legend: topLegend(columns),
  },
});

const column = (count: number, { width }: FigureSize) => Math.max(1, Math.min(count, Math.floor(width / 150)));

/**
 * The roofline plot (Williams and others 2009): GFLOP/s over operations a byte, both logarithmic, a point for each
 * kernel run, below the two ceilings that were measured in the same run.
 */
export function rooflineFigure(rows: readonly KernelRow[], roofline: Roofline, size: FigureSize): Promise<string> {
  const points = rows.map(({ kernel, flops, bytes, gflops, name }) => ({
    // Both directions of an operation look alike: there are fewer colours than kernels.
    series: kernel.split('/')[0],
    intensity: flops / bytes,
    gflops,
    name,
  }));
  const shown = points.filter(({ intensity, gflops }) => intensity > 0 && gflops > 0);
  const kernels = [...new Set(shown.map((point) => point.series))].sort();
  const ridge = roofline.gflops / roofline.gigabytes;
  const low = Math.min(ridge / 4, ...shown.map((point) => point.intensity)) / 1.3;
  const high = Math.max(ridge * 4, ...shown.map((point) => point.intensity)) * 1.3;
  const roof = [low, ridge, high].map((intensity) => ({
    intensity,
    gflops: Math.min(roofline.gflops, intensity * roofline.gigabytes),
  }));
  const x = {
    field: 'intensity',
    type: 'quantitative' as const,
    title: 'operations a byte',
    scale: { type: 'log' as const, domain: [low, high], nice: false },
    axis: { tickCount: 5, format: '~g', gridOpacity: 0.07 },
  };
  const bottom = Math.min(roof[0].gflops, ...shown.map((point) => point.gflops)) / 1.5;
  const y = {
    field: 'gflops',
    type: 'quantitative' as const,
    title: 'GFLOP/s',
    scale: { type: 'log' as const, domain: [bottom, roofline.gflops * 1.5], nice: false },
    axis: { tickCount: 5, format: '~g', gridOpacity: 0.07 },
  };
  return render(size.narrow ? 'roofline-narrow' : 'roofline', {
    width: size.width,
    height: size.narrow ? 260 : 380,
    layer: [
      {
        data: { values: roof },
        mark: { type: 'line', strokeWidth: 2, stroke: 'currentColor', opacity: 0.8 },
        encoding: { x, y },
      },
      {
        data: { values: shown },
        mark: { type: 'point', filled: true, size: 48, opacity: 0.8 },
        encoding: { x, y, ...series(kernels, null, column(kernels.length, size)) },
      },
    ],
    config,
  });
}

/** Time and arithmetic of training over the last frozen layer, both relative to nothing frozen; a panel a network. */
export async function freezingFigure(rows: readonly StepRow[], size: FigureSize): Promise<string | undefined> {
  const values = rows.flatMap((row) => {
    const none = rows.find(
      ({ network, batch, step }) => network === row.network && batch === row.batch && step === 'none',
    );
    if (row.step === 'forward' || none === undefined) return [];
    const panel = `${row.network}, batch ${row.batch}`;
    return [
      { panel, step: row.step, series: 'time', share: row.timing.median / none.timing.median },
      { panel, step: row.step, series: 'arithmetic', share: row.flops / none.flops },
    ];
  });
  if (values.length === 0) return undefined;
  const steps = [...new Set(values.map(({ step }) => step))];
  return render(size.narrow ? 'freezing-narrow' : 'freezing', {
    data: { values },
    facet: { row: { field: 'panel', type: 'ordinal', header: { title: null, orient: 'top', labelAnchor: 'start' } } },
    resolve: { scale: { x: 'independent' } },
    spec: {
      width: size.width,
      height: size.narrow ? 150 : 200,
      mark: { type: 'line', point: { filled: true, size: 55 }, strokeWidth: 2 },
      encoding: {
        x: {
          field: 'step',
          type: 'ordinal',
          sort: steps,
          title: null,
          axis: { labelAngle: size.narrow ? -90 : -35, grid: false },
        },
        y: { field: 'share', type: 'quantitative', title: 'share of nothing frozen', scale: { zero: true } },
        ...series(['time', 'arithmetic'], null, 2),
      },
    },
    config,
  });
}

/** A case's name where there is little room. */
const shortName = (name: string) =>
  name
    .replace('gradient of input', 'd input')
    .replace('gradient of weight', 'd weight')
    .replace('training step', 'train');

/** Every peer's time over ours, a row a case; right of 1 frostline is the faster. */
export async function peersFigure(
  rows: readonly PeerRow[],
  peers: readonly string[],
  size: FigureSize,
): Promise<string | undefined> {
  const values = rows.flatMap((row) =>
    peers.flatMap((peer) => {
      const ratio = ratioTo(row, peer);
      return ratio === undefined ? [] : [{ case: shortName(row.name), series: peer, ratio }];
    }),
  );
  if (values.length === 0) return undefined;
  const cases = [...new Set(values.map((value) => value.case))];
  // The names of the cases stand left of the plotting area.
  const labels = size.narrow ? 180 : 280;
  return render(size.narrow ? 'peers-narrow' : 'peers', {
    width: size.width - labels,
    height: { step: 22 },
    layer: [
      {
        data: { values: [{ at: 1 }] },
        mark: { type: 'rule', stroke: 'currentColor', opacity: 0.7, strokeWidth: 1.5 },
        encoding: { x: { field: 'at', type: 'quantitative' } },
      },
      {
        data: { values },
        mark: { type: 'point', filled: true, size: 62, opacity: 0.95 },
        encoding: {
          x: {
            field: 'ratio',
            type: 'quantitative',
            title: 'times as long as frostline',
            scale: { type: 'log', nice: false, padding: 12 },
            axis: { format: '~g', tickCount: 6 },
          },
          y: {
            field: 'case',
            type: 'ordinal',
            sort: cases,
            title: null,
            axis: { grid: true, labelLimit: labels },
          },
          ...series(peers, null, column(peers.length, size)),
        },
      },
    ],
    config,
  });
}
