import { product } from '../../check/reference/tensors.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { linear } from '../linear/graph.ts';
import { timesWeight } from '../linear/reference.ts';
import type { LinearRole } from '../linear/rule.ts';
import { defineOperator, type None, shapesOf } from '../operator.ts';
import { reshape } from '../reshape/graph.ts';
import { matMul as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { rule } from './rule.ts';

/** y [..., P] = x [..., K] weight^T + bias, weight [P, K]: a fully connected layer for each row. */
function timesMatrix(x: Tensor, weight: Tensor, bias: Tensor | undefined, name: string): Tensor {
  const [shape] = shapesOf<None, LinearRole>(name, rule, {}, [x], { weight, bias });
  const width = x.shape.at(-1)!;
  return reshape(linear(reshape(x, [x.size / width, width], name), weight, bias, name), shape, name);
}

export const matMul = defineOperator<None>()<'matMul', LinearRole>({
  kind: 'matMul',
  formula: 'y = a b, of the last two dimensions; or x weight^T + bias, of the last one',
  ...rule,
  parameters: {
    weight: { kind: 'trained', decays: true, optional: true },
    bias: { kind: 'trained', decays: false, optional: true },
  },
  inputs: 'several',
  outputs: 1,
  build: ({ inputs: [a, b], parameters: { weight, bias }, name }) => [
    weight === undefined ? build(a, b, name) : timesMatrix(a, weight, bias, name),
  ],
  reference: ({ values: [a, b], inputs, weights, parameters }) => [
    weights.weight === undefined
      ? product(a, inputs[0].shape, b, inputs[1].shape)
      : timesWeight(a, weights.weight, parameters.weight!, weights.bias),
  ],
  folds: 'reference',
  onnx,
  kernels: [],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: () => [],
});
