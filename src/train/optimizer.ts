/** The optimizers as a run is given them: what they ask for, and what a protocol says of them. */
import { FrostlineError } from '../errors.ts';
import type { Optimizer } from '../graph/compile.ts';

/** Which update a step makes, and its constants. */
export interface OptimizerSettings {
  /** what updates the parameters: SGD with momentum unless given */
  readonly optimizer?: Optimizer;
  /** of Adam and AdamW beta_1 */
  readonly momentum: number;
  /** of Adam and AdamW: beta_2, 0.999 unless given, and what is added to the root, 1e-8 unless given */
  readonly secondMomentum?: number;
  readonly epsilon?: number;
}

/** @throws FrostlineError for what an optimizer would divide by 0 with, or does not have */
export function checkOptimizer(settings: OptimizerSettings): void {
  const { optimizer = 'sgdm', momentum, secondMomentum = 0.999, epsilon = 1e-8 } = settings;
  if (optimizer === 'sgdm') {
    if (settings.secondMomentum === undefined && settings.epsilon === undefined) return;
    throw new FrostlineError(
      '--beta2 and --epsilon belong to --optimizer adam and adamw. Give one, or leave them out.',
    );
  }
  const betas = { momentum, beta2: secondMomentum };
  for (const [name, beta] of Object.entries(betas)) {
    if (beta >= 0 && beta < 1) continue;
    throw new FrostlineError(`--${name} ${beta}: ${optimizer} takes a number from 0 to below 1.`);
  }
  if (!(epsilon > 0 && epsilon < 1)) {
    throw new FrostlineError(`--epsilon ${epsilon}: ${optimizer} takes a number between 0 and 1.`);
  }
}

/** The update as it is computed, for who repeats it elsewhere. */
export function describeOptimizer(settings: OptimizerSettings): string {
  const { optimizer = 'sgdm', momentum, secondMomentum = 0.999, epsilon = 1e-8 } = settings;
  if (optimizer === 'sgdm') {
    return 'SGD with momentum: v <- momentum v - rate mask (gradient + decay weight); weight <- weight + v';
  }
  const decoupled = optimizer === 'adamw';
  return (
    `${decoupled ? 'AdamW' : 'Adam'}: g = gradient${decoupled ? '' : ' + decay weight'}; ` +
    'm <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; weight <- weight - rate mask ' +
    `(m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)${decoupled ? ' + decay weight' : ''}), t from 1; ` +
    `beta1 ${momentum} (the momentum), beta2 ${secondMomentum}, epsilon ${epsilon}`
  );
}
