/**
 * How good the choice among algorithms is: fresh layers are drawn by a seed; for each decision of a layer's training step
 * every algorithm that computes the case races (./race-algorithms.ts), and what the estimates choose is set against the
 * quickest. What counts is the step: the times of a layer's decisions are added up, so that a bad choice of what takes no
 * time costs none.
 */
import type { Gpu } from '../gpu/device.ts';
import { planGraph } from '../graph/compile.ts';
import { type Decided, decisionsIn, estimated } from '../operators/algorithms/algorithm.ts';
import type { FreshLayer, FreshLayers } from '../operators/algorithms/trial.ts';
import { Random } from '../random.ts';
import type { RaceOptions } from './race.ts';
import { type RacedAlgorithms, raceAlgorithms } from './race-algorithms.ts';
import { type Candidate, choiceOf, type MeasuredChoice, type MeasuredLayer, ratiosOf } from './regret.ts';

export interface DrawnLayer {
  readonly operator: string;
  /** counted from 1: the same layer for this seed, operator and size, however many are drawn */
  readonly number: number;
  readonly layer: FreshLayer;
}

export const layerName = ({ operator, number, layer }: DrawnLayer) => `${operator} ${number}: ${layer.text}`;

/** Of any tensor: what every adapter binds at once. */
const MOST_BYTES = 128 * 2 ** 20 - 4096;
/** Layers of so many times less arithmetic than the largest are not drawn: only the start of their kernels would be timed. */
const RANGE = 1000;
/** None is found where the draw never comes to such a size. */
const MOST_DRAWS = 100_000;

/** @param gflop of the largest layer's forward pass */
export function drawLayers(
  { operator, draw }: FreshLayers,
  { seed, count, gflop }: { readonly seed: number; readonly count: number; readonly gflop: number },
): DrawnLayer[] {
  return Array.from({ length: count }, (_, index) => {
    // A stream of its own: a layer does not depend on how many were drawn before it.
    const random = new Random(seed, index);
    for (let i = 0; i < MOST_DRAWS; i++) {
      const layer = draw(random);
      const share = layer.flops / (1e9 * gflop);
      if (share <= 1 && share >= 1 / RANGE && layer.bytes <= MOST_BYTES) return { operator, number: index + 1, layer };
    }
    throw new Error(`no layer of ${operator} of ${gflop / RANGE} to ${gflop} GFLOP is drawn`);
  });
}

/**
 * What a layer's step decides, each once: a fusion may ask what would be chosen before it is, and then again. The last
 * answer of a purpose is what runs.
 */
export function decisionsOf(gpu: Gpu, layer: FreshLayer): Decided[] {
  const { options, parameters } = layer.step();
  try {
    const made = decisionsIn(gpu, () => {
      planGraph(gpu, options);
    });
    return [...new Map(made.map((one) => [one.decision.purpose, one])).values()];
  } finally {
    for (const parameter of parameters) parameter.release(gpu);
  }
}

export interface SelectionOptions extends RaceOptions {
  /** those too that no estimate tells from others, and `tune` alone chooses */
  readonly everyAlgorithm?: boolean;
}

/** Races every decision of a layer. */
export async function measureLayer(gpu: Gpu, drawn: DrawnLayer, options: SelectionOptions): Promise<MeasuredLayer> {
  const choices: MeasuredChoice[] = [];
  for (const decided of decisionsOf(gpu, drawn.layer)) choices.push(await measureChoice(gpu, decided, options));
  return {
    name: layerName(drawn),
    operator: drawn.operator,
    gflop: drawn.layer.flops / 1e9,
    choices,
    ...ratiosOf(choices),
  };
}

async function measureChoice(gpu: Gpu, decided: Decided, options: SelectionOptions): Promise<MeasuredChoice> {
  const { decision, problem } = decided;
  const { algorithms, measured = [] } = decision;
  const candidates = [...algorithms, ...(options.everyAlgorithm === true ? measured : [])];
  const names = candidates.filter((one) => one.obstacle(gpu, problem as never) === undefined).map((one) => one.name);
  const usual = estimated(gpu, decision, problem as never);
  const estimates = new Map(usual.others.map(({ name, milliseconds }) => [name, milliseconds]));
  estimates.set(usual.algorithm.name, usual.milliseconds);
  const raced = await raceAlgorithms(gpu, { ...decided, names }, options);
  return { ...choiceOf(decided, usual.algorithm.name, names[0], raced), candidates: candidatesOf(raced, estimates) };
}

const candidatesOf = ({ measurements }: RacedAlgorithms, estimates: ReadonlyMap<string, number | undefined>) =>
  measurements.map(
    ({ algorithm, milliseconds, wrong }): Candidate => ({
      name: algorithm,
      milliseconds,
      wrong,
      estimated: estimates.get(algorithm),
    }),
  );
