/**
 * A trial: a graph of one problem that an operator chooses an algorithm for, and of nothing else, so that the algorithm
 * can be checked and timed as a whole, with its packing and its windows. Operators have theirs in their `trials.ts`; who
 * runs them compiles one with each algorithm forced (../bench/tune-algorithms.ts).
 */
import type { Decision } from './algorithm.ts';
import type { CompileOptions } from './compile.ts';
import type { Parameter, Tensor } from './tensor.ts';

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
