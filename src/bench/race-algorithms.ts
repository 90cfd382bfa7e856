/**
 * Races of whole algorithms: each that computes a problem is compiled by itself, as a plan would have it, with its packing,
 * windows and second passes; its results are compared with the plain algorithm's; then all race (./race.ts).
 *
 * An algorithm's kernels run by the variants that the table or the estimates choose at that time.
 */
import type { Gpu } from '../gpu/device.ts';
import type { AlgorithmMeasurement } from '../gpu/tuning.ts';
import { type CompiledGraph, compile } from '../graph/compile.ts';
import { type Decided, decisionsIn } from '../operators/algorithms/algorithm.ts';
import type { DecisionTrials, Trial } from '../operators/algorithms/trial.ts';
import { decisionTrials } from '../operators/trials.ts';
import { noise } from './noise.ts';
import { OperandSets } from './operand-sets.ts';
import { HOPELESS, type Placing, type RaceOptions, race } from './race.ts';
import { Stopwatch } from './time-dispatch.ts';
import { worstOf } from './verify.ts';

/** A problem, and some algorithms that compute it. */
export interface AlgorithmRace extends Pick<Decided, 'decision' | 'problem' | 'case'> {
  /** the plain one first: the others are checked against it */
  readonly names: readonly string[];
}

/** An algorithm's place in a race. */
export interface AlgorithmPlacing extends Omit<Placing, 'index'> {
  readonly name: string;
}

export interface RacedAlgorithms {
  /** those that raced, the quickest first */
  readonly order: readonly AlgorithmPlacing[];
  /** of all, in the order of their names; a wrong one has not raced, nor has who was hopeless from the first run on */
  readonly measurements: readonly AlgorithmMeasurement[];
  readonly settled: boolean;
}

/** One algorithm, compiled and checked. */
interface Entrant {
  readonly name: string;
  readonly graph: CompiledGraph;
  readonly watch: Stopwatch;
  readonly sets: OperandSets;
}

/** Checks and races algorithms of a problem, on values in [-1, 1). */
export async function raceAlgorithms(gpu: Gpu, one: AlgorithmRace, options: RaceOptions): Promise<RacedAlgorithms> {
  const { decision, problem, names, case: text } = one;
  const trial = trialsOf(decision).trial(problem as never, (count) => noise(count));
  const entrants: Entrant[] = [];
  const measurements = new Map<string, AlgorithmMeasurement>();
  let plain: Float32Array[] | undefined;
  let least = Number.POSITIVE_INFINITY;
  try {
    for (const name of names) {
      const graph = await compileWith(gpu, trial, one, name);
      const sets = new OperandSets(gpu);
      let watch: Stopwatch | undefined;
      try {
        const results = await resultsOf(gpu, graph, trial);
        plain ??= results;
        const worst = Math.max(...plain.map((right, i) => worstOf(right, results[i])));
        if (!(worst <= 1)) {
          measurements.set(name, { algorithm: name, wrong: Number.isFinite(worst) ? worst : Number.MAX_VALUE });
          continue;
        }
        watch = await Stopwatch.of(gpu, dispatchesOf(graph, trial), sets);
        if (watch.first > HOPELESS * least) {
          measurements.set(name, { algorithm: name, milliseconds: watch.first, rounds: 1 });
          continue;
        }
        least = Math.min(least, watch.first);
        entrants.push({ name, graph, watch, sets });
      } finally {
        if (entrants.at(-1)?.graph !== graph) {
          watch?.destroy();
          sets.release();
          graph.destroy();
        }
      }
    }
    if (entrants.length === 0) throw new Error(`${decision.purpose}, ${text}: the plain algorithm writes no numbers`);
    const { order, settled } = await race(
      entrants.map(
        ({ watch }) =>
          () =>
            watch.sample(),
      ),
      options,
    );
    const placings = order.map(({ index, ...placing }) => ({ name: entrants[index].name, ...placing }));
    for (const { name, timing } of placings) {
      const { median: milliseconds, spread, samples: rounds } = timing;
      measurements.set(name, { algorithm: name, milliseconds, spread, rounds });
    }
    return { order: placings, measurements: names.map((name) => measurements.get(name)!), settled };
  } finally {
    for (const { watch, sets, graph } of entrants) {
      watch.destroy();
      sets.release();
      graph.destroy();
    }
    for (const parameter of trial.parameters) parameter.release(gpu);
  }
}

function trialsOf(decision: Decided['decision']): DecisionTrials {
  const found = decisionTrials.find((one) => one.decision.purpose === decision.purpose);
  if (found === undefined) throw new Error(`${decision.purpose} has no trial in src/operators/trials.ts`);
  return found;
}

/** Compiles a trial with an algorithm forced. */
async function compileWith(gpu: Gpu, { options }: Trial, one: AlgorithmRace, name: string): Promise<CompiledGraph> {
  const { purpose } = one.decision;
  const before = gpu.algorithms.get(purpose);
  let compiled: Promise<CompiledGraph> | undefined;
  gpu.algorithms.set(purpose, name);
  let made: Decided[];
  try {
    // All is decided before the first wait.
    made = decisionsIn(gpu, () => {
      compiled = compile(gpu, options);
    });
  } finally {
    if (before === undefined) gpu.algorithms.delete(purpose);
    else gpu.algorithms.set(purpose, before);
  }
  const graph = await compiled!;
  const own = made.find(({ decision, case: text }) => decision.purpose === purpose && text === one.case);
  if (own?.selected.algorithm.name === name) return graph;
  graph.destroy();
  throw new Error(`the trial of ${purpose}, ${one.case}, has ${own?.selected.algorithm.name} in place of ${name}`);
}

/** All that one run makes, from the same values each time. */
async function resultsOf(gpu: Gpu, graph: CompiledGraph, { options, parameters, inputs }: Trial) {
  const { outputs = [], gradients = [], update = false } = options;
  for (const [tensor, values] of inputs) graph.write(tensor, values);
  if (update !== false) {
    for (const parameter of parameters) parameter.reset(gpu);
    graph.resetMomentum();
  }
  const rates = { momentum: 0, weightDecay: 0.5, step: 0, seed: 1 };
  graph.setStep({ ...rates, learningRate: 0.5 });
  await graph.run();
  const results: Float32Array[] = [];
  for (const tensor of outputs) results.push(await graph.read(tensor));
  for (const tensor of gradients) results.push(await graph.readGradient(tensor));
  if (update !== false) results.push(...(await graph.readState()).map((bytes) => new Float32Array(bytes)));
  // The runs that are timed leave all as it is.
  graph.setStep({ ...rates, learningRate: 0 });
  return results;
}

const dispatchesOf = ({ dispatches, forwardDispatches }: CompiledGraph, { part }: Trial) =>
  part === 'forward' ? dispatches.slice(0, forwardDispatches) : dispatches.slice(forwardDispatches);
