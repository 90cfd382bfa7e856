import type { OnnxNode } from '../../onnx/model.ts';
import { castsTo } from '../onnx/attributes.ts';
import { plain, refuse } from '../onnx/reading.ts';
import { defineOperator, type None } from '../operator.ts';

/** Nothing is done, and nothing is counted. */
export const identity = defineOperator<None>()({
  kind: 'identity',
  formula: 'y = x',
  attributes: {},
  shape: ({ inputs: [x] }) => [x.shape],
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x] }) => [x],
  reference: ({ values: [x] }) => [x],
  folds: 'reference',
  onnx: {
    reads: {
      Identity: (node) => plain(node, { kind: 'identity' }),
      Cast(node: OnnxNode) {
        if (castsTo(node) !== 1) refuse(node, 'casts to another type', 'Activations are float32.');
        return plain(node, { kind: 'identity' });
      },
    },
    write: ({ name, inputs, outputs }, to) => to.node('Identity', inputs, outputs, { name }),
  },
  kernels: [],
  checks: () => import('./cases.ts'),
  numbered: 'never',
  detail: () => [],
});
