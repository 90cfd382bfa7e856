import { leakyReluMap } from '../../kernels/leaky-relu/leaky-relu.ts';
import { field, sameInOnnx } from '../onnx/form.ts';
import { defineOperator } from '../operator.ts';
import { leakyRelu as build, type LeakyReluAttributes, rule } from './graph.ts';

export const leakyRelu = defineOperator<LeakyReluAttributes>()({
  kind: 'leakyRelu',
  formula: 'y = x where x >= 0, else slope x',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { slope }, name }) => [build(x, slope, name)],
  reference: ({ values: [x], attributes: { slope } }) => [Float64Array.from(x, (v) => (v < 0 ? slope * v : v))],
  folds: 'reference',
  onnx: sameInOnnx('leakyRelu', 'LeakyRelu', { slope: field('alpha', 'float', 0.01) }),
  kernels: [leakyReluMap.forward, leakyReluMap.backward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ slope }) => [`slope ${slope}`],
});
