/** The grid's F1 over the depth, and that of a linear probe of the features there. */
import type { ProbedBeside } from '../sections/probe.ts';
import { colours, config, type FigureSize, render } from '../vega.ts';
import { freezeAxis } from './freeze-axis.ts';

export async function probeFigure(beside: readonly ProbedBeside[], size: FigureSize): Promise<string> {
  const { width, narrow } = size;
  const series = ['fine-tuned, the grid', 'linear probe'];
  const values = beside.flatMap(({ probed, f1 }, at) => [
    ...(f1 === undefined ? [] : [{ at, f1, series: series[0] }]),
    { at, f1: probed.linear.f1, series: series[1] },
  ]);
  const shown = values.map(({ f1 }) => f1);
  const x = freezeAxis(
    beside.map(({ probed }) => probed.freeze),
    size,
  );
  const y = {
    field: 'f1',
    type: 'quantitative' as const,
    title: 'F1',
    scale: { domain: [Math.max(0, Math.min(...shown) - 0.02), Math.min(1, Math.max(...shown) + 0.02)], zero: false },
    axis: { format: '.2f', tickCount: 5 },
  };
  const colour = {
    field: 'series',
    type: 'nominal' as const,
    sort: series,
    title: null,
    scale: { domain: series, range: colours.slice(0, 2) },
    legend: { orient: 'top' as const, direction: 'horizontal' as const, columns: narrow ? 1 : 2, offset: 10 },
  };
  const dash = { field: 'series', type: 'nominal' as const, sort: series, title: null, legend: colour.legend };
  return render(narrow ? 'probe-narrow' : 'probe', {
    width,
    height: narrow ? 180 : 220,
    data: { values },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 2 },
        encoding: {
          x,
          y,
          color: colour,
          strokeDash: {
            ...dash,
            scale: {
              domain: series,
              range: [
                [1, 0],
                [5, 4],
              ],
            },
          },
        },
      },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: { x, y, color: colour, shape: { ...dash, scale: { domain: series, range: ['circle', 'square'] } } },
      },
    ],
    config,
  } as Parameters<typeof render>[1]);
}
