/** F1 over the freeze layers, a panel a grid, on one scale. */
import { pointName } from '../../train/results.ts';
import type { ReportInput } from '../input.ts';
import { summarise } from '../summary.ts';
import { config, type FigureSize, render } from '../vega.ts';
import { curveOf } from './freeze-axis.ts';

interface Drawn {
  readonly name: string;
  readonly input: ReportInput;
  readonly points: readonly {
    readonly point: string;
    readonly score: number;
    readonly interval?: readonly [low: number, high: number];
    readonly inSet: boolean;
  }[];
}

export async function compareFigure(grids: readonly Drawn[], { width, narrow }: FigureSize): Promise<string> {
  const drawn = grids.filter(({ points }) => points.length > 0);
  const baselines = drawn.map(({ input }) => summarise(input.grid).baseline.f1);
  const shown = [
    ...drawn.flatMap(({ points }) => points.flatMap(({ score, interval = [score, score] }) => [score, ...interval])),
    ...baselines,
  ];
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: 'F1',
    scale: { domain: [Math.max(0, Math.min(...shown) - 0.02), Math.min(1, Math.max(...shown) + 0.02)], zero: false },
    axis: { tickCount: 5, format: '.2f' },
  });
  const columns = narrow ? 1 : Math.min(2, drawn.length);
  const panel = Math.floor((width - (columns - 1) * 50) / columns) - (columns > 1 ? 10 : 0);
  const blue = '#0072B2';
  return render(narrow ? 'comparison-narrow' : 'comparison', {
    columns,
    spacing: { row: 28, column: 40 },
    concat: drawn.map(({ name, input, points }, i) => {
      const curves = new Map(input.grid.freezePoints.map((point) => [pointName(point), curveOf(point)]));
      const x = {
        field: 'point',
        type: 'ordinal' as const,
        sort: points.map(({ point }) => point),
        title: null,
        axis: { grid: false, labelAngle: points.length > 6 || narrow ? -45 : 0, labelOverlap: false },
      };
      return {
        title: {
          text: lines(name, Math.floor(panel / TITLE_WIDTH)),
          anchor: 'start',
          fontSize: TITLE_SIZE,
          fontWeight: 'normal',
          color: 'currentColor',
          // By Vega's estimate, without a canvas, of 0.8 of the size a letter: a word alone that is longer is cut.
          limit: (0.8 * TITLE_SIZE * panel) / TITLE_WIDTH,
        },
        width: panel,
        height: narrow ? 150 : 200,
        data: {
          values: points.map(({ interval, ...rest }) => ({
            ...{ ...rest, low: interval?.[0], high: interval?.[1] },
            curve: curves.get(rest.point) ?? rest.point,
          })),
        },
        layer: [
          {
            data: { values: [{ baseline: baselines[i] }] },
            mark: { type: 'rule', strokeDash: [5, 4], color: 'currentColor', opacity: 0.7 },
            encoding: { y: y('baseline') },
          },
          {
            mark: { type: 'line', strokeWidth: 1.2, opacity: 0.6, color: blue },
            encoding: { x, y: y('score'), detail: { field: 'curve', type: 'nominal' as const } },
          },
          {
            transform: [{ filter: 'isValid(datum.low)' }],
            mark: { type: 'rule', strokeWidth: 1.6, color: blue, opacity: 0.7 },
            encoding: { x, y: y('low'), y2: { field: 'high' } },
          },
          {
            mark: { type: 'point', size: 70, strokeWidth: 2, stroke: blue },
            encoding: {
              x,
              y: y('score'),
              fill: { condition: { test: 'datum.inSet', value: blue }, value: 'transparent' },
            },
          },
        ],
      };
    }),
    config,
  } as Parameters<typeof render>[1]);
}

/** Of a title's letters, in pixels; the width is that of common sans-serif fonts, and some over. */
const TITLE_SIZE = 12;
const TITLE_WIDTH = 7;

/** A title in lines of at most so many characters, broken between words; a longer word has a line of its own. */
function lines(text: string, most: number): string[] {
  const broken: string[] = [];
  for (const word of text.split(' ')) {
    const last = broken.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most) broken[broken.length - 1] = `${last} ${word}`;
    else broken.push(word);
  }
  return broken;
}
