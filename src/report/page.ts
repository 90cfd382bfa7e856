/** What every HTML page of ours is made of: one file that needs nothing else, no script, no font, no network. */
import { Html, html } from './markup.ts';
import { style } from './style.ts';
import type { FigureSize } from './vega.ts';

export interface Page {
  readonly title: string;
  /** frostline's */
  readonly version: string;
  readonly sections: readonly (Html | undefined)[];
  readonly footer: Html;
}

/** The page as HTML text. */
export function page({ title, version, sections, footer }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="frostline ${version}">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${sections}
<footer>${footer}</footer>
</main>
</body>
</html>
`.text;
}

/** The figure twice, for a page and for a phone; the style sheet shows one. */
export async function twoSizes(
  draw: (size: FigureSize) => Promise<string | undefined>,
  label: string,
  caption: Html,
): Promise<Html | undefined> {
  const regular = await draw({ width: 830, narrow: false });
  const narrow = await draw({ width: 330, narrow: true });
  if (regular === undefined || narrow === undefined) return undefined;
  return html`<figure><div class="regular" role="img" aria-label="${label}">${new Html(regular)}</div><div class="narrow" role="img" aria-label="${label}">${new Html(narrow)}</div><figcaption>${caption}</figcaption></figure>`;
}

export function date(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
