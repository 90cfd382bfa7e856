import { basename, dirname, extname } from 'node:path';
import { FrostlineError } from '../errors.ts';
import { visibleName } from '../text.ts';
import { type ImageDataset, type Sample, sortedClasses } from './dataset.ts';
import { kindOf, relativeId } from './files.ts';
import { FileFinder } from './find-file.ts';
import { refuseAll } from './problems.ts';
import { indexOfColumn, type Row, readTable, type Table, type TableOptions } from './table.ts';

/** How a table of image files and classes is read. */
export interface CsvOptions extends TableOptions {
  /** Column of image files: its header, or its number from 1 (default 'path'). */
  pathColumn?: string;
  /** Column of class names (default 'label'). */
  labelColumn?: string;
  /** Columns that stand for a class each and hold 1 for the class of the row, 0 for the others. */
  labelColumns?: readonly string[];
  /** Column of groups (default 'group' where the table has it). An empty cell is a group of its own. */
  groupColumn?: string;
}

/** Where the columns of a table are. */
interface Columns {
  readonly path: number;
  readonly group: number;
  /** the column of class names, or a column for each class */
  readonly label: number | readonly number[];
}

/** What a cell of a one-hot column may hold: 1 and 0, or a cross and nothing. */
const isMark = (cell: string): boolean => cell === '' || isMarked(cell) || /^(0([.,]0*)?|false|no|n|-)$/i.test(cell);
const isMarked = (cell: string): boolean => /^(1([.,]0*)?|true|yes|y|x|✓|✔)$/i.test(cell);

/** Columns that hold marks alone, and one at least. */
function markColumns({ first, rows }: Table, taken: readonly number[] = []): number[] {
  const holdsMarks = (column: number) =>
    rows.every(({ cells }) => isMark(cells[column] ?? '')) && rows.some(({ cells }) => (cells[column] ?? '') !== '');
  return first.cells.flatMap((name, column) =>
    name !== '' && !taken.includes(column) && holdsMarks(column) ? [column] : [],
  );
}

/** How many of these columns a row marks. */
const marksIn = (columns: readonly number[], { cells }: Row): number =>
  columns.filter((column) => isMarked(cells[column] ?? '')).length;

/** Whether one of two or more columns is marked in (nearly) each row: a column a class. */
const areOneHot = (columns: readonly number[], rows: readonly Row[]): boolean =>
  columns.length >= 2 && rows.filter((row) => marksIn(columns, row) === 1).length >= 0.9 * rows.length;

/**
 * Of columns that hold marks, those that exclude each other: while a row marks two, the column that shares most rows with
 * others goes (a column `male` beside the classes).
 */
function exclusiveColumns(columns: readonly number[], rows: readonly Row[]): number[] {
  const left = [...columns];
  for (;;) {
    const shared = left.map((column) =>
      rows.reduce((sum, row) => sum + (isMarked(row.cells[column] ?? '') && marksIn(left, row) > 1 ? 1 : 0), 0),
    );
    const most = Math.max(0, ...shared);
    if (most === 0) return left;
    left.splice(shared.lastIndexOf(most), 1);
  }
}

/** @returns nothing where the table lacks what is needed and `path` is not given for messages */
function columnsOf(table: Table, options: CsvOptions, path?: string): Columns | undefined {
  const header = table.first.cells;
  const find = (option: string, name: string): number | undefined => {
    const index = indexOfColumn(header, name);
    if (path === undefined) return index < 0 ? undefined : index;
    if (index < 0)
      throw new FrostlineError(`${path} has no column '${visibleName(name)}'; ${whatThereIs(table, option)}`);
    if (header.indexOf(header[index], index + 1) < 0) return index;
    throw new FrostlineError(
      `${path} has two columns '${header[index]}'; rename one of them, or give its number: --${option} ${index + 1}`,
    );
  };
  const image = find('path-column', options.pathColumn ?? 'path');
  if (image === undefined) return undefined;
  const group =
    options.groupColumn === undefined ? indexOfColumn(header, 'group') : find('group-column', options.groupColumn);
  if (group === undefined) return undefined;
  const columns = (label: Columns['label']) => ({ path: image, group, label });
  if (options.labelColumns !== undefined) {
    if (options.labelColumn !== undefined) {
      throw new FrostlineError('--label-column and --label-columns: give one of them');
    }
    const each = options.labelColumns.map((name) => find('label-columns', name));
    return each.includes(undefined) ? undefined : columns(each as number[]);
  }
  if (options.labelColumn === undefined && indexOfColumn(header, 'label') < 0) {
    const each = markColumns(table, [image, group]);
    if (areOneHot(each, table.rows)) return columns(each);
  }
  const label = find('label-column', options.labelColumn ?? 'label');
  return label === undefined ? undefined : columns(label);
}

function whatThereIs({ first, rows }: Table, option: string): string {
  const names = first.cells.map((name) => (name === '' ? "''" : visibleName(name)));
  const hints = [`its columns are ${names.join(', ')}. Name the right one by --${option}`];
  if (names.length === 1) hints.push('or what stands between cells by --delimiter');
  const marks = markColumns({ first, rows });
  const exclusive = exclusiveColumns(marks, rows);
  const likely = areOneHot(exclusive, rows) ? exclusive : marks;
  if (option === 'label-column' && likely.length >= 2) {
    const each = likely.map((column) => first.cells[column]).join(',');
    hints.push(`or, where each class has a column of its own (one-hot), --label-columns ${each}`);
  }
  hints.push('or by its number from 1, as where there is no header');
  return hints.join(', ');
}

/**
 * Whether a CSV file has the columns that the options (or their defaults) name. A file that is no table, or whose text
 * is of an unknown encoding, has none, as far as its header cannot be read.
 */
export async function hasColumns(path: string, options: CsvOptions = {}): Promise<boolean> {
  const read = (encoding: string | undefined) => readTable(path, { ...options, encoding });
  const table = await read(options.encoding)
    .catch(() => read('windows-1252'))
    .catch(() => undefined);
  return table !== undefined && columnsOf(table, options) !== undefined;
}

/**
 * A table of images: file, class and, optionally, group. Files are relative to the table's folder, and found as
 * `FileFinder` says (HAM10000's `ISIC_0027419`, images in two folders). Each must be found once. A table may have no header:
 * its first row then names a file under the column of files.
 */
export async function loadCsv(path: string, options: CsvOptions = {}): Promise<ImageDataset> {
  const table = await readTable(path, options);
  const columns = columnsOf(table, options, path)!;
  const folder = dirname(path);
  const header = table.first.cells;
  const names = [table.first, ...table.rows].map(({ cells }) => cells[columns.path] ?? '');
  const finder = new FileFinder(folder, names.slice(1));
  const headless = options.pathColumn !== undefined && (await isImageRow(table, columns, finder));
  const rows = headless ? [table.first, ...table.rows] : table.rows;
  const notes: string[] = [];
  if (headless) notes.push('the table has no header: its first row is an image like the others');

  const problems: string[] = [];
  const samples: (Omit<Sample, 'label'> & { name: string })[] = [];
  const lineOf = new Map<string, number>();
  for (const row of rows) {
    const { cells, line } = row;
    // A comma too many moves a class into another column.
    if (cells.slice(header.length).some((cell) => cell !== '')) {
      problems.push(
        `line ${line}: ${cells.length} cells under ${header.length} columns; quote a cell that holds a comma`,
      );
      continue;
    }
    const name = cells[columns.path] ?? '';
    const label = labelOf(header, row, columns.label);
    if (name === '' || label.name === undefined) {
      problems.push(`line ${line}: ${name === '' ? 'the file is empty' : label.problem}`);
      continue;
    }
    const file = await finder.find(name);
    if (typeof file !== 'string') {
      problems.push(
        file.length === 0
          ? `line ${line}: ${visibleName(name)} not found${await zerosLost(finder, name)}`
          : `line ${line}: ${visibleName(name)} found ${file.length} times: ${file.map((one) => relativeId(folder, one)).join(', ')}`,
      );
      continue;
    }
    const before = lineOf.get(file);
    if (before !== undefined) {
      problems.push(`line ${line}: ${visibleName(name)} stands already on line ${before}`);
      continue;
    }
    lineOf.set(file, line);
    const group = columns.group >= 0 ? cells[columns.group] || undefined : undefined;
    const inside = relativeId(folder, file);
    samples.push({
      id: inside.startsWith('../') ? file : inside,
      name: label.name,
      ...(group !== undefined && { group }),
      source: { file },
    });
  }
  refuseAll(
    `${path}: ${problems.length} of ${rows.length} rows cannot be used`,
    problems,
    'Mend or remove these rows.',
  );
  if (samples.length === 0) throw new FrostlineError(`${path} has a header and no row; expected a row for each image`);

  if (finder.searched > 0) notes.push(`${finder.searched} images found by name below the folder of the table`);
  if (typeof columns.label !== 'number') {
    const used = new Set(samples.map(({ name }) => name));
    const unused = columns.label.map((column) => header[column]).filter((name) => !used.has(name));
    notes.push(`one column a class: ${columns.label.map((column) => header[column]).join(', ')}`);
    if (unused.length > 0) notes.push(`no image is of class ${unused.join(', ')}: left out`);
  }
  const classes = sortedClasses(samples.map(({ name }) => name));
  return {
    name: basename(path, extname(path)),
    path,
    format: 'csv',
    classes,
    samples: samples.map(({ name, ...sample }) => ({ ...sample, label: classes.indexOf(name) })),
    ignored: [],
    notes,
  };
}

/** A remark where the file is there under the same number with zeros before it. */
async function zerosLost(finder: FileFinder, name: string): Promise<string> {
  const there = await finder.sameNumber(name);
  return there === undefined ? '' : ` (a spreadsheet took the zeros of ${visibleName(there)}? Keep the column as text)`;
}

/** Whether the first row is no header: under the column of files it names one. */
async function isImageRow({ first }: Table, columns: Columns, finder: FileFinder): Promise<boolean> {
  const name = first.cells[columns.path] ?? '';
  if (!/[\d.]/.test(name) || typeof columns.label !== 'number') return false;
  const searched = finder.searched;
  const found = await finder.find(name);
  finder.searched = searched;
  return typeof found === 'string' && (await kindOf(found)) === 'file';
}

function labelOf(
  header: readonly string[],
  { cells }: Row,
  label: Columns['label'],
): { name?: string; problem: string } {
  if (typeof label === 'number') return { name: cells[label] || undefined, problem: 'the label is empty' };
  const odd = label.find((column) => !isMark(cells[column] ?? ''));
  if (odd !== undefined) {
    return {
      problem: `'${visibleName(cells[odd] ?? '')}' under ${header[odd]}; expected 1 (true, yes, x) for the class of the image, else 0 or nothing`,
    };
  }
  const marked = label.filter((column) => isMarked(cells[column]));
  if (marked.length === 1) return { name: header[marked[0]], problem: '' };
  const found = marked.map((column) => header[column]).join(', ') || 'none';
  return { problem: `${marked.length} classes marked (${found}); expected one` };
}
