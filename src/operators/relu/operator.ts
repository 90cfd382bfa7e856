import { reluMap } from '../../kernels/relu/relu.ts';
import { sameInOnnx } from '../onnx/form.ts';
import { defineOperator, type None } from '../operator.ts';
import { relu as build } from './graph.ts';

export const relu = defineOperator<None>()({
  kind: 'relu',
  formula: 'y = max(x, 0)',
  attributes: {},
  parameters: {},
  inputs: 1,
  outputs: 1,
  shape: ({ inputs: [x] }) => [x.shape],
  build: ({ inputs: [x], name }) => [build(x, name)],
  reference: ({ values: [x] }) => [Float64Array.from(x, (value) => Math.max(value, 0))],
  folds: 'reference',
  onnx: sameInOnnx('relu', 'Relu', {}),
  kernels: [reluMap.forward, reluMap.backward],
  numbered: 'always',
  detail: () => [],
  checks: () => import('./cases.ts'),
});
