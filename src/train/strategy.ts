/**
 * How a network is fine-tuned: which layers stand still and which are trained, phase after phase. A grid has one point
 * for each; a freeze point alone is a strategy of one phase.
 *
 *   direct             all that is not frozen, at once
 *   head-first=E       the new layer alone for E epochs, then all that is not frozen (LP-FT; Kumar et al. 2022)
 *   gradual=E          the new layer, then with each E epochs one layer more, down to the frost line (ULMFiT; Howard and
 *                      Ruder 2018); the last phase has all the run's epochs
 *   layer-decay=D      the rate of the k-th layer before the last is D^k of the global one
 *   phases             as a file says, by names, numbers, ranges and patterns of layers
 *
 * A phase begins where the one before ended: at its last epoch or, with early stopping, at its best. Momentum then is
 * zero, and a schedule of the rate runs over each phase anew, as over a run; the order of the images, augmentation and
 * dropout go on.
 */
import { z } from 'zod';
import { type Expectation, INTEGER, listOf, TEXT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { freezePoints } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import type { OptionNames } from '../options.ts';
import { describeFreeze, type LayerMasks, layersNamed } from './model.ts';
import type { FreezePoint } from './results.ts';

const phaseSchema = z.strictObject({
  /** layers that are trained: names, numbers, ranges, patterns with *; `new` for the new layer */
  train: z.array(z.union([z.string(), z.number()])).min(1),
  /** those of the run unless given */
  epochs: z.int().min(1).optional(),
  /** factor on the rate; 1 unless given */
  rate: z.number().positive().optional(),
  /** the run's unless given */
  'early-stopping': z.int().min(1).optional(),
});

export const strategySchema = z.union([
  z.strictObject({ kind: z.literal('direct') }),
  z.strictObject({ kind: z.literal('head-first'), epochs: z.int().min(1).optional() }),
  z.strictObject({ kind: z.literal('gradual'), epochs: z.int().min(1).optional() }),
  z.strictObject({ kind: z.literal('layer-decay'), factor: z.number().gt(0).max(1) }),
  z.strictObject({ kind: z.literal('phases'), name: z.string().min(1), phases: z.array(phaseSchema).min(1) }),
]);
/** The phases that a run trains in, by name. */
export type Strategy = z.output<typeof strategySchema>;

/** What is trained, and how: enough to train it again. */
export interface Training {
  /** 'none', 'all', a layer's number or name; 'none' beside `tuneOnly` */
  readonly freeze: number | string;
  /** the layers that alone are trained beside the new one */
  readonly tuneOnly?: readonly string[];
  /** direct unless given */
  readonly strategy?: Strategy;
}

/** A freeze point, as an argument. */
export const FREEZE: Expectation = {
  is: (value) => TEXT.is(value) || INTEGER.is(value),
  words: "'none', 'all', a layer's number or name",
};

/** A strategy, as an argument. */
export const STRATEGY: Expectation = {
  is: (value) => strategySchema.safeParse(value).success,
  words: "a strategy, such as { kind: 'head-first', epochs: 2 }",
};

export const TRAINING_OPTIONS: OptionNames<Training> = {
  freeze: FREEZE,
  tuneOnly: listOf(TEXT, 'a list of layers'),
  strategy: STRATEGY,
};

/** A part of a training run with masks of its own. */
export interface Phase {
  readonly name: string;
  readonly masks: LayerMasks;
  readonly epochs: number;
  /** on the global rate */
  readonly rateFactor: number;
  readonly earlyStopping?: number;
}

/** The run's own settings, as far as phases take them for granted. */
export interface PhaseDefaults {
  readonly epochs: number;
  readonly earlyStopping?: number;
  readonly layerDecay?: number;
}

/** The phases of a run. @throws FrostlineError for layers that are not there */
export function phasesOf(network: Network, training: Training, defaults: PhaseDefaults): Phase[] {
  const { freeze, tuneOnly, strategy = { kind: 'direct' } } = training;
  const { epochs, earlyStopping, layerDecay } = defaults;
  const common = { epochs, earlyStopping, rateFactor: 1 };
  const all = { ...common, name: 'all that is not frozen', masks: { freeze, tuneOnly, layerDecay } };
  const head = { ...common, name: 'the new layer', masks: { freeze: 'all' } };
  switch (strategy.kind) {
    case 'direct':
      return [all];
    case 'layer-decay':
      return [{ ...all, masks: { ...all.masks, layerDecay: strategy.factor } }];
    case 'head-first':
      return [{ ...head, epochs: strategy.epochs ?? epochs }, all];
    case 'gradual': {
      const points = freezePoints(network);
      const { number } = describeFreeze(network, freeze);
      const frozen = points.findIndex((point) => point.number === number);
      const each = strategy.epochs ?? 1;
      // The layers above the frost line, from the last but one down; each is the last frozen one of a phase.
      const thawing = points.slice(frozen + 1, -1).toReversed();
      return [
        ...thawing.map((point, k) => ({
          ...common,
          name: k === 0 ? 'the new layer' : `from ${thawing[k - 1].name}`,
          epochs: each,
          masks: { freeze: point.name, layerDecay },
        })),
        all,
      ];
    }
    case 'phases':
      return strategy.phases.map((phase) => ({
        name: phase.train.join(', '),
        masks: { freeze: 'none', exactly: phase.train.map(String), layerDecay },
        epochs: phase.epochs ?? epochs,
        earlyStopping: phase['early-stopping'] ?? earlyStopping,
        rateFactor: phase.rate ?? 1,
      }));
  }
}

/** What results call it. @throws FrostlineError for a layer that is not there */
export function describeTraining(network: Network, training: Training): FreezePoint {
  const { freeze, tuneOnly, strategy = { kind: 'direct' } } = training;
  if (strategy.kind === 'phases') return { number: null, name: `phases ${strategy.name}` };
  const method = methodOf(strategy);
  const point =
    tuneOnly === undefined
      ? describeFreeze(network, freeze)
      : { number: null, name: `only ${tuneOnly.map((text) => rangeName(network, text)).join(' and ')}` };
  return method === undefined ? point : { ...point, method };
}

/** By names, whether or not it was given by numbers. */
function rangeName(network: Network, text: string): string {
  const layers = layersNamed(network, text);
  return layers.length === 1 ? layers[0].name : `${layers[0].name}..${layers.at(-1)!.name}`;
}

function methodOf(strategy: Exclude<Strategy, { kind: 'phases' }>): string | undefined {
  switch (strategy.kind) {
    case 'direct':
      return undefined;
    case 'head-first':
      return strategy.epochs === undefined ? 'head first' : `head first (${strategy.epochs})`;
    case 'gradual':
      return strategy.epochs === undefined ? 'gradual' : `gradual (${strategy.epochs})`;
    case 'layer-decay':
      return `layer decay ${strategy.factor}`;
  }
}

/**
 * Every freeze point and block with every strategy, as far as it makes one of its own: with all but the new layer frozen,
 * nothing comes before the head and nothing decays; blocks are not unfrozen by and by.
 * @throws FrostlineError where none is left, and for two files of phases with one name
 */
export function trainingsOf(
  network: Network,
  freeze: readonly (number | string)[],
  blocks: readonly (readonly string[])[],
  strategies: readonly Strategy[],
): Training[] {
  const isAll = (point: number | string) => describeFreeze(network, point).all === true;
  const crossing = strategies.filter(({ kind }) => kind !== 'phases');
  const trainings = [
    ...freeze.flatMap((point) =>
      crossing
        .filter(({ kind }, i) => kind === 'direct' || !isAll(point) || (i === 0 && crossing.length === 1))
        .map((strategy) => ({ freeze: point, strategy })),
    ),
    ...blocks.flatMap((tuneOnly) =>
      crossing.filter(({ kind }) => kind !== 'gradual').map((strategy) => ({ freeze: 'none', tuneOnly, strategy })),
    ),
    ...strategies.filter(({ kind }) => kind === 'phases').map((strategy) => ({ freeze: 'none', strategy })),
  ];
  const named = strategies.flatMap((strategy) => (strategy.kind === 'phases' ? [strategy.name] : []));
  const twice = named.find((name, i) => named.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new FrostlineError(`Two strategies are called '${twice}', as their files are. Rename one of the files.`);
  }
  if (trainings.length === 0) {
    throw new FrostlineError('Nothing to train: --strategy gradual is for --freeze points, not for --tune-only.');
  }
  return trainings;
}
