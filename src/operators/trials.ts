/**
 * Every decision that operators leave to `select`, with its trials: `tune` measures these. And layers to be drawn, on which
 * `bench selection` measures how good the choices are.
 */
import { forcedAlgorithms } from '../gpu/algorithms.ts';
import type { Capabilities } from '../kernels/kernel.ts';
import { refuseUnknown } from './algorithms/algorithm.ts';
import type { DecisionTrials, FreshLayers } from './algorithms/trial.ts';
import { freshConvolutions } from './conv2d/fresh.ts';
import { convolutionTrials } from './conv2d/trials.ts';
import { freshLinear } from './linear/fresh.ts';
import { linearTrials } from './linear/trials.ts';
import { freshProducts } from './mat-mul/fresh.ts';
import { matMulTrials } from './mat-mul/trials.ts';

export const decisionTrials: readonly DecisionTrials[] = [...convolutionTrials, ...linearTrials, ...matMulTrials];

/** For each operator that has decisions. */
export const freshLayers: readonly FreshLayers[] = [freshConvolutions, freshLinear, freshProducts];

/**
 * Before anything is built: a network without a convolution would not notice that 'conv2d' was written otherwise.
 * @throws FrostlineError where an algorithm is forced for what nothing is chosen for, or one that there is not
 */
export function refuseUnknownAlgorithms(adapter: Capabilities): void {
  const decisions = decisionTrials.map(({ decision }) => decision);
  const operators = [...new Set(decisions.map(({ purpose }) => purpose.split(' ')[0]))];
  forcedAlgorithms(adapter.algorithms ?? new Map(), 'algorithms');
  for (const operator of operators) {
    refuseUnknown(
      adapter,
      operator,
      decisions.filter(({ purpose }) => purpose.split(' ')[0] === operator),
    );
  }
}
