/**
 * What a training step makes of a kernel run that is timed alone. A step's kernels apply to what they write the ReLU that
 * follows, the derivative of what went before, the update of a parameter (graph/fusion.ts, graph/own-updates.ts), and a pass
 * over memory that is timed by itself may then be none in a step.
 */
import type { Kernel, KernelDispatch } from '../kernels/kernel.ts';
import { RELU } from '../kernels/relu/rule.ts';

/** Parameters that say what a run applies, and no more. */
const APPLIED = ['relu', 'relu_before', 'differentiates'];

/** As 'relu', 'derivative of relu and dropout', 'sgdm'; nothing where a run applies nothing. */
function appliedBy({ label, params }: KernelDispatch): string {
  const [, ...named] = label.split(' + ');
  const { relu, relu_before: before, differentiates } = params as Readonly<Record<string, number>>;
  const derivative = relu === RELU.before || differentiates === 1;
  const unnamed = derivative && !named.some((name) => name.startsWith('derivative'));
  return [
    ...(relu === RELU.after ? ['relu'] : []),
    ...(before === 1 ? ['relu before'] : []),
    ...(unnamed ? ['derivative of the map before'] : []),
    ...named,
  ].join(' + ');
}

/**
 * What the step's runs of the same kernel and shape apply, each once, '' for nothing; none where the step has no such run, for
 * other kernels do its work.
 */
export function appliedInStep(
  { kernel, params }: { readonly kernel: Kernel; readonly params: Readonly<Record<string, number>> },
  step: readonly KernelDispatch[],
): string[] {
  const shape = (of: Readonly<Record<string, number>>) =>
    kernel.shape({ ...of, ...Object.fromEntries(APPLIED.filter((name) => name in of).map((name) => [name, 0])) });
  const own = shape(params);
  const same = step.filter((one) => one.kernel.name === kernel.name && shape(one.params as typeof params) === own);
  return [...new Set(same.map(appliedBy))];
}

/** For a table: how a step runs what is timed alone. */
export function inStepText(applied: readonly string[]): string {
  if (applied.length === 0) return 'other kernels do it';
  return applied.map((one) => (one === '' ? 'as timed' : `with ${one}`)).join(', ');
}
