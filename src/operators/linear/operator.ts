import { linearBackward } from '../../kernels/linear/backward.ts';
import { linearForward } from '../../kernels/linear/forward.ts';
import { linearInputGradient } from '../../kernels/linear/input-gradient.ts';
import { linearUpdate, linearUpdateScaled } from '../../kernels/linear/update.ts';
import { defineOperator, type None } from '../operator.ts';
import { linear as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { timesWeight } from './reference.ts';
import { type LinearRole, rule } from './rule.ts';

export const linear = defineOperator<None>()<'linear', LinearRole>({
  kind: 'linear',
  formula: 'y = weight x + bias, of x flattened',
  ...rule,
  parameters: {
    weight: { kind: 'trained', decays: true },
    bias: { kind: 'trained', decays: false, optional: true },
  },
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], parameters: { weight, bias }, name }) => [build(x, weight!, bias, name)],
  reference: ({ values: [x], weights, parameters }) => [
    timesWeight(x, weights.weight!, parameters.weight!, weights.bias),
  ],
  folds: 'reference',
  onnx,
  kernels: [linearForward, linearInputGradient, linearUpdate, linearUpdateScaled, linearBackward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: () => [],
});
