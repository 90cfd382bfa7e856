import { eluMap } from '../../kernels/elu/elu.ts';
import { field, sameInOnnx } from '../onnx/form.ts';
import { defineOperator } from '../operator.ts';
import { elu as build, type EluAttributes, rule } from './graph.ts';

export const elu = defineOperator<EluAttributes>()({
  kind: 'elu',
  formula: 'y = x where x > 0, else alpha (exp(x) - 1)',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { alpha }, name }) => [build(x, alpha, name)],
  reference: ({ values: [x], attributes: { alpha } }) => [
    Float64Array.from(x, (v) => (v > 0 ? v : alpha * Math.expm1(v))),
  ],
  folds: 'reference',
  onnx: sameInOnnx('elu', 'Elu', { alpha: field('alpha', 'float', 1) }),
  kernels: [eluMap.forward, eluMap.backward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ alpha }) => [`alpha ${alpha}`],
});
