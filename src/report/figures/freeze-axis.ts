/**
 * The axis of freeze points: equal steps in order of depth. Numbers, not names, so that the marks of several rates can
 * stand side by side at a point while their lines stay lines.
 */
import { type FreezePoint, isDepth, pointName } from '../../train/results.ts';
import { freezeLabel } from '../format.ts';
import type { FigureSize } from '../vega.ts';

/** Steps between two marks at a freeze point, of the step from one point to the next. */
const SIDE_STEP = 0.11;

/** How far from its freeze point a series' marks stand, so that all of them are seen. */
export function sideStep(series: number, of: number): number {
  const step = Math.min(SIDE_STEP, 0.6 / Math.max(1, of));
  return (series - (of - 1) / 2) * step;
}

/** Equal for what a line may join: depths that were trained in one way. A block, or a file of phases, stands alone. */
export const curveOf = (point: FreezePoint): string =>
  point.number !== null || point.name === 'none' ? `depth, ${point.method ?? 'at once'}` : pointName(point);

/** @param field of the data: the point's place plus its side step */
export function freezeAxis(points: readonly FreezePoint[], { width }: FigureSize, field = 'at') {
  const labels = points.map(freezeLabel);
  // The number over the name; a phone and a deep network have room for the number only.
  const room = width / points.length;
  const longest = Math.max(0, ...labels.flatMap((label) => label.split(' ').map((word) => word.length)));
  const fits = room >= Math.max(46, 7 * longest);
  const shown = fits ? labels : labels.map((label) => label.split(' ')[0]);
  // Of blocks and ways of training the first word says nothing.
  const slanted = !fits && !points.every(isDepth);
  return {
    field,
    type: 'quantitative' as const,
    title: points.every(isDepth) ? 'last frozen layer' : 'what is trained, and how',
    scale: { domain: [-0.5, points.length - 0.5], nice: false, zero: false },
    axis: {
      values: points.map((_, i) => i),
      labelExpr: slanted
        ? `${JSON.stringify(labels)}[datum.value]`
        : `split(${JSON.stringify(shown)}[datum.value], ' ')`,
      labelAngle: slanted ? -45 : 0,
      labelOverlap: false,
      labelLimit: 0,
      grid: false,
    },
  };
}
