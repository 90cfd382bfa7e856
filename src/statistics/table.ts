/** The text of a table of predictions: columns point, split, seed, image, label, predicted; group and p_CLASS where there are any. */
import { parse } from 'csv-parse/sync';
import { FrostlineError } from '../errors.ts';
import { unguarded } from '../text.ts';
import type { PredictionRow } from './runs.ts';

const needed = ['point', 'image', 'label', 'predicted'] as const;

/** Before the name of a class: its column of probabilities. */
export const PROBABILITY = 'p_';

export interface PredictionTable {
  readonly rows: readonly PredictionRow[];
  /** Where a row stands in the text, for messages. */
  at(row: number): string;
}

/**
 * Columns may stand in any order, and others beside them. A table without `split` or `seed` is of one. Where there is a
 * column `chosen`, as a grid writes it, the rows with 0 are left out: points at rates that were not chosen.
 *
 * @param name the file, for messages
 * @throws FrostlineError for a table that lacks a column or a value, with its line
 */
export function parsePredictions(text: string, name: string): PredictionTable {
  let records: { record: Record<string, string>; info: { lines: number } }[];
  try {
    records = parse(text, {
      bom: true,
      columns: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
      delimiter: /\.tsv$/i.test(name) ? '\t' : ',',
    }) as unknown as typeof records;
  } catch (error) {
    throw new FrostlineError(`${name} is no CSV table: ${(error as Error).message}. Check its quotes and commas.`);
  }
  const [first] = records;
  if (first === undefined) {
    throw new FrostlineError(
      `${name} has no rows. Give columns ${needed.join(', ')}, and split and seed, a row an image.`,
    );
  }
  const columns = Object.keys(first.record);
  const lacking = needed.filter((column) => !columns.includes(column));
  if (lacking.length > 0) {
    throw new FrostlineError(
      `${name} has no column ${lacking.join(', ')}; its columns are ${columns.join(', ')}. ` +
        `Give ${needed.join(', ')}, and split and seed where there are several.`,
    );
  }
  const classColumns = columns.filter((column) => column.startsWith(PROBABILITY));
  const lines: number[] = [];
  const rows: PredictionRow[] = [];
  for (const { record, info } of records) {
    const { chosen, point, split = '1', seed = '1', image, label, predicted, group } = record;
    const line = info.lines;
    if (chosen !== undefined && chosen !== '0' && chosen !== '1') {
      throw new FrostlineError(`${name}, line ${line}: chosen is '${chosen}'; expected 1 or 0.`);
    }
    if (chosen === '0') continue;
    const empty = Object.entries({ point, split, seed, image, label, predicted }).find(([, value]) => value === '');
    if (empty !== undefined) {
      throw new FrostlineError(`${name}, line ${line}: ${empty[0]} is empty. Fill it in, or remove the row.`);
    }
    lines.push(line);
    rows.push({
      point: unguarded(point),
      split,
      seed,
      image: unguarded(image),
      label: unguarded(label),
      predicted: unguarded(predicted),
      ...(group !== undefined && group !== '' && { group: unguarded(group) }),
      ...(classColumns.length > 0 && {
        probabilities: Object.fromEntries(
          classColumns.map((column) => [column.slice(PROBABILITY.length), numberOf(record[column])]),
        ),
      }),
    });
  }
  return { rows, at: (row) => `${name}, line ${lines[row]}` };
}

const numberOf = (text: string) => (text === '' ? Number.NaN : Number(text));
