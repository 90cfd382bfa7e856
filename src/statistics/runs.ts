/**
 * The table of an experiment, a row for each image of each run, and what it becomes: for each point the same runs in the
 * same order over the same images, so that points can be compared pair by pair. Reads nothing from disk.
 */
import { FrostlineError } from '../errors.ts';

/** One image in one run. */
export interface PredictionRow {
  /** what is compared: a freeze point, a strategy */
  readonly point: string;
  /** the division into training and test part, or the fold */
  readonly split: string;
  /** the repetition on that split */
  readonly seed: string;
  readonly image: string;
  /** true class */
  readonly label: string;
  readonly predicted: string;
  /** what images must not be treated as independent within: a patient */
  readonly group?: string;
  /** by class */
  readonly probabilities?: Readonly<Record<string, number>>;
}

/** One run of one point, its images in an order that all points share. */
export interface Run {
  /** Class of each image, an index into `classes`. */
  readonly labels: Uint32Array;
  readonly predicted: Uint32Array;
  /** [images, classes], where the table has them. */
  readonly probabilities?: Float64Array;
}

/** What a run was tested on; shared by all points. */
export interface Trial {
  /** index into `splits` */
  readonly split: number;
  readonly seed: string;
  /** For each image, the unit that is resampled: its group, or itself. */
  readonly units: Uint32Array;
}

export interface Runs {
  /** In the order in which the table names them first: for a grid, by depth. */
  readonly points: readonly string[];
  /** Sorted. */
  readonly classes: readonly string[];
  readonly splits: readonly string[];
  /** Distinct images, and distinct units: groups, or the images themselves. */
  readonly images: number;
  readonly units: number;
  readonly grouped: boolean;
  readonly trials: readonly Trial[];
  /** [point][trial] */
  readonly runs: readonly (readonly Run[])[];
  /** Every row has probabilities. */
  readonly probabilities: boolean;
}

const distinct = (values: Iterable<string>): string[] => [...new Set(values)];

/** What a run is told from others by. */
const keyOf = (point: string, split: string, seed: string) => JSON.stringify([point, split, seed]);

/**
 * @param at says where a row stands, for messages
 * @throws FrostlineError where runs are missing, doubled or over other images than those of other points, where an image
 * has two classes or groups, or a class has no image in a split
 */
export function gatherRuns(rows: readonly PredictionRow[], at = (row: number) => `row ${row + 1}`): Runs {
  if (rows.length === 0) throw new FrostlineError('The table has no rows. Give a row for each image of each run.');
  const points = distinct(rows.map(({ point }) => point));
  if (points.length < 2) {
    throw new FrostlineError(`The table has one point, '${points[0]}'. A verdict compares two or more.`);
  }
  const splits = distinct(rows.map(({ split }) => split));
  const classes = distinct(rows.map(({ label }) => label)).sort();
  const { imageIndex, unitOf, units, grouped } = imagesOf(rows, at);
  const probabilities = rows.every((row) => row.probabilities !== undefined);
  const tables = tablesOf(rows, at, (row) => problemOf(row, classes, probabilities));

  const missing: string[] = [];
  const trials: Trial[] = [];
  const runs: Run[][] = points.map(() => []);
  for (const trial of distinct(rows.map(({ split, seed }) => JSON.stringify([split, seed])))) {
    const [split, seed] = JSON.parse(trial) as [string, string];
    const of = points.map((point) => ({ point, table: tables.get(keyOf(point, split, seed)) }));
    const absent = of.filter(({ table }) => table === undefined);
    missing.push(...absent.map(({ point }) => `point '${point}', split '${split}', seed '${seed}'`));
    if (missing.length > 0) continue;
    const images = sameImages(of as { point: string; table: RunTable }[], split, seed);
    const own = Uint32Array.from(images, (image) => unitOf[imageIndex.get(image)!]);
    trials.push({ split: splits.indexOf(split), seed, units: own });
    for (const [p, { table }] of of.entries()) {
      const ofRun = images.map((image) => rows[table!.get(image)!]);
      runs[p].push(runOf(ofRun, { classes, split, probabilities }));
    }
  }
  if (missing.length > 0) throw lacking(missing);
  return { points, classes, splits, images: imageIndex.size, units, grouped, trials, runs, probabilities };
}

/** Of one run: the row of each image. */
type RunTable = ReadonlyMap<string, number>;

/** @param problem what is wrong with a row by itself */
function tablesOf(
  rows: readonly PredictionRow[],
  at: (row: number) => string,
  problem: (row: PredictionRow) => string | undefined,
): ReadonlyMap<string, RunTable> {
  const tables = new Map<string, Map<string, number>>();
  for (const [i, row] of rows.entries()) {
    const wrong = problem(row);
    if (wrong !== undefined) throw new FrostlineError(`${at(i)}: ${wrong}`);
    const { point, split, seed, image } = row;
    const run = keyOf(point, split, seed);
    const table = tables.get(run) ?? new Map<string, number>();
    tables.set(run, table);
    const before = table.get(image);
    if (before !== undefined) {
      throw new FrostlineError(
        `${at(i)} and ${at(before)}: point '${point}', split '${split}', seed '${seed}' has the image '${image}' ` +
          'twice. Runs that differ in something else, a rate perhaps, need points, splits or seeds of their own.',
      );
    }
    table.set(image, i);
  }
  return tables;
}

/** What is wrong with a row by itself. */
function problemOf({ predicted, probabilities }: PredictionRow, classes: readonly string[], all: boolean) {
  if (!classes.includes(predicted)) {
    return (
      `predicted is '${predicted}', a class that no image has; classes are ${classes.join(', ')}. ` +
      'Write both columns with the same names.'
    );
  }
  const wrong = all ? classes.find((name) => !(probabilities![name] >= 0 && probabilities![name] <= 1)) : undefined;
  if (wrong === undefined) return undefined;
  return `the probability of '${wrong}' is ${probabilities![wrong]}; expected a number from 0 to 1.`;
}

/** The images that all points of a trial were tested on, in the order of the first. */
function sameImages(
  of: readonly { readonly point: string; readonly table: RunTable }[],
  split: string,
  seed: string,
): readonly string[] {
  const images = [...of[0].table.keys()];
  for (const { point, table } of of) {
    if (table.size === images.length && images.every((image) => table.has(image))) continue;
    throw new FrostlineError(
      `Point '${point}', split '${split}', seed '${seed}' was tested on other images than the points before ` +
        'it. Points are compared on the same images: give each the same test part.',
    );
  }
  return images;
}

function runOf(
  rows: readonly PredictionRow[],
  { classes, split, probabilities }: { classes: readonly string[]; split: string; probabilities: boolean },
): Run {
  const labels = Uint32Array.from(rows, ({ label }) => classes.indexOf(label));
  const empty = classes.find((_, c) => !labels.includes(c));
  if (empty !== undefined) {
    throw new FrostlineError(
      `Split '${split}' tests no image of class '${empty}', so its recall there is undefined. Draw splits that ` +
        'are stratified by class, or leave the class out.',
    );
  }
  const ofClasses = (row: PredictionRow) => classes.map((name) => row.probabilities![name]);
  return {
    labels,
    predicted: Uint32Array.from(rows, ({ predicted }) => classes.indexOf(predicted)),
    ...(probabilities && { probabilities: Float64Array.from(rows.flatMap(ofClasses)) }),
  };
}

const lacking = (missing: readonly string[]) =>
  new FrostlineError(
    `The table lacks ${missing.length === 1 ? 'a run' : `${missing.length} runs`}: ${missing.slice(0, 3).join('; ')}` +
      `${missing.length > 3 ? '; ...' : ''}. Points are compared run by run: add these, or leave the point out.`,
  );

function imagesOf(rows: readonly PredictionRow[], at: (row: number) => string) {
  const imageIndex = new Map<string, number>();
  const first: number[] = [];
  const unitIndex = new Map<string, number>();
  const unitOf: number[] = [];
  rows.forEach(({ image, label, group }, row) => {
    const known = imageIndex.get(image);
    if (known === undefined) {
      imageIndex.set(image, first.length);
      first.push(row);
      const unit = group === undefined || group === '' ? `image ${image}` : `group ${group}`;
      if (!unitIndex.has(unit)) unitIndex.set(unit, unitIndex.size);
      unitOf.push(unitIndex.get(unit)!);
      return;
    }
    const before = rows[first[known]];
    for (const [what, now, then] of [
      ['class', label, before.label],
      ['group', group ?? '', before.group ?? ''],
    ]) {
      if (now === then) continue;
      throw new FrostlineError(
        `${at(row)}: image '${image}' has the ${what} '${now}', and '${then}' at ${at(first[known])}. Give an image one ` +
          `${what}; if these are different images, give them different names.`,
      );
    }
  });
  return { imageIndex, unitOf, units: unitIndex.size, grouped: unitIndex.size < imageIndex.size };
}
