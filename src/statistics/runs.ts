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
  const withProbabilities = rows.every(({ probabilities }) => probabilities !== undefined);

  // point, split and seed of a run, then image: the row.
  const tables = new Map<string, Map<string, number>>();
  const key = (point: string, split: string, seed: string) => JSON.stringify([point, split, seed]);
  rows.forEach(({ point, split, seed, image, predicted, probabilities }, row) => {
    if (!classes.includes(predicted)) {
      throw new FrostlineError(
        `${at(row)}: predicted is '${predicted}', a class that no image has; classes are ${classes.join(', ')}. ` +
          'Write both columns with the same names.',
      );
    }
    if (withProbabilities) {
      for (const name of classes) {
        const p = probabilities![name];
        if (p === undefined || !(p >= 0 && p <= 1)) {
          throw new FrostlineError(`${at(row)}: the probability of '${name}' is ${p}; expected a number from 0 to 1.`);
        }
      }
    }
    const run = key(point, split, seed);
    const table = tables.get(run) ?? new Map<string, number>();
    tables.set(run, table);
    const before = table.get(image);
    if (before !== undefined) {
      throw new FrostlineError(
        `${at(row)} and ${at(before)}: point '${point}', split '${split}', seed '${seed}' has the image '${image}' ` +
          'twice. Runs that differ in something else, a rate perhaps, need points, splits or seeds of their own.',
      );
    }
    table.set(image, row);
  });

  const trialKeys = distinct(rows.map(({ split, seed }) => JSON.stringify([split, seed])));
  const missing: string[] = [];
  const trials: Trial[] = [];
  const runs: Run[][] = points.map(() => []);
  for (const trialKey of trialKeys) {
    const [split, seed] = JSON.parse(trialKey) as [string, string];
    const of = points.map((point) => tables.get(key(point, split, seed)));
    const images = [...(of.find((table) => table !== undefined)?.keys() ?? [])];
    for (const [p, table] of of.entries()) {
      if (table === undefined) missing.push(`point '${points[p]}', split '${split}', seed '${seed}'`);
      else if (table.size !== images.length || images.some((image) => !table.has(image))) {
        throw new FrostlineError(
          `Point '${points[p]}', split '${split}', seed '${seed}' was tested on other images than the points before ` +
            'it. Points are compared on the same images: give each the same test part.',
        );
      }
    }
    if (missing.length > 0) continue;
    trials.push({
      split: splits.indexOf(split),
      seed,
      units: Uint32Array.from(images, (image) => unitOf[imageIndex.get(image)!]),
    });
    for (const [p, table] of of.entries()) {
      const own = images.map((image) => rows[table!.get(image)!]);
      const labels = Uint32Array.from(own, ({ label }) => classes.indexOf(label));
      const empty = classes.find((_, c) => !labels.includes(c));
      if (empty !== undefined) {
        throw new FrostlineError(
          `Split '${split}' tests no image of class '${empty}', so its recall there is undefined. Draw splits that ` +
            'are stratified by class, or leave the class out.',
        );
      }
      runs[p].push({
        labels,
        predicted: Uint32Array.from(own, ({ predicted }) => classes.indexOf(predicted)),
        ...(withProbabilities && {
          probabilities: Float64Array.from(own.flatMap((row) => classes.map((name) => row.probabilities![name]))),
        }),
      });
    }
  }
  if (missing.length > 0) {
    throw new FrostlineError(
      `The table lacks ${missing.length === 1 ? 'a run' : `${missing.length} runs`}: ${missing.slice(0, 3).join('; ')}` +
        `${missing.length > 3 ? '; ...' : ''}. Points are compared run by run: add these, or leave the point out.`,
    );
  }
  return {
    points,
    classes,
    splits,
    images: imageIndex.size,
    units,
    grouped,
    trials,
    runs,
    probabilities: withProbabilities,
  };
}

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
