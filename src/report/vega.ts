/**
 * Figures as SVG text, drawn by vega-lite without a browser. Text and axes are drawn in `currentColor`, so that they
 * follow the page from light to dark; the series' colours are Okabe and Ito's, told apart by the colour-blind and legible
 * on both, and each has a point shape of its own for print.
 */
import * as vega from 'vega';
import * as vegaLite from 'vega-lite';

export const colours = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#7A7A7A', '#9A6A3A'];
export const shapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'triangle-down',
  'cross',
  'triangle-right',
  'triangle-left',
];
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';

export const config: vegaLite.Config = {
  background: 'transparent',
  font,
  view: { stroke: null },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    domainColor: 'currentColor',
    tickColor: 'currentColor',
    gridColor: 'currentColor',
    gridOpacity: 0.13,
    domainOpacity: 0.5,
    tickOpacity: 0.5,
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelPadding: 5,
    titlePadding: 10,
  },
  legend: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    titleFontWeight: 'normal',
    titleFontSize: 12,
    labelFontSize: 12,
    symbolSize: 70,
    symbolOpacity: 1,
    labelLimit: 400,
  },
  header: { labelColor: 'currentColor', labelFontSize: 11, labelPadding: 4, title: null },
};

export interface FigureSize {
  /** Width of the plotting area in CSS pixels. */
  readonly width: number;
  /** For a phone: fewer columns, shorter labels. */
  readonly narrow: boolean;
}

/** @param prefix of the ids inside, so that several figures can stand in one page. */
export async function render(prefix: string, spec: vegaLite.TopLevelSpec): Promise<string> {
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return renameIds(await view.toSVG(), prefix);
  } finally {
    view.finalize();
  }
}

/** vega counts ids through the process; counted through the figure, the same results give the same page. */
function renameIds(svg: string, prefix: string): string {
  const names = new Map<string, string>();
  return svg.replaceAll(/(id="|url\(#)([^")]+)/g, (_, before: string, id: string) => {
    if (!names.has(id)) names.set(id, `${prefix}-${names.size}`);
    return before + names.get(id);
  });
}

/** How many entries of a legend stand side by side. */
export function legendColumns(labels: readonly string[], width: number): number {
  const widest = Math.max(...labels.map((label) => label.length)) * 7 + 36;
  return Math.max(1, Math.floor(width / widest));
}
