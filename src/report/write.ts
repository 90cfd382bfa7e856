import { join } from 'node:path';
import { loadSharp } from '../data/sharp.ts';
import { writeFilesAtomically } from '../files.ts';
import type { GridResult } from '../train/results.ts';
import { resultsCsv } from './csv.ts';
import { makeReport } from './html.ts';
import type { ReportInput } from './input.ts';
import type { Supplement } from './supplement.ts';

export interface ReportPaths {
  readonly csv: string;
  readonly json: string;
  readonly html: string;
  /** The folder of the figures and tables as files of their own. */
  readonly files: string;
}

/** Below the report's folder: figures as NAME.svg and NAME.png, tables as NAME.csv. */
export const REPORT_FILES = 'report-files';

/**
 * Writes results.csv, results.json, report.html and the report's figures and tables into `folder`, which is made if
 * missing. No file is ever half written: each is complete before it takes its name.
 */
export async function writeReport(folder: string, input: ReportInput): Promise<ReportPaths> {
  const { grid } = input;
  const report = await makeReport(input);
  const [csv, json, html] = await writeFilesAtomically(folder, {
    'results.csv': resultsCsv(grid),
    // Of a grid that is not finished this file would be taken for its results.
    ...(grid.pending === undefined || grid.pending.length === 0
      ? { 'results.json': resultsJson(grid) }
      : { 'results-so-far.json': resultsJson(grid) }),
    'report.html': report.html,
  });
  await writeSupplement(folder, report.supplement);
  return { csv, json, html, files: join(folder, REPORT_FILES) };
}

/** Figures at twice their size for slides, and as SVG; tables as CSV. */
export async function writeSupplement(folder: string, { figures, tables }: Supplement): Promise<void> {
  const files: Record<string, string | Uint8Array> = {};
  const sharp = await loadSharp();
  for (const { name, svg } of figures) {
    const alone = standalone(svg);
    files[`${name}.svg`] = alone;
    files[`${name}.png`] = await sharp(Buffer.from(alone), { density: 144 }).png().toBuffer();
  }
  for (const { name, text } of tables) files[`${name}.csv`] = text;
  await writeFilesAtomically(join(folder, REPORT_FILES), files);
}

/** Outside a page there is no current colour to follow: black on white. */
export function standalone(svg: string): string {
  return svg
    .replaceAll('currentColor', '#1b1f24')
    .replace(/<svg ([^>]*)>/, '<svg $1><rect width="100%" height="100%" fill="#ffffff"/>');
}

/** The grid as JSON; numbers that JSON lacks (NaN, infinity) become null. */
export function resultsJson(grid: GridResult): string {
  return `${JSON.stringify(grid, null, 2)}\n`;
}
