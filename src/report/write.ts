import { writeFilesAtomically } from '../files.ts';
import type { GridResult } from '../train/results.ts';
import { resultsCsv } from './csv.ts';
import { reportHtml } from './html.ts';

export interface ReportPaths {
  readonly csv: string;
  readonly json: string;
  readonly html: string;
}

/**
 * Writes results.csv, results.json and report.html into `folder`, which is made if missing. No file is ever half
 * written: each is complete before it takes its name.
 */
export async function writeReport(folder: string, grid: GridResult): Promise<ReportPaths> {
  const [csv, json, html] = await writeFilesAtomically(folder, {
    'results.csv': resultsCsv(grid),
    'results.json': resultsJson(grid),
    'report.html': await reportHtml(grid),
  });
  return { csv, json, html };
}

/** The grid as JSON; numbers that JSON lacks (NaN, infinity) become null. */
export function resultsJson(grid: GridResult): string {
  return `${JSON.stringify(grid, null, 2)}\n`;
}
