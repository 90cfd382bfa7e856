/** Two benchmark files against each other: what got slower or faster beyond the noise of both. */
import { readFile } from 'node:fs/promises';
import { FrostlineError } from '../errors.ts';
import type { Precision } from '../gpu/storage.ts';
import { deviationsOf, type Timing } from './statistics.ts';

export interface Measured {
  readonly name: string;
  readonly timing: Timing;
}

/** What a row's name does not say of how it was measured. */
export interface Conditions {
  /** the adapter's name */
  readonly adapter: string;
  readonly precision: Precision;
  /** that were forced, as `algorithmsText` writes them; null where none were */
  readonly algorithm: string | null;
}

export interface Change {
  readonly name: string;
  /** milliseconds, medians */
  readonly before: number;
  readonly after: number;
  /** after / before */
  readonly ratio: number;
  readonly verdict: 'slower' | 'faster' | 'same';
}

/** Ratios nearer to 1 are never called a change: clocks and other work move that much. */
const LEAST = 1.05;
/** What one or two samples scatter by is not known from them: so much, of their median, is taken for it. */
const UNKNOWN = 1 / 12;

/** Other work makes times longer by a factor: noise is looked at as one, as is a change. */
const scatter = ({ median, spread, samples }: Timing) => Math.max(spread / median, samples < 3 ? UNKNOWN : 0);

const isTiming = ({ median, spread, samples }: Partial<Timing> = {}) =>
  [median, spread, samples].every((value) => Number.isFinite(value));

/** The rows that both have, in the new one's order. */
export function compareRows(before: readonly Measured[], after: readonly Measured[]): Change[] {
  const old = new Map(before.map((row) => [row.name, row.timing]));
  const deviations = deviationsOf(after.filter(({ name }) => old.has(name)).length);
  return after.flatMap(({ name, timing }) => {
    const was = old.get(name);
    if (was === undefined) return [];
    const ratio = timing.median / was.median;
    const noise = Math.max(Math.log(LEAST), deviations * Math.hypot(scatter(was), scatter(timing)));
    // A clock that shows 0 says nothing: no ratio is no change.
    const changed = Math.abs(Math.log(ratio)) > noise;
    const verdict = !changed ? 'same' : ratio > 1 ? 'slower' : 'faster';
    return [{ name, before: was.median, after: timing.median, ratio, verdict }];
  });
}

/** A row that looks slower is timed again so often. */
const LOOKS = 2;

/**
 * The rows that both have. What looks slower is timed again once all else was, for other work and clocks disturb a row for
 * seconds: only what is slower each time is called so, and the quickest time stands for it.
 *
 * @param again times a row anew
 */
export async function compareTwice<Row extends Measured>(
  before: readonly Measured[],
  after: readonly Row[],
  again: (row: Row) => Promise<Timing>,
): Promise<Change[]> {
  const rows: Measured[] = [...after];
  for (let look = 0; look < LOOKS; look++) {
    const slower = new Set(
      compareRows(before, rows).flatMap(({ name, verdict }) => (verdict === 'slower' ? name : [])),
    );
    for (const [i, { name, timing }] of rows.entries()) {
      if (!slower.has(name)) continue;
      const other = await again(after[i]);
      if (other.median < timing.median) rows[i] = { name, timing: other };
    }
  }
  return compareRows(before, rows);
}

/**
 * The rows of a file that `frostline bench ... --json` wrote.
 * @throws FrostlineError where it is no such file, or of other conditions, under which times mean nothing here
 */
export async function readMeasured(path: string, { adapter, precision, algorithm }: Conditions): Promise<Measured[]> {
  let file: { adapter?: { name?: string }; rows?: Measured[] } & Partial<Omit<Conditions, 'adapter'>>;
  try {
    file = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new FrostlineError(
      `--compare ${path}: ${(error as Error).message}. Give a file written by 'frostline bench --json'.`,
    );
  }
  // Rows that could not be timed have no time.
  const rows = Array.isArray(file?.rows) ? file.rows.filter((row) => isTiming(row?.timing) && 'name' in row) : [];
  if (rows.length === 0) {
    throw new FrostlineError(`--compare ${path}: no rows with times in it. Give a file of 'frostline bench --json'.`);
  }
  if (file.adapter?.name !== adapter) {
    throw new FrostlineError(
      `--compare ${path}: measured on ${file.adapter?.name ?? 'an unnamed adapter'}, this is ${adapter}. ` +
        'Choose that one with --adapter, or measure anew.',
    );
  }
  // A file that does not say was measured in single precision, by estimate.
  const was = { precision: file.precision ?? 'f32', algorithm: file.algorithm ?? null };
  if (was.precision !== precision) {
    throw new FrostlineError(
      `--compare ${path}: measured in ${was.precision}, this is ${precision}. ` +
        `Give --precision ${was.precision} where the command has it, or measure anew.`,
    );
  }
  if (was.algorithm !== algorithm) {
    const text = (forced: string | null) => (forced === null ? 'no algorithm forced' : `algorithm ${forced}`);
    const remedy = was.algorithm === null ? 'Leave out --algorithm' : `Give --algorithm '${was.algorithm}'`;
    throw new FrostlineError(
      `--compare ${path}: measured with ${text(was.algorithm)}, this is with ${text(algorithm)}. ${remedy}, or measure anew.`,
    );
  }
  return rows;
}
