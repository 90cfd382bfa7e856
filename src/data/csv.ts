import { basename, dirname, extname, isAbsolute, resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import { FrostlineError } from '../errors.ts';
import { type ImageDataset, type Sample, sortedClasses } from './dataset.ts';
import { filesBelow, isImageName, kindOf, readWhole, relativeId } from './files.ts';
import { refuseAll } from './problems.ts';

export interface CsvOptions {
  /** Header of the column of image files (default 'path'). */
  pathColumn?: string;
  /** Header of the column of class names (default 'label'). */
  labelColumn?: string;
  /** Header of the column of groups (default 'group' where the table has it). An empty cell is a group of its own. */
  groupColumn?: string;
  /** Between cells (default ',', in a .tsv file a tab). */
  delimiter?: string;
}

interface Table {
  header: string[];
  rows: { cells: string[]; line: number }[];
}

async function readTable(path: string, given: string | undefined): Promise<Table> {
  // A shell gives a tab as \t.
  const delimiter = given?.replaceAll('\\t', '\t') ?? (/\.tsv$/i.test(path) ? '\t' : ',');
  const bytes = await readWhole(path);
  let records: { record: string[]; info: { lines: number } }[];
  try {
    // With `info` each record comes with its line, for messages.
    records = parse(Buffer.from(bytes), {
      bom: true,
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof records;
  } catch (error) {
    throw new FrostlineError(`${path} is no CSV table: ${(error as Error).message}; check its quotes and delimiter`);
  }
  if (records.length === 0) throw new FrostlineError(`${path} is empty; expected a header and a row for each image`);
  const [first, ...rest] = records;
  return { header: first.record, rows: rest.map(({ record, info }) => ({ cells: record, line: info.lines })) };
}

const indexOfColumn = (header: readonly string[], name: string): number => {
  const exact = header.indexOf(name);
  return exact >= 0 ? exact : header.findIndex((column) => column.toLowerCase() === name.toLowerCase());
};

/** Whether a CSV file has the columns that the options (or their defaults) name. */
export async function hasColumns(path: string, options: CsvOptions = {}): Promise<boolean> {
  const { header } = await readTable(path, options.delimiter);
  return [options.pathColumn ?? 'path', options.labelColumn ?? 'label'].every(
    (name) => indexOfColumn(header, name) >= 0,
  );
}

/**
 * A table of images: file, class and, optionally, group. Files are relative to the table's folder. A bare name that
 * is no file there (HAM10000's `ISIC_0027419`, images in two folders) is searched below the folder, with or without
 * its extension; it must be found once.
 */
export async function loadCsv(path: string, options: CsvOptions = {}): Promise<ImageDataset> {
  const { header, rows } = await readTable(path, options.delimiter);
  const column = (option: string, name: string): number => {
    const index = indexOfColumn(header, name);
    if (index >= 0) {
      if (header.indexOf(header[index], index + 1) < 0) return index;
      throw new FrostlineError(`${path} has two columns '${header[index]}'; rename one of them`);
    }
    throw new FrostlineError(
      `${path} has no column '${name}'; its columns are ${header.join(', ')}. Name the right one by the option ${option}${
        header.length === 1 ? ', or what stands between cells by the option delimiter' : ''
      }`,
    );
  };
  const pathIndex = column('pathColumn', options.pathColumn ?? 'path');
  const labelIndex = column('labelColumn', options.labelColumn ?? 'label');
  const groupIndex = options.groupColumn ? column('groupColumn', options.groupColumn) : indexOfColumn(header, 'group');

  const folder = dirname(path);
  let byName: Map<string, string[]> | undefined;
  let searched = 0;
  const find = async (name: string): Promise<string | string[]> => {
    const direct = resolve(folder, name);
    if ((await kindOf(direct)) === 'file') return direct;
    if (name !== basename(name)) return [];
    byName ??= indexByName(await filesBelow(folder));
    const found = byName.get(name) ?? [];
    if (found.length !== 1) return found;
    searched++;
    return found[0];
  };

  const problems: string[] = [];
  const samples: (Omit<Sample, 'label'> & { name: string })[] = [];
  const lineOf = new Map<string, number>();
  for (const { cells, line } of rows) {
    // A comma too many moves a class into another column.
    if (cells.slice(header.length).some((cell) => cell !== '')) {
      problems.push(
        `line ${line}: ${cells.length} cells under ${header.length} columns; quote a cell that holds a comma`,
      );
      continue;
    }
    const [name, label] = [cells[pathIndex] ?? '', cells[labelIndex] ?? ''];
    if (name === '' || label === '') {
      problems.push(`line ${line}: the ${name === '' ? 'file' : 'label'} is empty`);
      continue;
    }
    const file = await find(name);
    if (typeof file !== 'string') {
      problems.push(
        file.length === 0
          ? `line ${line}: ${name} not found`
          : `line ${line}: ${name} found ${file.length} times: ${file.map((one) => relativeId(folder, one)).join(', ')}`,
      );
      continue;
    }
    const before = lineOf.get(file);
    if (before !== undefined) {
      problems.push(`line ${line}: ${name} stands already on line ${before}`);
      continue;
    }
    lineOf.set(file, line);
    const group = groupIndex >= 0 ? cells[groupIndex] || undefined : undefined;
    const id = isAbsolute(name) ? name : relativeId(folder, file);
    samples.push({ id, name: label, ...(group !== undefined && { group }), source: { file } });
  }
  refuseAll(
    `${path}: ${problems.length} of ${rows.length} rows cannot be used`,
    problems,
    'Mend or remove these rows.',
  );
  if (samples.length === 0) throw new FrostlineError(`${path} has a header and no row; expected a row for each image`);

  const classes = sortedClasses(samples.map(({ name }) => name));
  return {
    name: basename(path, extname(path)),
    path,
    format: 'csv',
    classes,
    samples: samples.map(({ name, ...sample }) => ({ ...sample, label: classes.indexOf(name) })),
    ignored: [],
    notes: searched > 0 ? [`${searched} images found by name below the folder of the table`] : [],
  };
}

/** Image files by their name, with and without the extension. */
function indexByName(files: readonly string[]): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const file of files.filter(isImageName)) {
    for (const name of [basename(file), basename(file, extname(file))])
      index.set(name, [...(index.get(name) ?? []), file]);
  }
  return index;
}
