import { dropoutBackward, dropoutForward } from '../../kernels/dropout/dropout.ts';
import { defineOperator } from '../operator.ts';
import { dropout as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { type DropoutAttributes, rule } from './rule.ts';

export const dropout = defineOperator<DropoutAttributes>()({
  kind: 'dropout',
  formula: 'in training y = 0 with probability ratio, else x / (1 - ratio); in inference y = x',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { ratio }, name }) => [build(x, ratio, name)],
  reference: ({ values: [x] }) => [x],
  folds: 'never',
  onnx,
  kernels: [dropoutForward, dropoutBackward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ ratio }) => [`ratio ${ratio}`],
});
