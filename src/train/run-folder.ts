/**
 * A run is a folder: the configuration as used, the environment, the split, and for each run its history, predictions
 * and metrics. A folder that holds another configuration is refused, so that results never mix.
 */
import { csvText } from '../csv-text.ts';
import { formatSplit } from '../data/split.ts';
import { FrostlineError } from '../errors.ts';
import { checkWritable, createFile, LineFile, makeFolder, removeLeftovers, writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Machine } from '../gpu/machine.ts';
import { createHash, join, release, rm } from '../host.ts';
import { readTextIfThere } from '../read-files.ts';
import { frostlineVersion } from '../version.ts';
import { Claim } from './claims.ts';
import type { Evaluation } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import type { StepRecord } from './fit.ts';
import type { Protocol } from './protocol.ts';

/** Everything that decides a run's result, as its configuration holds it. */
export type Settings = Readonly<Record<string, unknown>>;

/** What makes two runs the same run. */
export interface Configuration {
  /** as the caller names them, whatever they are */
  readonly settings: Settings;
  /** how it is trained, as it goes into every step: a run is told by this, too, whatever its settings say */
  readonly training: Settings;
  readonly experiment: Experiment;
  /** the settings that may change while finished cells still hold */
  readonly grows?: readonly string[];
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** JSON with members by name: what reads settings back from a file may give them in another order. */
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );

export function configurationHash({ settings, training, experiment, grows = [] }: Configuration): string {
  const fixed = Object.fromEntries(Object.entries(settings).filter(([key]) => !grows.includes(key)));
  return createHash('sha256')
    .update(sortedJson([fixed, training, experiment.fingerprints]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Asks whether a folder may take this run, and changes nothing.
 * @returns whether it holds the same configuration already
 * @throws FrostlineError when it holds another configuration, naming what differs, or cannot be written to
 */
export async function checkRunFolder(folder: string, configuration: Configuration): Promise<boolean> {
  const { settings, training, experiment, grows = [] } = configuration;
  await checkWritable(folder);
  const file = join(folder, 'config.json');
  const text = await readTextIfThere(file);
  if (text === undefined) return false;
  const there = parseRunFile<Partial<Record<'settings' | 'training' | 'fingerprints', Settings>> & { hash?: string }>(
    file,
    text,
  );
  if (there.hash === configurationHash(configuration)) return true;
  const differing = (before: Settings = {}, now: Settings = {}) =>
    Object.keys({ ...before, ...now }).filter((key) => sortedJson(before[key]) !== sortedJson(now[key]));
  const earlier = there.fingerprints === undefined || there.training === undefined;
  // Settings often name what is trained, too: once is enough.
  const differences = new Set([
    ...differing(there.settings, settings).filter((key) => !grows.includes(key)),
    ...(earlier
      ? ['written by an earlier version']
      : [...differing(there.training, training), ...differing(there.fingerprints, experiment.fingerprints)]),
  ]);
  throw new FrostlineError(
    `${folder} holds a run of another configuration (different: ${[...differences].join(', ') || 'written by an earlier version'}). ` +
      'Give another --out, or delete the folder.',
  );
}

/** What a run's folder says of how the run came about: configuration, environment, split. Contents by file name. */
export function runFiles(configuration: Configuration, gpu: Gpu, protocol?: Protocol): Record<string, string> {
  const { settings, training, experiment } = configuration;
  const { split } = experiment;
  return {
    'config.json': json({
      hash: configurationHash(configuration),
      settings,
      training,
      protocol,
      data: experiment.dataset,
      fingerprints: experiment.fingerprints,
    }),
    'environment.json': json({
      frostline: frostlineVersion,
      node: process.version,
      platform: `${process.platform} ${process.arch} ${release()}`,
      adapter: gpu.name,
      adapterKind: gpu.kind,
      // The variants that tuning results choose may round differently.
      tuning: gpu.tuning?.hash ?? null,
      // So do those that the estimates choose, which go by this.
      ...(gpu.machineReport && { ...gpu.machineReport, probed: gpu.reading?.date ?? null }),
    }),
    ...(split && { 'split.json': formatSplit(split.split, split.dataset) }),
  };
}

/** Tells where a folder was last run by other numbers of the machine: estimates may choose other kernels, which round otherwise. */
export async function tellOtherMachine(folder: string, gpu: Gpu): Promise<void> {
  const file = join(folder, 'environment.json');
  const text = await readTextIfThere(file);
  if (text === undefined) return;
  const before = parseRunFile<{ machine?: Machine; probed?: string | null }>(file, text);
  const { machine, reading } = gpu;
  if (before.machine === undefined || machine === undefined) return;
  const differing = (Object.keys(machine) as (keyof Machine)[]).filter((key) => before.machine?.[key] !== machine[key]);
  if (differing.length === 0) return;
  const probeOf = (date: string | null | undefined) => (date ? `the probe of ${date}` : 'no probe');
  gpu.notice(
    `${folder} was run by other numbers of the machine (${probeOf(before.probed)}; now ${probeOf(reading?.date)}): ` +
      `${differing.map((key) => `${key} ${before.machine?.[key]}, now ${machine[key]}`).join('; ')}. Estimates may choose other ` +
      'kernels, which round otherwise; finished cells stay as they are',
  );
}

/**
 * Makes the folder of a run, or finds it made. Its config.json can be made by one process alone: of two that bring
 * different configurations at the same time one is refused.
 * @param files as `runFiles` gives them
 * @returns whether this call made it, and what takes the folders back that were missing
 * @throws FrostlineError as `checkRunFolder`
 */
export async function openRunFolder(
  folder: string,
  files: Readonly<Record<string, string>>,
  check: () => Promise<boolean>,
): Promise<{ made: boolean; takeBack: () => Promise<void> }> {
  const removeFolder = await makeFolder(folder);
  try {
    await removeLeftovers(folder);
    const { 'config.json': config, ...others } = files;
    const made = await createFile(join(folder, 'config.json'), config);
    if (!made) await check();
    // Ours already, but it may have grown.
    await writeFilesAtomically(folder, made ? others : files);
    return { made, takeBack: removeFolder };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/**
 * Asks before results are written whether the folder is still the one that was opened.
 * @throws FrostlineError where it was removed, renamed, or given to another configuration in the meantime
 */
export async function stillOurs(folder: string, hash: string): Promise<void> {
  const file = join(folder, 'config.json');
  const text = await readTextIfThere(file);
  const there = text === undefined ? undefined : parseRunFile<{ hash?: string }>(file, text);
  if (there?.hash === hash) return;
  throw new FrostlineError(
    `${folder} is no longer the folder of this run: ${text === undefined ? 'its config.json is gone' : 'its config.json is another one'}; ` +
      'it was removed, renamed or replaced meanwhile. What was finished lies where the folder went; run the command again.',
  );
}

/** @throws FrostlineError for a file that somebody else wrote, or that is damaged */
export function parseRunFile<T extends object = object>(file: string, text: string): T {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
    throw new Error(`it holds ${JSON.stringify(value)}`);
  } catch (error) {
    throw new FrostlineError(
      `${file} is not what frostline writes there (${(error as Error).message}). Delete it, or give another --out.`,
    );
  }
}

/** A line a step: step, epoch, loss, accuracy, rate, images/s. */
export function historyLines(records: readonly StepRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/**
 * The part of a run's folder that is there while it runs: how it came about, and its steps so far, a line each. The
 * rest comes when the run is finished; a folder with `metrics.json` is whole.
 */
export class RunLog {
  readonly files: readonly string[];
  private readonly folder: string;
  private readonly contents: Readonly<Record<string, string>>;
  private readonly check: () => Promise<boolean>;
  private history: LineFile | undefined;
  private claim: Claim | undefined;
  /** from the beginning on, until the run is kept or taken back */
  private takeBack: (() => Promise<void>) | undefined;

  /**
   * @param contents by file, as `runFiles` gives them
   * @param check refuses a folder of another configuration
   */
  constructor(folder: string, contents: Readonly<Record<string, string>>, check: () => Promise<boolean>) {
    this.folder = folder;
    this.contents = contents;
    this.check = check;
    this.files = [...Object.keys(contents), 'history.jsonl'].map((name) => join(folder, name));
  }

  /** Claims the folder, for one process at a time. A finished run of the same configuration counts as begun anew. */
  async begin(): Promise<void> {
    const place = (name: string) => join(this.folder, name);
    const { made, takeBack } = await openRunFolder(this.folder, this.contents, this.check);
    const results = ['predictions.csv', 'logits.csv', 'metrics.json', 'model.onnx'].map(place);
    const ours = made ? [...this.files, ...results] : [place('history.jsonl')];
    this.claim = await Claim.take(this.folder);
    if (this.claim === undefined) {
      throw new FrostlineError(
        `${this.folder}: another process is training into this folder. Wait until it ends, or give another --out.`,
      );
    }
    this.takeBack = async () => {
      for (const file of ours) await rm(file, { force: true }).catch(() => {});
      await takeBack();
    };
    try {
      await rm(place('metrics.json'), { force: true });
      this.history = new LineFile(place('history.jsonl'));
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** @throws FrostlineError where the folder is no longer this process's: nothing may be written there */
  async stillOurs(hash: string): Promise<void> {
    await stillOurs(this.folder, hash);
    if (await this.claim?.holds()) return;
    throw new FrostlineError(`${this.folder}: another process has taken this folder over. Give another --out.`);
  }

  append(record: StepRecord): void {
    this.history!.append(JSON.stringify(record));
  }

  async close(): Promise<void> {
    this.history?.close();
    await this.claim?.settle();
  }

  /** Says that the folder is complete: `discard` takes nothing back any more. */
  keep(): void {
    this.takeBack = undefined;
  }

  /** Takes back what was written: a run that failed leaves nothing that stands in the way of the next. */
  async discard(): Promise<void> {
    const { takeBack } = this;
    if (takeBack === undefined) return;
    this.takeBack = undefined;
    await this.close();
    await takeBack();
  }
}

/** CSV: sample, its class, the logit of each class: f32 values in full. */
export function logitsCsv({ classes, testIds, test }: Experiment, logits: Float32Array): string {
  const count = logits.length / test!.labels.length;
  const name = (c: number) => classes[c] ?? String(c);
  const rows = Array.from(test!.labels, (label, i) => [
    ...[testIds[i] ?? String(i), name(label)],
    ...logits.subarray(i * count, (i + 1) * count),
  ]);
  return csvText([['sample', 'label', ...Array.from({ length: count }, (_, c) => name(c))], ...rows]);
}

/** CSV: sample, its class, the predicted class, the probability of each class. */
export function predictionsCsv(experiment: Experiment, evaluation: Evaluation): string {
  const { classes, testIds, test } = experiment;
  const name = (c: number) => classes[c] ?? String(c);
  const rows = Array.from(evaluation.predictions, (prediction, i) => {
    const row = evaluation.probabilities.subarray(i * evaluation.classes, (i + 1) * evaluation.classes);
    return [testIds[i] ?? String(i), name(test!.labels[i]), name(prediction), ...row];
  });
  const header = ['sample', 'label', 'prediction', ...Array.from({ length: evaluation.classes }, (_, c) => name(c))];
  return csvText([header, ...rows]);
}
