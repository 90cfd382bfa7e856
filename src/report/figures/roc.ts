/** ROC curves: a panel for each freeze point, a line for each run at its chosen rate. */
import { config, type FigureSize, render } from '../vega.ts';

export interface RocCurve {
  /** the panel it stands in */
  readonly panel: string;
  readonly run: string;
  /** false alarms and finds as shares, from (0, 0) to (1, 1) */
  readonly points: readonly (readonly [falsePositive: number, truePositive: number])[];
}

export async function rocFigure(
  curves: readonly RocCurve[],
  panels: readonly string[],
  { width, narrow }: FigureSize,
): Promise<string | undefined> {
  if (curves.length === 0) return undefined;
  const columns = Math.min(narrow ? 2 : 4, panels.length);
  const panel = Math.min(190, Math.floor((width - (columns - 1) * 24) / columns));
  const values = curves.flatMap(({ panel: where, run, points }) =>
    points.map(([fpr, tpr], order) => ({ panel: where, run, order, fpr, tpr })),
  );
  const share = (field: string, title: string) => ({
    field,
    type: 'quantitative' as const,
    title,
    scale: { domain: [0, 1], nice: false },
    axis: { tickCount: 3, format: '.1f', titleFontSize: 10, titlePadding: 4 },
  });
  // Name and area beside each other do not fit over a small panel.
  const twoLines = narrow ? { labelExpr: "split(datum.label, ': ')" } : {};
  return render(narrow ? 'roc-narrow' : 'roc', {
    data: { values },
    facet: {
      field: 'panel',
      type: 'ordinal',
      sort: [...panels],
      header: { labelAnchor: 'start', labelLimit: panel, ...twoLines },
    },
    columns,
    spacing: { row: 18, column: 24 },
    spec: {
      width: panel,
      height: panel,
      layer: [
        {
          data: {
            values: [
              { fpr: 0, tpr: 0 },
              { fpr: 1, tpr: 1 },
            ],
          },
          mark: { type: 'line', strokeDash: [4, 3], color: 'currentColor', opacity: 0.4, strokeWidth: 1 },
          encoding: { x: share('fpr', 'false alarms'), y: share('tpr', 'found') },
        },
        {
          mark: { type: 'line', strokeWidth: 1.4, opacity: 0.75, color: '#0072B2' },
          encoding: {
            x: share('fpr', 'false alarms'),
            y: share('tpr', 'found'),
            detail: { field: 'run' },
            order: { field: 'order', type: 'quantitative' },
          },
        },
      ],
    },
    config,
  } as Parameters<typeof render>[1]);
}
