import { count, defineOperator, type None } from '../operator.ts';
import { flatten as buildFlatten, reshape as buildReshape } from './graph.ts';
import { flattenOnnx, reshapeOnnx } from './onnx.ts';
import { type ReshapeAttributes, rule } from './rule.ts';

export const flatten = defineOperator<None>()({
  kind: 'flatten',
  formula: 'y = x as [N, values of an item]',
  attributes: {},
  shape: ({ inputs: [x] }) => [[count(x.shape)]],
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], name }) => [buildFlatten(x, name)],
  reference: ({ values: [x] }) => [x],
  folds: 'reference',
  onnx: flattenOnnx,
  kernels: [],
  checks: async () => ({ checks: (await import('./cases.ts')).flattenChecks }),
  numbered: 'never',
  detail: () => [],
});

export const reshape = defineOperator<ReshapeAttributes>()({
  kind: 'reshape',
  formula: 'y = x in another shape; the batch stays first',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { shape }, name }) => [buildReshape(x, [x.shape[0], ...shape], name)],
  reference: ({ values: [x] }) => [x],
  folds: 'reference',
  onnx: reshapeOnnx,
  kernels: [],
  checks: async () => ({ checks: (await import('./cases.ts')).reshapeChecks }),
  numbered: 'never',
  detail: () => [],
});
