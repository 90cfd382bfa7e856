/** What the commands `bench ...` share: their options, the choice of rows by name, and the comparison with an old file. */
import { z } from 'zod';
import type { Measured } from '../bench/compare.ts';
import type { Sampling } from '../bench/sample.ts';
import type { Timing } from '../bench/statistics.ts';
import type { Target } from '../bench/targets.ts';
import { FrostlineError } from '../errors.ts';
import { algorithmsText } from '../gpu/algorithms.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Network } from '../models/network.ts';
import { frostlineVersion } from '../version.ts';
import { adapterOption, algorithmOption } from './adapter.ts';
import type { Context } from './command.ts';

export const benchOptions = {
  filter: z
    .array(z.string())
    .default([])
    .meta({ valueName: 'WORDS' })
    .describe("only rows with one of these in their name, as 'conv2' or 'forward'"),
  batch: z.array(z.int().min(1)).optional().describe('images a batch'),
  quick: z.boolean().default(false).describe('few rows and samples: under a minute'),
  samples: z.int().min(1).optional().describe('at least this many a row; 5, with --quick 2'),
  seconds: z.number().positive().optional().describe('after these no more samples of a row; 0.5, with --quick 0.1'),
  compare: z
    .string()
    .optional()
    .meta({ valueName: 'OLD.json' })
    .describe('what got slower or faster beyond the noise since this file of --json'),
  html: z
    .string()
    .optional()
    .meta({ valueName: 'FILE' })
    .describe('write the results with plots as an HTML page too, one file that needs nothing else'),
  adapter: adapterOption,
  algorithm: algorithmOption,
};

/**
 * The rows of --compare, where it was given: read, and --html tried, before anything is measured.
 * @param names of the rows that will be measured
 * @throws FrostlineError for a file that is none, of another adapter or of other rows, and where no page can be written
 */
export async function prepareResults(
  { compare, html }: { readonly compare?: string; readonly html?: string },
  names: readonly string[],
  gpu: Gpu,
): Promise<readonly Measured[] | undefined> {
  const [{ readMeasured }, { checkWritable, isFolder }, { dirname }] = await Promise.all([
    import('../bench/compare.ts'),
    import('../files.ts'),
    import('node:path'),
  ]);
  if (html !== undefined) {
    if (await isFolder(html)) throw new FrostlineError(`--html ${html}: this is a folder. Give a file's name.`);
    await checkWritable(dirname(html));
  }
  if (compare === undefined) return undefined;
  const old = await readMeasured(compare, { adapter: gpu.name, ...conditionsOf(gpu) });
  if (!old.some(({ name }) => names.includes(name))) {
    throw new FrostlineError(
      `--compare ${compare}: it has none of the rows measured here, ${someOf(names)}, only ${someOf(old.map(({ name }) => name))}. ` +
        'Give a file of the same command, networks and batch.',
    );
  }
  return old;
}

const someOf = (names: readonly string[]) =>
  names.slice(0, 3).join('; ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');

/** Writes a page under its name only when it is complete. */
export async function writePage(path: string, text: string, context: Context): Promise<void> {
  const [{ writeFilesAtomically }, { basename, dirname }] = await Promise.all([
    import('../files.ts'),
    import('node:path'),
  ]);
  await writeFilesAtomically(dirname(path), { [basename(path)]: text });
  context.note(`wrote ${path}`);
}

export const networkNames = ['alexnet-small', 'alexnet', 'vgg16'] as const;
export type NetworkName = (typeof networkNames)[number];

export async function networkMaker(name: NetworkName): Promise<() => Network> {
  const { alexnet, alexnetSmall, vgg16 } = await import('../models/tables.ts');
  return { alexnet, 'alexnet-small': alexnetSmall, vgg16 }[name];
}

/** @throws FrostlineError where the network has no such step: 'forward', 'none', or a freeze point before the last layer */
export async function checkStep(network: Network, step: string): Promise<void> {
  const { freezePoints } = await import('../models/layers.ts');
  const points = freezePoints(network).slice(0, -1);
  const steps = ['forward', 'none', ...points.map(({ name }) => name)];
  if (steps.includes(step)) return;
  throw new FrostlineError(`--step: ${network.name} has no step '${step}'. Give one of ${steps.join(', ')}.`);
}

export function samplingOf(options: { quick: boolean; samples?: number; seconds?: number }): Sampling {
  const { quick, samples = quick ? 2 : 5, seconds = quick ? 0.1 : 0.5 } = options;
  return { samples, seconds };
}

/** What --filter leaves. */
export const isWanted = (name: string, filter: readonly string[]): boolean =>
  filter.length === 0 || filter.some((word) => name.includes(word));

/** @throws FrostlineError where nothing is left, with some of the names there are */
export function chooseByName<T>(all: readonly T[], nameOf: (one: T) => string, filter: readonly string[]): T[] {
  const chosen = all.filter((one) => isWanted(nameOf(one), filter));
  if (chosen.length > 0) return chosen;
  const names = all.slice(0, 5).map(nameOf).join('; ');
  throw new FrostlineError(`--filter: no row's name has '${filter.join("' or '")}' in it; there are ${names}; ...`);
}

/** What times depend on besides the adapter: see `Conditions`. */
const conditionsOf = ({ precision, algorithms }: Gpu) => ({ precision, algorithm: algorithmsText(algorithms) || null });

/** What stands at the head of the JSON of a benchmark: enough to measure again. */
export function benchHead(gpu: Gpu) {
  const { name, kind, driver } = gpu;
  const tuning = gpu.tuning?.hash ?? null;
  const machine = gpu.machineReport && { ...gpu.machineReport, probed: gpu.reading?.date ?? null };
  return {
    frostline: frostlineVersion,
    date: new Date().toISOString(),
    adapter: { name, kind, driver },
    ...conditionsOf(gpu),
    tuning,
    ...machine,
  };
}

/**
 * Prints what changed since the old file's rows; exits with 1 where something got slower.
 * @param again times a row anew, for those that look slower; without it they are taken at the first look
 */
export async function printChanges<Row extends Measured>(
  old: readonly Measured[],
  rows: readonly Row[],
  context: Context,
  again?: (row: Row) => Promise<Timing>,
): Promise<void> {
  const { compareRows, compareTwice } = await import('../bench/compare.ts');
  const changes = again === undefined ? compareRows(old, rows) : await compareTwice(old, rows, again);
  const changed = changes.filter(({ verdict }) => verdict !== 'same');
  const say = context.json ? context.note : context.print;
  for (const { name, before, after, ratio, verdict } of changed.filter((change) => change.verdict === 'faster')) {
    say(`${verdict}: ${name}: ${milliseconds(before)} -> ${milliseconds(after)} ms, ${(1 / ratio).toFixed(2)} times`);
  }
  for (const { name, before, after, ratio, verdict } of changed.filter((change) => change.verdict === 'slower')) {
    context.checkFailed(
      `${verdict}: ${name}: ${milliseconds(before)} -> ${milliseconds(after)} ms, ${ratio.toFixed(2)} times`,
    );
  }
  say(`${changes.length} rows are in both files; ${changes.length - changed.length} are the same within the noise.`);
  const added = rows.filter(({ name }) => !old.some((row) => row.name === name)).map(({ name }) => name);
  if (added.length > 0) say(`not in the old file: ${added.join('; ')}`);
}

export const milliseconds = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const timeText = ({ median, spread }: Timing) => `${milliseconds(median)} ± ${milliseconds(spread)}`;

export const percentText = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** The targets, each with how far the run got. */
export async function targetTable(targets: readonly Target[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    head: ['to reach', 'least', 'aim', 'measured', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { what, least, aim, reached, verdict, below } of targets) {
    const bound = below ? 'at most ' : '';
    table.push([what, `${bound}${least}`, `${bound}${aim}`, reached?.toPrecision(3) ?? '', verdict]);
  }
  return table.toString();
}
