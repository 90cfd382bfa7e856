/** What a grid runs: its plan, and the cells that come of it for a network, in the order in which they run. */
import {
  BELOW_ONE,
  FLAG,
  INTEGER,
  listOf,
  NOT_NEGATIVE,
  OBJECT,
  oneOf,
  POSITIVE,
  SHARE,
  TEXT,
  wholeFrom,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { createHash } from '../host.ts';
import { freezePoints } from '../models/layers.ts';
import type { Network } from '../models/network.ts';
import { checkSettings, type OptionNames } from '../options.ts';
import { checkPositive } from './detail.ts';
import type { Experiment } from './experiment.ts';
import { checkFit, checkGridFit, type FitSettings } from './fit.ts';
import { checkBudget } from './halving.ts';
import { type PhaseMasks, plannedEpochs, trainedBy } from './phases.ts';
import type { Protocol } from './protocol.ts';
import { type FreezePoint, pointKey } from './results.ts';
import type { Select } from './select.ts';
import {
  describeTraining,
  FREEZE,
  type Phase,
  phasesOf,
  STRATEGY,
  type Strategy,
  type Training,
  trainingsOf,
} from './strategy.ts';

/** Freeze points, rates, repeats and splits of a grid, before it runs. */
export interface GridPlan {
  readonly title: string;
  /** 'none', 'all', numbers or names; in the order to run */
  readonly freeze: readonly (number | string)[];
  /** further points: layers that alone are trained beside the new one, as `layersNamed` has them */
  readonly tuneOnly?: readonly (readonly string[])[];
  /** how each point is trained; at once unless given */
  readonly strategies?: readonly Strategy[];
  readonly learningRates: readonly number[];
  /** momenta that are tried side by side, each with every rate; `fit.momentum` unless given */
  readonly momenta?: readonly number[];
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
  /** epochs after which the worse half of points and rates is dropped, and again after twice as many; see halving.ts */
  readonly budget?: number;
  /** also write each test image's logits, as logits.csv in the cell's folder */
  readonly logits?: boolean;
  readonly protocol?: Protocol;
  readonly fit: Omit<FitSettings, 'learningRate' | 'seed'>;
  readonly notes: { readonly model?: string; readonly dataset?: string };
}

const RATES = listOf(POSITIVE, 'a list of numbers above 0');
const PLAN_OPTIONS: OptionNames<GridPlan> = {
  title: TEXT,
  freeze: listOf(FREEZE, "a list of points: 'none', 'all', layers' numbers or names"),
  tuneOnly: listOf(listOf(TEXT, ''), 'a list of lists of layers'),
  strategies: listOf(STRATEGY, "a list of strategies, such as { kind: 'head-first', epochs: 2 }"),
  learningRates: RATES,
  momenta: listOf(BELOW_ONE, 'a list of numbers from 0 to below 1'),
  newLayerFactor: NOT_NEGATIVE,
  layerDecay: SHARE,
  allFrozenRates: RATES,
  seeds: listOf(INTEGER, 'a list of whole numbers'),
  select: oneOf('validation', 'test'),
  positive: TEXT,
  sensitivity: SHARE,
  keep: oneOf('best', 'all'),
  budget: wholeFrom(1),
  logits: FLAG,
  protocol: OBJECT,
  fit: OBJECT,
  notes: OBJECT,
};
const PLAN_NEEDED = [
  ...(['title', 'freeze', 'learningRates', 'newLayerFactor', 'allFrozenRates', 'seeds', 'fit', 'notes'] as const),
];

/** A cell of a grid before it runs. */
export interface PlannedCell {
  /** where its files lie, below the grid's folder */
  readonly folder: string;
  readonly label: string;
  readonly training: Training;
  readonly phases: readonly Phase[];
  readonly freeze: FreezePoint;
  readonly learningRate: number;
  readonly newLayerRate: number;
  readonly momentum: number;
  /** from 0 */
  readonly division: number;
  readonly seed: number;
  /** of all phases, where none stops early */
  readonly epochs: number;
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

/**
 * @param network with its new classifier; @param divisions how many splits or folds; every one has all seeds
 * @throws FrostlineError for points that are not there
 */
export function planCells(
  network: Network,
  plan: GridPlan,
  divisions = 1,
  newParameters = newOf(network),
): PlannedCell[] {
  const strategies = plan.strategies ?? [{ kind: 'direct' }];
  const masks = { newParameters, newLayerFactor: plan.newLayerFactor };
  const points = trainingsOf(network, plan.freeze, plan.tuneOnly ?? [], strategies).map((training) =>
    pointOf(network, training, plan, masks),
  );
  const allFrozen = plan.allFrozenRates.map((rate) => rate / plan.newLayerFactor);
  const head = allFrozen.length === 0 ? [] : [pointOf(network, { freeze: 'all' }, plan, masks)];
  const momenta = [...new Set(plan.momenta ?? [plan.fit.momentum])];
  const axes = Array.from({ length: divisions }, (_, division) => division).flatMap((division) =>
    plan.seeds.flatMap((seed) => momenta.map((momentum) => ({ division, seed, momentum }))),
  );
  const cells = axes.flatMap(({ division, seed, momentum }) => {
    const cell = (point: ReturnType<typeof pointOf>, rate: number, byNewLayer: boolean): PlannedCell => {
      const learningRate = clean(rate);
      const newLayerRate = clean(learningRate * plan.newLayerFactor);
      const details = [
        byNewLayer ? `the new layer's rate ${newLayerRate}` : `rate ${learningRate}`,
        ...(momenta.length > 1 ? [`momentum ${momentum}`] : []),
        ...(divisions > 1 ? [`split ${division + 1}`] : []),
        ...(plan.seeds.length > 1 ? [`seed ${seed}`] : []),
      ];
      return {
        ...point,
        folder: `cells/${[
          `${fileName(point.freeze)}${phasesHash(point.training)}`,
          `rate-${decimal(learningRate)}`,
          ...(momenta.length > 1 ? [`momentum-${decimal(momentum)}`] : []),
          ...[`split-${division + 1}`, `seed-${seed}`],
        ].join('_')}`,
        label: `${freezeText(point.freeze)}, ${details.join(', ')}`,
        ...{ learningRate, newLayerRate, momentum, division, seed },
      };
    };
    return [
      ...points.flatMap((point) => plan.learningRates.map((rate) => cell(point, rate, false))),
      ...head.flatMap((point) => allFrozen.map((rate) => cell(point, rate, true))),
    ];
  });
  // A step is compiled for a split and a point: what shares it runs together.
  const order = new Map(cells.map(({ freeze }) => pointKey(freeze)).map((key, i) => [key, i]));
  const unique = new Map<string, PlannedCell>();
  for (const planned of cells) if (!unique.has(planned.folder)) unique.set(planned.folder, planned);
  return [...unique.values()].sort(
    (a, b) => a.division - b.division || order.get(pointKey(a.freeze))! - order.get(pointKey(b.freeze))!,
  );
}

/** The last learnable layer's, for whoever plans without an experiment. */
const newOf = (network: Network): readonly string[] => freezePoints(network).at(-1)!.parameters;

/** Without the noise of binary fractions. */
const clean = (rate: number) => Number(rate.toPrecision(12));

function pointOf(network: Network, training: Training, plan: GridPlan, masks: PhaseMasks) {
  const phases = phasesOf(network, training, { ...plan.fit, layerDecay: plan.layerDecay });
  const epochs = plannedEpochs(phases);
  // Refuses what would train nothing, and layers that are not there.
  trainedBy(network, phases, masks);
  return { training, phases, freeze: describeTraining(network, training), epochs };
}

/** 'nothing frozen', 'frozen to 10 conv3, head first', 'only conv3..conv5' */
function freezeText({ number, name, method }: FreezePoint): string {
  const point = number !== null ? `frozen to ${number} ${name}` : name === 'none' ? 'nothing frozen' : name;
  return method === undefined ? point : `${point}, ${method}`;
}

/** `10-conv3`, `only-conv3..conv5`, `10-conv3-head-first` */
const fileName = ({ number, name, method }: FreezePoint) =>
  [number, name, method]
    .filter((part) => part !== null && part !== undefined)
    .join('-')
    .replaceAll(/[()]/g, '')
    .replaceAll(' ', '-')
    .replaceAll(/[^\w.-]/g, '_');

/** A file of phases that was edited under its old name makes cells of its own. */
function phasesHash({ strategy }: Training): string {
  if (strategy?.kind !== 'phases') return '';
  return `-${createHash('sha256').update(JSON.stringify(strategy.phases)).digest('hex').slice(0, 8)}`;
}

/** Without an exponent, in which languages differ: 0.000025. */
const decimal = (value: number) => (value < 1e-6 ? value.toFixed(12).replace(/0+$/, '') : String(value));

/** @throws FrostlineError for a plan that is none, that has no cells, or whose cells cannot be run or chosen among */
export function checkPlan(plan: GridPlan, experiment: Experiment): void {
  checkSettings("a grid's plan", plan, PLAN_OPTIONS, PLAN_NEEDED);
  checkGridFit("a grid's fit", plan.fit);
  refuseNoCells(plan);
  if (experiment.test === undefined) {
    throw new FrostlineError('A grid needs test images: give a share to train on below 1.');
  }
  refuseBlindChoice(plan, experiment);
  checkPositive(plan.positive, experiment.classes);
  for (const { phases } of planCells(experiment.network, plan, 1, experiment.newParameters)) {
    if (plan.budget !== undefined) {
      const validated = experiment.validation !== undefined;
      checkBudget(plan.budget, { epochs: plan.fit.epochs, phases: phases.length, validated });
    }
    for (const phase of phases) checkFit({ ...plan.fit, ...phase }, experiment);
  }
}

/** Every cell has a point, a rate, a momentum and a seed. */
function refuseNoCells(plan: GridPlan): void {
  const { freeze, tuneOnly = [], strategies = [], learningRates, allFrozenRates, momenta, seeds } = plan;
  const phases = strategies.some(({ kind }) => kind === 'phases');
  const empty =
    seeds.length === 0
      ? 'seeds is empty. Give one or more, such as [1]'
      : momenta?.length === 0
        ? 'momenta is empty. Give one or more, or leave it out'
        : strategies.length === 0 && plan.strategies !== undefined
          ? 'strategies is empty. Give one or more, or leave it out'
          : learningRates.length + allFrozenRates.length === 0
            ? 'learningRates and allFrozenRates are empty. Give a rate, such as learningRates: [0.001]'
            : learningRates.length > 0 && freeze.length + tuneOnly.length === 0 && !phases
              ? "freeze and tuneOnly are empty. Give a point, such as freeze: ['none']"
              : undefined;
  if (empty !== undefined) throw new FrostlineError(`A grid's plan has no cells: ${empty}.`);
}

/** Several rates, nothing to choose between them on, and no word that the test part may be used for it. */
function refuseBlindChoice({ select, learningRates, allFrozenRates }: GridPlan, { validation }: Experiment): void {
  if (select !== 'validation' || validation !== undefined || learningRates.length + allFrozenRates.length < 2) return;
  throw new FrostlineError(
    'There are several rates and no validation part to choose among them on. Give --validation-fraction 0.2, or, as ' +
      'the paper did, --select test: the scores of what is chosen are then too good.',
  );
}
