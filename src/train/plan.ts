/** What a grid runs: its plan, and the cells that come of it for a network, in the order in which they run. */
import { FrostlineError } from '../errors.ts';
import { freezePoints, freezeThrough } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';
import { checkPositive } from './detail.ts';
import type { Experiment } from './experiment.ts';
import { checkFit, type FitSettings } from './fit.ts';
import { describeFreeze } from './model.ts';
import type { Protocol } from './protocol.ts';
import type { FreezePoint } from './results.ts';
import type { Select } from './select.ts';

export interface GridPlan {
  readonly title: string;
  /** 'none', 'all', numbers or names; in the order to run */
  readonly freeze: readonly (number | string)[];
  readonly learningRates: readonly number[];
  /** factor on the new layer's rate */
  readonly newLayerFactor: number;
  /** factor on the rate for each layer before the last; see `setMasks` */
  readonly layerDecay?: number;
  /** further rates of the new layer, tried with all other layers frozen */
  readonly allFrozenRates: readonly number[];
  readonly seeds: readonly number[];
  /** where rates and the best cell are chosen; 'test' unless given, as the paper did */
  readonly select?: Select;
  /** the class that is looked for, and the share of it that is to be found */
  readonly positive?: string;
  readonly sensitivity?: number;
  /** trained networks to keep: that of the best cell so far, or every cell's, as model.onnx in the cell's folder */
  readonly keep?: 'best' | 'all';
  readonly protocol?: Protocol;
  readonly fit: Omit<FitSettings, 'learningRate' | 'seed'>;
  readonly notes: { readonly model?: string; readonly dataset?: string };
}

export interface PlannedCell {
  /** where its files lie, below the grid's folder */
  readonly folder: string;
  readonly label: string;
  readonly freezeAt: number | string;
  readonly freeze: FreezePoint;
  readonly learningRate: number;
  readonly newLayerRate: number;
  /** from 0 */
  readonly division: number;
  readonly seed: number;
  /** proportional to the arithmetic of its steps */
  readonly cost: number;
}

/** Every freeze point: none, then each learnable layer but the last. */
export function allFreezePoints(network: Network): (number | string)[] {
  return [
    'none',
    ...freezePoints(network)
      .slice(0, -1)
      .map(({ number }) => number),
  ];
}

/** Multiply-adds of a training step for an image: forward, and above the frost line two products backward. */
export function trainingCost(network: Network, freeze: number | string): number {
  const frozen = freezeThrough(network, freeze);
  const shapes = inferShapes(network, 1);
  let cost = 0;
  let above = false;
  for (const node of network.nodes) {
    const name = node.parameters['weight'];
    if (name === undefined) continue;
    const weight = network.parameters.get(name)!.shape.reduce((product, extent) => product * extent, 1);
    const places = (shapes.get(node.outputs[0]) ?? []).slice(2).reduce((product, extent) => product * extent, 1);
    const products = 1 + (frozen.has(name) ? 0 : 1) + (above ? 1 : 0);
    cost += products * weight * places;
    above ||= !frozen.has(name);
  }
  return cost;
}

/** @param divisions how many splits or folds; every one has all seeds */
export function planCells(network: Network, plan: GridPlan, divisions = 1): PlannedCell[] {
  const cell = (freezeAt: number | string, rate: number, division: number, seed: number): PlannedCell => {
    const learningRate = Number(rate.toPrecision(12));
    const freeze = describeFreeze(network, freezeAt);
    const where = freeze.number === null ? 'none' : `${freeze.number}-${freeze.name.replaceAll(/[^\w.-]/g, '_')}`;
    const label = freeze.number === null ? 'nothing frozen' : `frozen to ${freeze.number} ${freeze.name}`;
    const split = divisions > 1 ? `, split ${division + 1}` : '';
    return {
      folder: `cells/${where}_rate-${decimal(learningRate)}_split-${division + 1}_seed-${seed}`,
      label: `${label}, rate ${learningRate}${split}${plan.seeds.length > 1 ? `, seed ${seed}` : ''}`,
      freezeAt,
      freeze,
      learningRate,
      newLayerRate: Number((learningRate * plan.newLayerFactor).toPrecision(12)),
      division,
      seed,
      cost: trainingCost(network, freezeAt),
    };
  };
  const cells = Array.from({ length: divisions }, (_, division) => division).flatMap((division) =>
    plan.seeds.flatMap((seed) => [
      ...plan.freeze.flatMap((freeze) => plan.learningRates.map((rate) => cell(freeze, rate, division, seed))),
      ...plan.allFrozenRates.map((rate) => cell('all', rate / plan.newLayerFactor, division, seed)),
    ]),
  );
  // A step is compiled for a split and a freeze point: what shares it runs together.
  const order = new Map(cells.map(({ freeze }) => freeze.number).map((number, i) => [number, i]));
  return [...new Map(cells.map((planned) => [planned.folder, planned])).values()].sort(
    (a, b) => a.division - b.division || order.get(a.freeze.number)! - order.get(b.freeze.number)!,
  );
}

/** Without an exponent, in which languages differ: 0.000025. */
const decimal = (value: number) => (value < 1e-6 ? value.toFixed(12).replace(/0+$/, '') : String(value));

export function checkPlan(plan: GridPlan, experiment: Experiment): void {
  if (experiment.test === undefined) {
    throw new FrostlineError('A grid needs test images: give a share to train on below 1.');
  }
  refuseBlindChoice(plan, experiment);
  checkPositive(plan.positive, experiment.classes);
  checkFit(plan.fit, experiment);
}

/** Several rates, nothing to choose between them on, and no word that the test part may be used for it. */
function refuseBlindChoice({ select, learningRates, allFrozenRates }: GridPlan, { validation }: Experiment): void {
  if (select !== 'validation' || validation !== undefined || learningRates.length + allFrozenRates.length < 2) return;
  throw new FrostlineError(
    'There are several rates and no validation part to choose among them on. Give --validation-fraction 0.2, or, as ' +
      'the paper did, --select test: the scores of what is chosen are then too good.',
  );
}
