import { product } from '../../check/reference/tensors.ts';
import { timesWeight } from '../linear/reference.ts';
import type { LinearRole } from '../linear/rule.ts';
import { defineOperator, type None } from '../operator.ts';
import { matMul as build, matMulWeight } from './graph.ts';
import { onnx } from './onnx.ts';
import { rule } from './rule.ts';

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
    weight === undefined ? build(a, b, name) : matMulWeight(a, weight, bias, name),
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
