/** What a cell of a grid said of each test image: the one reader of its predictions.csv, which `predictionsCsv` writes. */
import { parse } from 'csv-parse/sync';
import { FrostlineError } from '../errors.ts';
import { join } from '../host.ts';
import { ReadError, readText } from '../read-files.ts';
import { unguarded } from '../text.ts';
import type { CellResult } from './results.ts';

export interface Said {
  readonly image: string;
  readonly label: string;
  readonly predicted: string;
  /** by class */
  readonly probabilities: Readonly<Record<string, number>>;
}

/**
 * Read by place, not by name: a class may be called as a column is.
 * @param folder the grid's
 * @param cell one that is finished
 * @throws FrostlineError where the file is missing, is not what a cell writes, or does not agree with the cell's confusion matrix
 */
export async function readSaid(
  folder: string,
  cell: Pick<CellResult, 'folder' | 'confusion'>,
  classes: readonly string[],
): Promise<Said[]> {
  const own = join(folder, cell.folder!);
  const file = join(own, 'predictions.csv');
  const refusal = (why: string) =>
    new FrostlineError(`${file} ${why}. Delete ${own}, and the sweep runs the cell again.`);
  let records: string[][];
  try {
    records = parse(await readText(file), { from_line: 2 }) as string[][];
  } catch (error) {
    if (error instanceof ReadError) throw refusal(`cannot be read (${error.code})`);
    throw refusal(`is no table of predictions (${(error as Error).message})`);
  }
  const counts = classes.map(() => classes.map(() => 0));
  const said = records.map((record, i) => {
    const [image, label, predicted, ...rest] = record.map(unguarded);
    const probabilities = rest.map(Number);
    const [is, as] = [classes.indexOf(label), classes.indexOf(predicted)];
    if (is < 0 || as < 0 || rest.length !== classes.length || !probabilities.every((p) => p >= 0 && p <= 1)) {
      throw refusal(`has in line ${i + 2} not an image, two classes and ${classes.length} probabilities`);
    }
    counts[is][as]++;
    return {
      image,
      label,
      predicted,
      probabilities: Object.fromEntries(classes.map((c, at) => [c, probabilities[at]])),
    };
  });
  // Rows that are missing would change a verdict without a word.
  if (cell.confusion !== undefined && String(counts) !== String(cell.confusion)) {
    throw refusal(`has ${said.length} rows, which do not add up to the confusion matrix in result.json`);
  }
  return said;
}
