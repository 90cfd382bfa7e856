/** Tables as files: what every CSV that is written has in common. */
import { stringify } from 'csv-stringify/sync';

/**
 * Rows as CSV. A text that a spreadsheet would run as a formula gets an apostrophe before it, one with a line break of
 * any kind gets quotes; numbers are left as they are.
 */
export const csvText = (rows: readonly (readonly unknown[])[]): string =>
  stringify(rows as unknown[][], { escape_formulas: true, quoted_match: /[\r\n]/ });
