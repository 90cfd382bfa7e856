import { basename, dirname, extname } from 'node:path';
// Its reader for Node goes through streams, which a damaged archive keeps waiting, or turning, for ever.
import { FrostlineError } from '../errors.ts';
import type { ImageDataset, Sample } from './dataset.ts';
import { entriesBelow, entriesOf, hasImageExtension, kindOf, readWhole, relativeId } from './files.ts';
import { saysMask } from './masks.ts';
import { refuseAll } from './problems.ts';
import { checkWorkbook } from './unpack.ts';

/** How the PH2 data set is read. */
export interface Ph2Options {
  /** 'melanoma': melanoma against the rest, the usual task (default); 'three-class': common, atypical, melanoma. */
  task?: 'melanoma' | 'three-class';
  /** Accept other numbers of cases than PH2's 80 common nevi, 80 atypical nevi and 40 melanomas. */
  allowCounts?: boolean;
  /** Megabytes that the .xlsx may become when it is unpacked (default 1024). */
  maxUnpacked?: number;
}

/** The table's code: 0 common nevus, 1 atypical nevus, 2 melanoma. */
type Diagnosis = 0 | 1 | 2;
interface Case {
  id: string;
  diagnosis: Diagnosis;
}

const tasks = {
  melanoma: { classes: ['benign', 'melanoma'], labelOf: [0, 0, 1] },
  'three-class': { classes: ['common nevus', 'atypical nevus', 'melanoma'], labelOf: [0, 1, 2] },
} as const;

const published = [80, 80, 40];
const caseId = /^IMD\d{3}$/i;
const isTableName = (path: string): boolean => /^PH2.*dataset\.(txt|xlsx)$/i.test(basename(path));

/** PH2's table in a folder or one level below it, `.txt` before `.xlsx`; undefined where there is none. */
export async function findPh2Table(path: string): Promise<string | undefined> {
  if ((await kindOf(path)) === 'file') return isTableName(path) ? path : undefined;
  const { files, folders } = await entriesOf(path);
  for (const folder of folders) files.push(...(await entriesOf(folder)).files);
  const tables = files.filter(isTableName);
  return tables.find((file) => file.toLowerCase().endsWith('.txt')) ?? tables[0];
}

/**
 * Refuses the folder of PH2's images in place of PH2's: its cases would pass for classes.
 * @throws FrostlineError that names the folder to give
 */
export async function refuseInnerPh2(path: string): Promise<void> {
  const { folders } = await entriesOf(path);
  const cases = folders.filter((folder) => caseId.test(basename(folder)));
  if (cases.length < 2 || cases.length < folders.length / 2) return;
  const above = dirname(path);
  const table = await findPh2Table(above).catch(() => undefined);
  throw new FrostlineError(
    `${path} holds PH2's cases (${cases
      .slice(0, 3)
      .map((folder) => basename(folder))
      .join(', ')}, ...), which are no classes, without their diagnoses. ` +
      (table === undefined
        ? 'Give the folder that holds PH2_dataset.txt or .xlsx as well, or --format folder where these are classes'
        : `Give the folder above, which has ${basename(table)}: ${above}`),
  );
}

/**
 * PH2 (Mendonça et al., 2013): 200 dermoscopic images with a clinical diagnosis, as they lie on disk. The table is
 * `PH2_dataset.txt` or `.xlsx`; the images are found below its folder by their names, `IMD002` and the like, whatever the folders
 * are called. Lesion masks are passed over. Case ids become the sample ids.
 */
export async function loadPh2(path: string, options: Ph2Options = {}): Promise<ImageDataset> {
  const table = await findPh2Table(path);
  if (!table) {
    throw new FrostlineError(
      `${path} holds no PH2_dataset.txt or PH2_dataset.xlsx; give the folder of PH2 that has its table and its images`,
    );
  }
  const cases = table.toLowerCase().endsWith('.xlsx')
    ? await readXlsx(table, options.maxUnpacked)
    : await readTxt(table);
  checkCounts(table, cases, options.allowCounts ?? false);

  // Mirrors put the table beside the images' folder, or in a folder of its own: search from the folder that was given.
  const root = (await kindOf(path)) === 'folder' ? path : dirname(path);
  const { images, others } = await findImages(root);
  const problems: string[] = [];
  const { classes, labelOf } = tasks[options.task ?? 'melanoma'];
  const samples: Sample[] = [];
  for (const { id, diagnosis } of cases) {
    const found = images.get(id) ?? [];
    images.delete(id);
    if (found.length === 1) samples.push({ id, label: labelOf[diagnosis], source: { file: found[0] } });
    else if (found.length === 0) problems.push(`${id}: no image ${id}.bmp, .png or .jpg`);
    else problems.push(`${id}: ${found.length} images: ${found.map((file) => relativeId(root, file)).join(', ')}`);
  }
  refuseAll(
    `${root}: ${problems.length} of ${cases.length} cases of ${basename(table)} have not exactly one image`,
    problems,
    'Complete the download, or remove the files too many (folders named lesion, mask, roi, label are passed over).',
  );
  const ignored = [
    ...others.map((file) => ({ path: relativeId(root, file), reason: 'a mask or a file beside the images' })),
    ...[...images].flatMap(([id, files]) =>
      files.map((file) => ({ path: relativeId(root, file), reason: `${id} does not stand in ${basename(table)}` })),
    ),
  ];
  return {
    name: 'PH2',
    path: root,
    format: 'ph2',
    classes,
    samples,
    ignored,
    notes: [`diagnoses of ${basename(table)}`],
  };
}

/**
 * Rows are `|| IMD003 || histology, mostly blank || 0|1|2 || features || colours ||`; a legend follows. Read as
 * Latin-1: the file holds bytes that are no UTF-8, and none of them matters.
 */
async function readTxt(file: string): Promise<Case[]> {
  const text = Buffer.from(await readWhole(file)).toString('latin1');
  const cases: Case[] = [];
  const problems: string[] = [];
  text.split(/\r\n|\n|\r/).forEach((line, index) => {
    const [, name = '', , code = ''] = line.split('||').map((cell) => cell.trim());
    if (!caseId.test(name)) return;
    if (/^[012]$/.test(code)) cases.push({ id: name.toUpperCase(), diagnosis: Number(code) as Diagnosis });
    else problems.push(`line ${index + 1}: ${name} has the clinical diagnosis '${code}', expected 0, 1 or 2`);
  });
  refuseAll(`${file}: rows without a diagnosis`, problems, 'Compare the file with the original.');
  return cases;
}

/** A header row somewhere below the title, then a row for each case with an X under its diagnosis. */
async function readXlsx(file: string, maxUnpacked?: number): Promise<Case[]> {
  const bytes = await readWhole(file);
  checkWorkbook(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), file, maxUnpacked);
  // Its 40 modules are for this one format.
  const { readSheet } = await import('read-excel-file/universal');
  const rows = await readSheet(bytes.slice().buffer).catch((error: Error) => {
    throw new FrostlineError(`${file} is no readable Excel file (${error.message}); use PH2_dataset.txt instead`);
  });
  const text = rows.map((row) => row.map((cell) => String(cell ?? '').trim()));
  const names = ['image name', 'common nevus', 'atypical nevus', 'melanoma'];
  let columns: number[] = [];
  const headerAt = text.findIndex((row) => {
    const lower = row.map((cell) => cell.toLowerCase().replace(/\s+/g, ' '));
    columns = names.map((name) => lower.indexOf(name));
    return columns.every((column) => column >= 0);
  });
  if (headerAt < 0) {
    throw new FrostlineError(`${file} has no row with the headers ${names.join(', ')}; compare it with the original`);
  }
  const [nameColumn, ...markColumns] = columns;
  const cases: Case[] = [];
  const problems: string[] = [];
  for (const row of text.slice(headerAt + 1)) {
    const id = row[nameColumn] ?? '';
    if (!caseId.test(id)) continue;
    const marked = ([0, 1, 2] as const).filter((diagnosis) => /^x$/i.test(row[markColumns[diagnosis]] ?? ''));
    if (marked.length === 1) cases.push({ id: id.toUpperCase(), diagnosis: marked[0] });
    else problems.push(`${id}: ${marked.length} diagnoses marked with X, expected one`);
  }
  refuseAll(`${file}: rows without one diagnosis`, problems, 'Compare the file with the original.');
  return cases;
}

function checkCounts(table: string, cases: readonly Case[], allowCounts: boolean): void {
  const seen = new Set<string>();
  const twice = cases.filter(({ id }) => seen.size === seen.add(id).size).map(({ id }) => `${id} stands twice`);
  refuseAll(`${table}: cases that are not unique`, twice, 'Compare the file with the original.');
  const counts = [0, 1, 2].map((code) => cases.filter(({ diagnosis }) => diagnosis === code).length);
  if (cases.length === 0)
    throw new FrostlineError(`${table} holds no case; expected rows that begin with || IMD002 || or the like`);
  if (!allowCounts && counts.some((count, code) => count !== published[code])) {
    throw new FrostlineError(
      `${table}: ${counts.join(' / ')} cases (common / atypical / melanoma), expected PH2's ${published.join(' / ')}; ` +
        'complete the download, or give --allow-counts if you mean to use a part',
    );
  }
}

/** Images by case id; masks, which some mirrors keep under the images' own names in a folder beside, are told apart. */
async function findImages(root: string): Promise<{ images: Map<string, string[]>; others: string[] }> {
  const images = new Map<string, string[]>();
  const others: string[] = [];
  for (const file of (await entriesBelow(root)).files) {
    const id = basename(file, extname(file)).toUpperCase();
    const folders = relativeId(root, dirname(file)).split('/');
    const isMask = folders.some((folder) => saysMask(folder) || /(^|[\s_-])(truth|trainy)$/i.test(folder));
    if (caseId.test(id) && hasImageExtension(file) && !isMask) images.set(id, [...(images.get(id) ?? []), file]);
    else if (!isTableName(file)) others.push(file);
  }
  return { images, others };
}
