import { checkArguments, FINITE, INTEGER, OBJECT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { Random } from '../random.ts';
import { decodeText, readGiven } from '../read-files.ts';
import { DATASET, type ImageDataset } from './dataset.ts';

/** Indices into the data set's samples, ascending. */
export interface Split {
  readonly train: readonly number[];
  readonly test: readonly number[];
}

/** How images are divided into parts. */
export interface SplitOptions {
  /** Share of each class that is trained on (default 0.75). */
  trainFraction?: number;
  /** Any integer. */
  seed: number;
}

/** Separates this use of a seed from others. */
const SPLIT_STREAM = 0x73706c74;

/**
 * Divides a data set so that each class keeps its share: round(n x trainFraction) of its n samples are trained on, and
 * at least one stands on either side. Where samples have groups, whole groups are divided and the shares are met as
 * nearly as they allow. The draw depends on the seed and the sample ids alone, not on their order.
 *
 * @throws FrostlineError that names the classes with fewer than two samples, or groups
 */
export function stratifiedSplit(dataset: ImageDataset, options: SplitOptions): Split {
  checkArguments('stratifiedSplit', {
    dataset: [dataset, DATASET],
    'the options': [options, OBJECT],
    seed: [options?.seed, INTEGER],
  });
  checkOptions('stratifiedSplit', options, { trainFraction: FINITE, seed: true });
  const fraction = options.trainFraction ?? 0.75;
  if (!(fraction > 0 && fraction < 1)) {
    throw new FrostlineError(`trainFraction is ${fraction}; expected a number between 0 and 1, for example 0.75`);
  }
  const [train, test] = divide(dataset, [fraction, 1 - fraction], options.seed);
  return { train, test };
}

/**
 * Cross-validation: `folds` splits, each sample in the test part of exactly one, stratified and by group as in
 * `stratifiedSplit`.
 */
export function kFold(dataset: ImageDataset, { folds, seed }: { folds: number; seed: number }): Split[] {
  if (!Number.isInteger(folds) || folds < 2) {
    throw new FrostlineError(`folds is ${folds}; expected a whole number from 2 on`);
  }
  const parts = divide(dataset, new Array<number>(folds).fill(1 / folds), seed);
  return parts.map((test, fold) => ({
    train: parts
      .filter((_, other) => other !== fold)
      .flat()
      .sort((a, b) => a - b),
    test,
  }));
}

/** Samples that must stay together: those of a group, or one alone. */
interface Unit {
  readonly key: string;
  readonly samples: number[];
}

function unitsOf({ samples }: ImageDataset): Unit[] {
  const units = new Map<string, Unit>();
  samples.forEach(({ id, group }, index) => {
    const key = group === undefined ? `sample ${id}` : `group ${group}`;
    const unit = units.get(key) ?? { key, samples: [] };
    unit.samples.push(index);
    units.set(key, unit);
  });
  return [...units.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Parts of the data set with these shares of each class, as ascending sample indices. */
function divide(dataset: ImageDataset, shares: readonly number[], seed: number): number[][] {
  const units = unitsOf(dataset);
  const unitsOfClass = dataset.classes.map((_, label) =>
    units.filter(({ samples }) => samples.some((index) => dataset.samples[index].label === label)),
  );
  const grouped = units.some(({ samples }) => samples.length > 1);
  const tooFew = dataset.classes.flatMap((name, label) =>
    unitsOfClass[label].length < shares.length ? [`'${name}' (${unitsOfClass[label].length})`] : [],
  );
  if (tooFew.length > 0) {
    throw new FrostlineError(
      `too few ${grouped ? 'groups' : 'images'} to divide ${dataset.path}: ${tooFew.join(', ')}; ` +
        `expected ${shares.length} or more in each class. Add some, or leave the class out`,
    );
  }
  const parts = grouped ? divideGroups(dataset, units, shares, seed) : divideClasses(unitsOfClass, shares, seed);
  return parts.map((part) => part.flatMap(({ samples }) => samples).sort((a, b) => a - b));
}

/** Each class by itself: shuffled, then cut where the cumulated shares round to. */
function divideClasses(unitsOfClass: readonly Unit[][], shares: readonly number[], seed: number): Unit[][] {
  const parts: Unit[][] = shares.map(() => []);
  unitsOfClass.forEach((units, label) => {
    const order = new Random(seed, SPLIT_STREAM + label).permutation(units.length);
    let share = 0;
    let cut = 0;
    shares.forEach((part, i) => {
      share += part;
      const start = cut;
      // 1e-9: the sum of ten tenths must not round differently from one.
      const nearest = Math.floor(units.length * share + 0.5 + 1e-9);
      const last = units.length - (shares.length - 1 - i);
      cut = i === shares.length - 1 ? units.length : Math.min(Math.max(nearest, start + 1), last);
      for (const at of order.subarray(start, cut)) parts[i].push(units[at]);
    });
  });
  return parts;
}

/** Draws tried where a class is left out of a part. */
const ATTEMPTS = 20;

/**
 * Whole groups, the largest first, each to the part that lacks most of its classes (iterative stratification, Sechidis
 * et al., 2011, for groups); then single groups move while that brings the shares nearer.
 */
function divideGroups(
  dataset: ImageDataset,
  units: readonly Unit[],
  shares: readonly number[],
  seed: number,
): Unit[][] {
  const classes = dataset.classes.length;
  const countsOf = new Map(
    units.map((unit) => {
      const counts = new Array<number>(classes).fill(0);
      for (const index of unit.samples) counts[dataset.samples[index].label]++;
      return [unit, counts] as const;
    }),
  );
  const totals = new Array<number>(classes).fill(0);
  for (const { label } of dataset.samples) totals[label]++;

  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const order = new Random(seed, SPLIT_STREAM + attempt).permutation(units.length);
    const shuffled = Array.from(order, (at) => units[at]).sort((a, b) => b.samples.length - a.samples.length);
    // held[part][class]: samples given to a part so far.
    const held = shares.map(() => new Array<number>(classes).fill(0));
    const partOf = new Map<Unit, number>();
    const give = (unit: Unit, part: number, sign: 1 | -1) =>
      countsOf.get(unit)!.forEach((count, label) => void (held[part][label] += sign * count));

    for (const unit of shuffled) {
      const lack = shares.map((share, part) =>
        countsOf
          .get(unit)!
          .reduce((sum, n, label) => sum + (n / totals[label]) * (1 - held[part][label] / (share * totals[label])), 0),
      );
      const part = lack.indexOf(Math.max(...lack));
      partOf.set(unit, part);
      give(unit, part, 1);
    }

    /** How far the parts are from their shares; a class missing from a part counts for more than any distance. */
    const distance = () =>
      held.reduce(
        (sum, counts, part) =>
          sum + counts.reduce((s, n, label) => s + (n === 0 ? 1e6 : 0) + (n / totals[label] - shares[part]) ** 2, 0),
        0,
      );
    let best = distance();
    for (let moved = true; moved; ) {
      moved = false;
      for (const unit of shuffled) {
        for (let to = 0; to < shares.length; to++) {
          const from = partOf.get(unit)!;
          if (to === from) continue;
          give(unit, from, -1);
          give(unit, to, 1);
          const after = distance();
          if (after < best - 1e-12) {
            best = after;
            partOf.set(unit, to);
            moved = true;
          } else {
            give(unit, to, -1);
            give(unit, from, 1);
          }
        }
      }
    }
    if (best < 1e6) return shares.map((_, part) => units.filter((unit) => partOf.get(unit) === part));
  }
  throw new FrostlineError(
    `${dataset.path} cannot be divided by group so that every class stands in all ${shares.length} parts; ` +
      'leave out a class that is in few groups, or use fewer folds',
  );
}

const FORMAT = 'frostline split 1';

/** A saved split names samples by class and id, so that it can be read, compared and checked. */
interface SavedSplit {
  readonly format: typeof FORMAT;
  readonly dataset: string;
  readonly seed?: number;
  readonly train: Record<string, string[]>;
  readonly test: Record<string, string[]>;
}

/** A split as the JSON text that `loadSplit` reads. @param seed kept for the record */
export function formatSplit(split: Split, dataset: ImageDataset, seed?: number): string {
  const idsByClass = (indices: readonly number[]) =>
    Object.fromEntries(
      dataset.classes.map((name, label) => [
        name,
        indices.filter((index) => dataset.samples[index].label === label).map((index) => dataset.samples[index].id),
      ]),
    );
  const saved: SavedSplit = {
    format: FORMAT,
    dataset: dataset.name,
    ...(seed !== undefined && { seed }),
    train: idsByClass(split.train),
    test: idsByClass(split.test),
  };
  return `${JSON.stringify(saved, null, 2)}\n`;
}

/**
 * Reads a split and checks it against the data set: each sample on exactly one side, under the same class, no group on
 * both.
 *
 * @throws FrostlineError with what differs
 */
export async function loadSplit(path: string, dataset: ImageDataset): Promise<Split> {
  const saved = await readSaved(path);
  const indexOf = new Map(dataset.samples.map(({ id }, index) => [id, index]));
  const sideOf = new Map<number, string>();
  const differ = (what: string): never => {
    throw new FrostlineError(
      `${path} does not fit the data set ${dataset.path}: ${what}. Use the data set that was split, or split again`,
    );
  };
  const side = (name: 'train' | 'test'): number[] => {
    const indices = Object.entries(saved[name]).flatMap(([className, ids]) =>
      ids.map((id) => {
        const index = indexOf.get(id) ?? differ(`it has no sample '${id}'`);
        const actual = dataset.classes[dataset.samples[index].label];
        if (actual !== className) differ(`'${id}' is of class '${actual}', not '${className}'`);
        if (sideOf.has(index)) differ(`'${id}' stands twice, in ${sideOf.get(index)} and ${name}`);
        sideOf.set(index, name);
        return index;
      }),
    );
    return indices.sort((a, b) => a - b);
  };
  const split = { train: side('train'), test: side('test') };
  const missing = dataset.samples.filter((_, index) => !sideOf.has(index));
  if (missing.length > 0) differ(`${missing.length} samples stand on neither side, the first is '${missing[0].id}'`);

  const trained = new Set(
    split.train.map((index) => dataset.samples[index].group).filter((group) => group !== undefined),
  );
  const leaked = split.test.find((index) => trained.has(dataset.samples[index].group ?? ''));
  if (leaked !== undefined) differ(`group '${dataset.samples[leaked].group}' stands on both sides`);
  return split;
}

async function readSaved(path: string): Promise<SavedSplit> {
  const text = decodeText(await readGiven(path), path);
  const isSide = (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((ids) => Array.isArray(ids) && ids.every((id) => typeof id === 'string'));
  try {
    const saved = JSON.parse(text) as SavedSplit;
    if (saved.format === FORMAT && isSide(saved.train) && isSide(saved.test)) return saved;
  } catch {
    // Said below: it is no split, whatever else it may be.
  }
  throw new FrostlineError(`${path} is no saved split; expected JSON with "format": "${FORMAT}", train and test`);
}
