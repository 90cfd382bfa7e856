/** The classifier that always says the commonest class, in a figure of scores over freeze points. */
import type { Baseline } from '../summary.ts';

/** A dashed line, and above the plot, where no points stand, what it is. @param y the axis, whose field is named anew */
export function baselineLayer<Y extends object>({ label, f1: score }: Baseline, y: Y, width: number) {
  return {
    data: { values: [{ baseline: score, text: `dashed: always “${label}”, ${score.toFixed(3)}` }] },
    layer: [
      {
        mark: { type: 'rule' as const, strokeDash: [5, 4], color: 'currentColor', opacity: 0.7 },
        encoding: { y: { ...y, field: 'baseline' } },
      },
      {
        mark: {
          type: 'text' as const,
          align: 'right' as const,
          baseline: 'bottom' as const,
          color: 'currentColor',
          fontSize: 11,
          limit: width - 10,
        },
        encoding: { x: { value: width }, y: { value: -4 }, text: { field: 'text' } },
      },
    ],
  };
}
