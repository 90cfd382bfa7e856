/**
 * What stands beside a report's text: its figures, each also a file of its own, and its tables, each also a CSV. Numbers
 * are given in the order in which they are asked for.
 */
import { stringify } from 'csv-stringify/sync';
import { Html, html } from './markup.ts';
import type { FigureSize } from './vega.ts';

export interface Figure {
  readonly name: string;
  /** As on a page: text and axes in `currentColor`. */
  readonly svg: string;
}

export interface TableFile {
  readonly name: string;
  /** CSV. */
  readonly text: string;
}

export type Draw = (size: FigureSize) => Promise<string | undefined>;
type Value = string | number | boolean | null | undefined;

export class Supplement {
  readonly figures: Figure[] = [];
  readonly tables: TableFile[] = [];
  private numbered = 0;

  /**
   * The figure twice, for a page and for a phone; the style sheet shows one.
   * @param caption follows its number
   * @returns nothing where there is nothing to draw
   */
  async figure(name: string, draw: Draw, label: string, caption: Html): Promise<Html | undefined> {
    const regular = await draw({ width: 830, narrow: false });
    const narrow = await draw({ width: 330, narrow: true });
    if (regular === undefined || narrow === undefined) return undefined;
    this.figures.push({ name, svg: regular });
    const shown = (kind: string, svg: string) =>
      html`<div class="${kind}" role="img" aria-label="${label}">${new Html(svg)}</div>`;
    return html`<figure>${shown('regular', regular)}${shown('narrow', narrow)}<figcaption><b>Figure ${this.figures.length}.</b> ${caption}</figcaption></figure>`;
  }

  /**
   * @param rows full precision; a missing value is empty; text that a spreadsheet would run is quoted by an apostrophe
   * @returns the table's number
   */
  table(name: string, columns: readonly string[], rows: readonly (readonly Value[])[]): number {
    this.data(name, columns, rows);
    return this.nextTable();
  }

  /** What a figure is drawn from: a file as a table's, without a number. */
  data(name: string, columns: readonly string[], rows: readonly (readonly Value[])[]): void {
    const text = stringify([columns, ...rows] as Value[][], { escape_formulas: true });
    this.tables.push({ name, text });
  }

  /** The number of a table that has its file elsewhere. */
  nextTable(): number {
    return ++this.numbered;
  }
}
