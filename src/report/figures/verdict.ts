/** Every freeze point at its chosen rate with its interval, those that cannot be told from the best filled. */
import type { Verdict } from '../../statistics/verdict.ts';
import { type FreezePoint, pointName } from '../../train/results.ts';
import { config, type FigureSize, render } from '../vega.ts';
import { baselineLayer } from './baseline.ts';
import { freezeAxis } from './freeze-axis.ts';

const inside = '#0072B2';

export async function verdictFigure(
  { points, set, scoreTitle, baseline }: Verdict,
  freezePoints: readonly FreezePoint[],
  size: FigureSize,
): Promise<string> {
  const { width, narrow } = size;
  const judged = freezePoints.filter((one) => points.some(({ point }) => point === pointName(one)));
  const values = judged.map((one, at) => {
    const name = pointName(one);
    const { score, interval } = points.find(({ point }) => point === name)!;
    return { at, score, low: interval[0], high: interval[1], told: !set.includes(name) };
  });
  const x = freezeAxis(judged, size);
  const shown = [...values.flatMap(({ low, high }) => [low, high]), ...(baseline ? [baseline.score] : [])];
  const y = {
    field: 'score',
    type: 'quantitative' as const,
    title: scoreTitle,
    scale: { domain: [Math.min(...shown) - 0.02, Math.min(1, Math.max(...shown) + 0.02)], nice: true, zero: false },
    axis: { tickCount: 6, format: '.2f' },
  };
  const colour = {
    condition: { test: 'datum.told', value: '#9A6A3A' },
    value: inside,
  };
  return render(narrow ? 'verdict-narrow' : 'verdict', {
    width,
    height: narrow ? 200 : 240,
    data: { values },
    layer: [
      ...(baseline ? [baselineLayer({ label: baseline.label, f1: baseline.score }, y, width)] : []),
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
      },
      {
        mark: { type: 'point', size: 90, strokeWidth: 2, filled: false, fill: 'transparent' },
        encoding: {
          x,
          y,
          stroke: colour,
          fill: { condition: { test: 'datum.told', value: 'transparent' }, value: inside },
        },
      },
    ],
    config,
  } as Parameters<typeof render>[1]);
}
