/** Tables of images as people keep them: what a spreadsheet, another system or a competition's organisers made of a CSV file. */
import { parse } from 'csv-parse/sync';
import { FrostlineError } from '../errors.ts';
import { decodeText, readBytes } from '../read-files.ts';

/** How a table of text is read: its encoding, delimiter and header. */
export interface TableOptions {
  /** Between cells (default: what the first line shows; in a .tsv file a tab). */
  delimiter?: string;
  /** Label of the Encoding Standard (default UTF-8, or what a byte-order mark says). */
  encoding?: string;
}

export interface Row {
  readonly cells: readonly string[];
  /** in the file, from 1: for messages */
  readonly line: number;
}

export interface Table {
  /** the first row: names of columns, or already an image */
  readonly first: Row;
  readonly rows: readonly Row[];
}

/** Cells between these are looked for where nothing else is said. */
const delimiters = [',', ';', '\t', '|'] as const;

function delimiterOf(path: string, text: string, given: string | undefined): string {
  // A shell gives a tab as \t.
  if (given !== undefined) return given.replaceAll('\\t', '\t');
  if (/\.(tsv|tab)$/i.test(path)) return '\t';
  const lines = text
    .slice(0, 65_536)
    .replaceAll(/"[^"]*"/g, '')
    .split(/\r\n|\n|\r/, 20)
    .filter((line) => line.trim() !== '');
  const counts = delimiters.map((sign) => lines.map((line) => line.split(sign).length - 1));
  // The one that stands in each line as often; else the first of the header. A comma may stand within a cell, too.
  const regular = counts.findIndex(([first, ...others]) => first > 0 && others.every((count) => count === first));
  const present = counts.findIndex(([first]) => first > 0);
  return delimiters[regular >= 0 ? regular : Math.max(present, 0)];
}

/** The text of a cell: a spreadsheet keeps `001` as the formula `="001"`. */
const cellText = (cell: string): string => (/^="(.*)"$/s.exec(cell)?.[1] ?? cell).trim().normalize('NFC');

/**
 * Reads a table strictly: bytes that are no text, quotes that do not close, are refused. Rows without a single value and
 * the line `sep=;`, which spreadsheets add, are passed over; a cell has no blanks around it.
 */
export async function readTable(path: string, options: TableOptions = {}): Promise<Table> {
  const bytes = await readBytes(path);
  const remedy = 'Name its encoding, for example --encoding windows-1252 (Latin-1), or save it as UTF-8';
  let text = decodeText(bytes, path, options.encoding, remedy);
  if (text.includes('\0')) {
    throw new FrostlineError(`${path} holds zero bytes: it may be UTF-16. Name its encoding: --encoding utf-16le`);
  }
  let given = options.delimiter;
  let skipped = 0;
  const separator = /^sep=(.)\r?\n/i.exec(text);
  if (separator !== null) {
    text = text.slice(separator[0].length);
    given ??= separator[1];
    skipped = 1;
  }
  let records: { record: string[]; info: { lines: number } }[];
  try {
    // Spreadsheets write such a formula without the quotes of CSV around it, too.
    records = parse(text.replaceAll(/(^|[,;\t|\r\n])=("[^"\r\n]*")(?=[,;\t|\r\n]|$)/g, '$1$2'), {
      delimiter: delimiterOf(path, text, given),
      // Each record comes with its line, for messages.
      info: true,
      // One file may have several: rows were pasted into it.
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof records;
  } catch (error) {
    throw new FrostlineError(
      `${path} is no CSV table: ${(error as Error).message}; check its quotes, or give --delimiter`,
    );
  }
  const [first, ...rows] = records
    .map(({ record, info }) => ({
      cells: record.map(cellText),
      line: info.lines + skipped,
    }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  if (first === undefined) throw new FrostlineError(`${path} is empty; expected a header and a row for each image`);
  return { first, rows };
}

/** The place of a column by its name, as it stands or in other letters, or by its number from 1; -1 where there is none. */
export function indexOfColumn(header: readonly string[], name: string): number {
  const wanted = name.normalize('NFC');
  const exact = header.indexOf(wanted);
  if (exact >= 0) return exact;
  const alike = header.findIndex((column) => column.toLowerCase() === wanted.toLowerCase());
  if (alike >= 0) return alike;
  return /^[1-9]\d*$/.test(wanted) && Number(wanted) <= header.length ? Number(wanted) - 1 : -1;
}
