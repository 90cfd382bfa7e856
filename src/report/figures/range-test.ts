/** Loss over a growing learning rate, with the rates that the two rules suggest. */
import type { RangeTest } from '../../train/range-test.ts';
import { colours, config, render } from '../vega.ts';

export async function rangeTestFigure({ curve, suggestion }: RangeTest): Promise<string> {
  const top = 1.2 * Math.max(...curve.slice(0, 20).map(({ smoothed }) => smoothed));
  const x = {
    field: 'learningRate',
    type: 'quantitative' as const,
    title: 'learning rate',
    scale: { type: 'log' as const, nice: false },
    axis: { format: '~g', grid: false },
  };
  // What rises beyond is no longer of interest.
  const y = { type: 'quantitative' as const, title: 'loss', scale: { domain: [0, top], clamp: true } };
  const marks = suggestion
    ? [
        { learningRate: suggestion.rate, text: 'suggested' },
        { learningRate: suggestion.lowestAt, text: 'lowest' },
      ]
    : [];
  return render('range-test', {
    width: 640,
    height: 280,
    data: { values: curve },
    layer: [
      {
        mark: { type: 'point', size: 12, opacity: 0.35, color: colours[0], filled: true },
        encoding: { x, y: { ...y, field: 'loss' } },
      },
      { mark: { type: 'line', strokeWidth: 2, color: colours[0] }, encoding: { x, y: { ...y, field: 'smoothed' } } },
      { data: { values: marks }, mark: { type: 'rule', strokeDash: [5, 4], color: colours[1] }, encoding: { x } },
      {
        data: { values: marks },
        mark: {
          type: 'text',
          angle: 270,
          align: 'right',
          baseline: 'top',
          dx: -4,
          dy: 3,
          color: colours[1],
          fontSize: 11,
        },
        encoding: { x, y: { value: 0 }, text: { field: 'text' } },
      },
    ],
    config,
  } as Parameters<typeof render>[1]);
}
