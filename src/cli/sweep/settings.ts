/** What decides a grid's cells, from the options, a preset where they are silent, and what is usual where both are. */
import { FrostlineError } from '../../errors.ts';
import { type Preset, presets } from '../../train/presets.ts';
import type { Strategy } from '../../train/strategy.ts';
import { parseStrategy } from '../strategies.ts';
import type { SweepValues } from './options.ts';

/** Where and how a grid runs, which its cells do not hang on. */
type Circumstances = Pick<
  SweepValues,
  'out' | 'adapter' | 'shard' | 'merge' | 'dryRun' | 'printed' | 'printedCounts' | 'tensorboard' | 'mlflow'
>;

/** As the grid's config.json has them, under the names of options. */
export interface SweepSettings
  extends Omit<SweepValues, keyof Circumstances | 'momentum' | 'strategy' | 'tuneOnly' | OfPreset> {
  readonly model: string;
  readonly learningRates: readonly number[];
  readonly allFrozenRates: readonly number[];
  /** several are tried side by side */
  readonly momentum: number | readonly number[];
  readonly epochs: number;
  readonly augment: NonNullable<SweepValues['augment']>;
  readonly repeats: number;
  readonly select: NonNullable<SweepValues['select']>;
  readonly strategy?: readonly Strategy[];
  /** the blocks of each point */
  readonly tuneOnly?: readonly (readonly string[])[];
}

type OfPreset = 'model' | 'learningRates' | 'allFrozenRates' | 'epochs' | 'augment' | 'repeats' | 'select';

export const presetOf = ({ preset }: Pick<SweepValues, 'preset'>): Preset | undefined => preset && presets[preset];

/** @throws FrostlineError where neither options nor preset say what is fine-tuned, or at which rates */
export async function settingsOf(values: SweepValues): Promise<SweepSettings> {
  const { out: _, adapter: _2, shard: _3, merge: _4, dryRun: _5, ...told } = values;
  const { tensorboard: _6, mlflow: _7, printed: _8, printedCounts: _9, ...given } = told;
  const preset = presetOf(values);
  const model = given.model ?? preset?.model;
  if (model === undefined) throw new FrostlineError('No model: give a preset, or --model FILE|NAME.');
  const learningRates = given.learningRates ?? preset?.learningRates;
  if (learningRates === undefined) throw new FrostlineError('No learning rates: give --learning-rates LIST.');
  // A preset's momentum is SGD's: as beta 1 of Adam it would mean something else.
  const usual = (given.optimizer ?? 'sgdm') === 'sgdm' ? preset?.momentum : undefined;
  const momenta = [...new Set(given.momentum ?? [usual ?? 0.9])];
  return {
    ...given,
    model,
    data: given.data ?? preset?.data,
    splits: given.folds === undefined ? (given.splits ?? preset?.splits ?? 1) : undefined,
    select: given.select ?? (given.validationFraction > 0 ? 'validation' : 'test'),
    tuneOnly: given.tuneOnly?.map((blocks) => blocks.split('+').map((block) => block.trim())),
    strategy: given.strategy && (await Promise.all(given.strategy.map(parseStrategy))),
    learningRates,
    allFrozenRates: given.allFrozenRates ?? preset?.allFrozenRates ?? [],
    repeats: given.repeats ?? preset?.repeats ?? 1,
    momentum: momenta.length > 1 ? momenta : momenta[0],
    epochs: given.epochs ?? preset?.epochs ?? 6,
    augment: given.augment ?? preset?.augment ?? 'paper',
  };
}
