/** Fully connected layers alone, to measure their algorithms: loaded by those who measure. */
import { input, Parameter } from '../../graph/tensor.ts';
import type { DecisionTrials, Trial, Values } from '../algorithms/trial.ts';
import { linearDecisions } from './algorithms/index.ts';
import type { Layer, Operands } from './algorithms/layer.ts';
import { linear } from './graph.ts';

/** x is a parameter that nobody trains, so that all trials of a problem share it; the weight, where it is not updated. */
function trial(result: keyof Operands, layer: Layer, values: Values): Trial {
  const { batch, inputs, outputs, hasBias, weightLasts } = layer;
  const updates = result === 'update' || result === 'backward';
  const constant = (name: string, shape: readonly number[], mask = 0) =>
    new Parameter(name, shape, () => values(shape.reduce((a, b) => a * b)), { mask });
  const x = constant('x', [batch, inputs]);
  const weight = constant('weight', [outputs, inputs], updates ? 1 : 0);
  const bias = hasBias ? constant('bias', [outputs]) : undefined;
  const y = linear(x, weight, bias);
  const parameters = [x, weight, ...(bias === undefined ? [] : [bias])];
  if (result === 'forward') {
    return { options: { outputs: [y], keepPacked: weightLasts }, part: 'forward', parameters, inputs: [] };
  }
  const dy = input('dy', [batch, outputs]);
  const gradients = { 'input gradient': [x], 'weight gradient': [weight], update: [], backward: [x] }[result];
  const options = { loss: y, upstream: dy, gradients, update: updates, keepPacked: weightLasts };
  return { options, part: 'backward', parameters, inputs: [[dy, values(dy.size)]] };
}

export const linearTrials: readonly DecisionTrials[] = (Object.keys(linearDecisions) as (keyof Operands)[]).map(
  (result) => ({
    decision: linearDecisions[result],
    trial: (problem: Layer, values) => trial(result, problem, values),
  }),
);
