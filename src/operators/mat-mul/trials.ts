/** Products of matrices alone, to measure their algorithms: loaded by those who measure. */
import { input, Parameter } from '../../graph/tensor.ts';
import type { DecisionTrials, Trial, Values } from '../algorithms/trial.ts';
import { matMulDecisions } from './algorithms/index.ts';
import type { Products, Result } from './algorithms/products.ts';
import { matMul } from './graph.ts';

/** Both matrices are parameters that nobody trains, so that all trials of a problem share them. */
function trial(result: Result, { products, m, k, p }: Products, values: Values): Trial {
  const constant = (name: string, shape: readonly number[]) =>
    new Parameter(name, shape, () => values(shape.reduce((x, y) => x * y)), { mask: 0 });
  const [a, b] = [constant('a', [products, m, k]), constant('b', [products, k, p])];
  const y = matMul(a, b);
  const parameters = [a, b];
  if (result === 'forward') return { options: { outputs: [y] }, part: 'forward', parameters, inputs: [] };
  const dy = input('dy', [products, m, p]);
  const options = { loss: y, upstream: dy, gradients: [result === 'left gradient' ? a : b] };
  return { options, part: 'backward', parameters, inputs: [[dy, values(dy.size)]] };
}

export const matMulTrials: readonly DecisionTrials[] = (Object.keys(matMulDecisions) as Result[]).map((result) => ({
  decision: matMulDecisions[result],
  trial: (problem: Products, values) => trial(result, problem, values),
}));
