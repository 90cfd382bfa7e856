/**
 * A run is a folder: the configuration as used, the environment, the split, and for each run its history, predictions
 * and metrics. A folder that holds another configuration is refused, so that results never mix.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { saveSplit } from '../data/split.ts';
import { FrostlineError } from '../errors.ts';
import { writeFilesAtomically } from '../files.ts';
import type { Gpu } from '../gpu/device.ts';
import { frostlineVersion } from '../version.ts';
import type { Evaluation } from './evaluate.ts';
import type { Experiment } from './experiment.ts';
import type { StepRecord } from './fit.ts';

export type Settings = Readonly<Record<string, unknown>>;

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** What makes two runs the same run. */
export function configurationHash(settings: Settings, experiment: Experiment): string {
  return createHash('sha256')
    .update(JSON.stringify([settings, experiment.fingerprint]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Makes the folder, or opens one of the same configuration.
 * @returns whether it was there before
 * @throws FrostlineError when the folder holds another configuration
 */
export async function openRunFolder(
  folder: string,
  settings: Settings,
  experiment: Experiment,
  gpu: Gpu,
): Promise<boolean> {
  const hash = configurationHash(settings, experiment);
  const file = join(folder, 'config.json');
  if (existsSync(file)) {
    const there = JSON.parse(await readFile(file, 'utf8')) as { hash?: string; settings?: Settings };
    if (there.hash === hash) return true;
    const differences = Object.keys({ ...there.settings, ...settings }).filter(
      (key) => JSON.stringify(there.settings?.[key]) !== JSON.stringify(settings[key]),
    );
    throw new FrostlineError(
      `${folder} holds a run of another configuration (${
        differences.length > 0 ? `different: ${differences.join(', ')}` : 'the model or the data have changed'
      }). Give another --out, or delete the folder.`,
    );
  }
  await writeFilesAtomically(folder, {
    'config.json': json({ hash, settings }),
    'environment.json': json({
      frostline: frostlineVersion,
      node: process.version,
      platform: `${process.platform} ${process.arch} ${release()}`,
      adapter: gpu.name,
      adapterKind: gpu.kind,
    }),
  });
  if (experiment.split !== undefined) {
    const { split, dataset } = experiment.split;
    await saveSplit(join(folder, 'split.json'), split, dataset);
  }
  return false;
}

/** A line a step: step, epoch, loss, accuracy, rate, images/s. */
export function historyLines(records: readonly StepRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** CSV: sample, its class, the predicted class, the probability of each class. */
export function predictionsCsv(experiment: Experiment, evaluation: Evaluation): string {
  const { classes, testIds, test } = experiment;
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const name = (c: number) => quote(classes[c] ?? String(c));
  const lines = Array.from(evaluation.predictions, (prediction, i) => {
    const row = evaluation.probabilities.subarray(i * evaluation.classes, (i + 1) * evaluation.classes);
    return [quote(testIds[i] ?? String(i)), name(test!.labels[i]), name(prediction), ...row].join();
  });
  return `${['sample', 'label', 'prediction', ...Array.from({ length: evaluation.classes }, (_, c) => name(c))].join()}\n${lines.join('\n')}\n`;
}
