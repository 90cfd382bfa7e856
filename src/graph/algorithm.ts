/**
 * One way among several to compute the same problem, as dispatches. All of them say what they cost in one unit, so that
 * they can be compared with each other, with what was measured, and with what a pass over memory costs that a fusion
 * would save. `select` is the only place that chooses.
 */

import { machineOf } from '../gpu/machine.ts';
import type { Capabilities } from '../kernels/kernel.ts';
import type { ForwardEmitter } from './operation.ts';

/** What is to be done, counted by the algorithm; what it takes, an adapter knows (`milliseconds`). */
export interface Work {
  /** of a rasteriser in software: vector instructions of the subgroup's width; of a GPU: cycles of the whole of it */
  readonly instructions: number;
  /** written and read once between its kernels: packed, padded, transformed */
  readonly movedBytes: number;
  readonly dispatches: number;
}

export interface Algorithm<Problem, Operands> {
  readonly name: string;
  /** Why it does not compute the problem on this adapter, of text and limits, never of time; nothing where it does. */
  obstacle(adapter: Capabilities, problem: Problem): string | undefined;
  work(adapter: Capabilities, problem: Problem): Work;
  /** Memory that lives between its kernels, at most. */
  workspaceBytes(adapter: Capabilities, problem: Problem): number;
  emit(emit: ForwardEmitter, problem: Problem, operands: Operands): void;
}

/** What a rasteriser in software does in a millisecond, measured; of a GPU: ../kernels/machine.ts. */
const RATES = {
  software: { instructions: 1.7e7, bytes: 1.6e7, dispatch: 0.02 },
  embedded: { instructions: 1e6, bytes: 1e6, dispatch: 0.02 },
} as const;

export function milliseconds(adapter: Capabilities, { instructions, movedBytes, dispatches }: Work): number {
  const { cycles, bytes, dispatch } = machineOf(adapter);
  const rate = adapter.kind === 'hardware' ? { instructions: cycles, bytes, dispatch } : RATES[adapter.kind];
  return instructions / rate.instructions + movedBytes / rate.bytes + dispatches * rate.dispatch;
}

export interface Selected<A> {
  readonly algorithm: A;
  readonly milliseconds: number;
  /** why the others were not taken, for `frostline kernels` and for tests */
  readonly others: readonly { readonly name: string; readonly milliseconds?: number; readonly reason: string }[];
}

export interface SelectOptions {
  /** bytes that the workspace may take; the last algorithm, which needs none, is always allowed */
  readonly workspace?: number;
  /** the name of an algorithm that goes before all estimates, where it is open: measured to be the quickest, or pinned */
  readonly pinned?: string;
  /** what is chosen for, as 'conv2d forward': an algorithm that the adapter is told to use for it goes before all */
  readonly purpose?: string;
}

const SLOWER = 'it is slower';

/**
 * The quickest algorithm that computes the problem; of equals the first. The first of the list is the plain one: it must
 * support everything that was not refused when the graph was built.
 */
export function select<P, O>(
  adapter: Capabilities,
  algorithms: readonly [Algorithm<P, O>, ...Algorithm<P, O>[]],
  problem: P,
  { workspace = Number.POSITIVE_INFINITY, pinned, purpose = '' }: SelectOptions = {},
): Selected<Algorithm<P, O>> {
  const forced = adapter.algorithms?.get(purpose) ?? adapter.algorithms?.get(purpose.split(' ')[0]);
  const rated = algorithms.map((algorithm) => {
    const obstacle = algorithm.obstacle(adapter, problem);
    if (obstacle !== undefined) return { algorithm, reason: obstacle };
    if (algorithm.workspaceBytes(adapter, problem) > workspace)
      return { algorithm, reason: 'it takes too much memory' };
    const time = milliseconds(adapter, algorithm.work(adapter, problem));
    // Compared with anything it would never be the least, unnoticed.
    if (!(time >= 0)) throw new Error(`${algorithm.name} takes ${time} ms`);
    return { algorithm, time, reason: SLOWER };
  });
  const open = rated.filter((one): one is typeof one & { time: number } => one.time !== undefined);
  const left = rated.find(({ algorithm, reason }) => algorithm.name === forced && reason !== SLOWER);
  if (left !== undefined) {
    adapter.notice?.(`${purpose}: ${forced} is asked for, but ${left.reason}. The quickest other one is used there.`);
  }
  const best =
    open.find(({ algorithm }) => algorithm.name === forced) ??
    open.find(({ algorithm }) => algorithm.name === pinned) ??
    open.reduce<(typeof open)[number] | undefined>((a, b) => (a === undefined || b.time < a.time ? b : a), undefined);
  if (best === undefined) throw new Error(`no algorithm of ${algorithms.map(({ name }) => name).join(', ')} runs`);
  const others = rated.filter((one) => one !== best);
  return {
    algorithm: best.algorithm,
    milliseconds: best.time,
    others: others.map(({ algorithm, time, reason }) => ({ name: algorithm.name, milliseconds: time, reason })),
  };
}

/**
 * An algorithm of some results among several: a fully connected layer's input gradient and weight update in one pass over
 * the weight, or each by itself. What is chosen among is sets of them.
 */
export interface PartialAlgorithm<Problem, Operands, Result extends string> extends Algorithm<Problem, Operands> {
  readonly makes: readonly Result[];
}

/** The quickest algorithms that together make each wanted result once, and nothing else. */
export function cover<P, O, R extends string>(
  adapter: Capabilities,
  algorithms: readonly PartialAlgorithm<P, O, R>[],
  problem: P,
  wanted: readonly R[],
): { readonly algorithms: readonly PartialAlgorithm<P, O, R>[]; readonly milliseconds: number } {
  const [next] = wanted;
  if (next === undefined) return { algorithms: [], milliseconds: 0 };
  const ways = algorithms
    .filter((one) => one.makes.includes(next) && one.makes.every((result) => wanted.includes(result)))
    .filter((one) => one.obstacle(adapter, problem) === undefined)
    .map((one) => {
      const left = wanted.filter((result) => !one.makes.includes(result));
      const rest = cover(adapter, algorithms, problem, left);
      const time = milliseconds(adapter, one.work(adapter, problem)) + rest.milliseconds;
      return { algorithms: [one, ...rest.algorithms], milliseconds: time };
    });
  if (ways.length === 0) throw new Error(`no algorithm makes ${next} alone or with ${wanted.slice(1).join(', ')}`);
  return ways.reduce((best, way) => (way.milliseconds < best.milliseconds ? way : best));
}
