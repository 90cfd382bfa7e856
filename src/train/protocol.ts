/** How a run came about, in words and numbers that outlive defaults: what a paper's methods section would say. */
import { resolve } from '../host.ts';
import type { DataSource, Experiment } from './experiment.ts';
import type { FitSettings } from './fit.ts';
import { describeOptimizer } from './optimizer.ts';

/** How a result was made, beside its rates: data, preprocessing, split, augmentation, optimizer. */
export interface Protocol {
  readonly model: { readonly source: string; readonly sha256?: string; readonly newParameters: readonly string[] };
  readonly input: { readonly shape: readonly number[]; readonly preprocessing: unknown };
  readonly data: {
    readonly path?: string;
    /** how it was read: the format, the task, columns, classes left out */
    readonly options: Readonly<Record<string, unknown>>;
    readonly notes: readonly string[];
  };
  readonly division: {
    readonly drawn: string;
    readonly trainFraction: number | 'given';
    readonly validationFraction: number;
    readonly splits: number;
    readonly seed: number;
    readonly splitFile?: string;
  };
  readonly optimizer: string;
  /** where several are tried side by side; `training` then has the first */
  readonly momenta?: readonly number[];
  readonly training: Omit<FitSettings, 'learningRate' | 'seed'>;
  readonly scores: string;
  /** what the paper or the user left open, and what was taken */
  readonly assumptions: readonly string[];
}

export function protocolOf(
  experiment: Experiment,
  data: DataSource,
  fit: Omit<FitSettings, 'learningRate' | 'seed'>,
  seed: number,
  assumptions: readonly string[] = [],
  momenta: readonly number[] = [fit.momentum],
): Protocol {
  const { network, newParameters, source, dataset, divisions } = experiment;
  const { path, ...options } = data.dataset ?? { path: data.tensors?.images };
  const { trainFraction, validationFraction = 0, folds, splitFile } = data;
  return {
    model: { source: source.source, sha256: source.sha256, newParameters },
    input: { shape: network.inputs[0].shape, preprocessing: network.preprocessing ?? null },
    data: {
      path: path === undefined ? undefined : resolve(path),
      options: Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
      notes: dataset.notes,
    },
    division: {
      drawn:
        splitFile !== undefined
          ? 'read from a file'
          : trainFraction === 'given'
            ? "the data set's own parts"
            : `${folds === undefined ? 'splits' : `${folds} folds`} stratified by class, whole groups where there are any; ` +
              'split s from seed + s - 1',
      trainFraction,
      validationFraction,
      splits: divisions,
      seed,
      splitFile,
    },
    optimizer: describeOptimizer(fit),
    ...(momenta.length > 1 && { momenta }),
    training: fit,
    scores:
      'F1: harmonic mean of macro precision and macro recall, a class that is never predicted has precision 1; ' +
      'intervals 95 %',
    assumptions,
  };
}
