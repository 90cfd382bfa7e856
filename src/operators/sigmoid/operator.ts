import { sigmoidMap } from '../../kernels/sigmoid/sigmoid.ts';
import { sameInOnnx } from '../onnx/form.ts';
import { defineOperator, type None } from '../operator.ts';
import { sigmoid as build } from './graph.ts';

export const sigmoid = defineOperator<None>()({
  kind: 'sigmoid',
  formula: 'y = 1 / (1 + exp(-x))',
  attributes: {},
  shape: ({ inputs: [x] }) => [x.shape],
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], name }) => [build(x, name)],
  reference: ({ values: [x] }) => [Float64Array.from(x, (value) => 1 / (1 + Math.exp(-value)))],
  folds: 'reference',
  onnx: sameInOnnx('sigmoid', 'Sigmoid', {}),
  kernels: [sigmoidMap.forward, sigmoidMap.backward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: () => [],
});
