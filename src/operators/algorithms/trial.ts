/**
 * A trial: a graph of one problem that an operator chooses an algorithm for, and of nothing else, so that the algorithm
 * can be checked and timed as a whole, with its packing and its windows. Operators have theirs in their `trials.ts`; who
 * runs them compiles one with each algorithm forced (../../bench/tune-algorithms.ts).
 */

import type { CompileOptions } from '../../graph/compile.ts';
import type { Parameter, Tensor } from '../../graph/tensor.ts';
import type { Random } from '../../random.ts';
import type { Decision } from './algorithm.ts';

export interface Trial {
  /** its outputs, gradients and updates are what the algorithm makes */
  readonly options: CompileOptions;
  /** where the algorithm runs */
  readonly part: 'forward' | 'backward';
  /** what is to be released in the end */
  readonly parameters: readonly Parameter[];
  /** values of inputs, to be written */
  readonly inputs: readonly (readonly [Tensor, Float32Array<ArrayBuffer>])[];
}

/** So many values to compute with. */
export type Values = (count: number) => Float32Array<ArrayBuffer>;

/** A decision, and how its problems become trials. */
export interface DecisionTrials {
  readonly decision: Decision<never, never>;
  trial(problem: never, values: Values): Trial;
}

/** A layer that no network here has, drawn as networks have them: what it decides shows how good estimates are. */
export interface FreshLayer {
  /** all that was drawn of it */
  readonly text: string;
  /** of its forward pass */
  readonly flops: number;
  /** of its largest tensor */
  readonly bytes: number;
  /** A training step of it alone, which comes to the decisions that a network's step would come to. */
  step(): Pick<Trial, 'options' | 'parameters'>;
}

/** Where an operator's layers are drawn from. */
export interface FreshLayers {
  /** with which the purposes of its decisions begin */
  readonly operator: string;
  draw(random: Random): FreshLayer;
}

/** One of several, all alike likely: who is to be likelier stands there more often. */
export const oneOf = <T>(random: Random, ...all: readonly [T, ...T[]]): T => all[random.integer(all.length)];

/** A whole number from `low` to `high`, each power of two alike likely. */
export const upTo = (random: Random, low: number, high: number): number =>
  Math.min(high, Math.floor(low * ((high + 1) / low) ** random.uniform()));
