import { siluMap } from '../../kernels/silu/silu.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { plain, refuse } from '../onnx/reading.ts';
import { defineOperator, type None } from '../operator.ts';
import { silu as build } from './graph.ts';

/** Swish came with operator set 24; before, files have Mul and Sigmoid, which ../rewrites makes one. */
function swish(node: OnnxNode) {
  const alpha = attribute(node, 'alpha', 'float') ?? 1;
  if (alpha !== 1) refuse(node, `has alpha ${alpha}`, 'Only x Sigmoid(x), alpha 1, is supported.');
  return plain(node, { kind: 'silu' });
}

export const silu = defineOperator<None>()({
  kind: 'silu',
  formula: 'y = x / (1 + exp(-x))',
  attributes: {},
  shape: ({ inputs: [x] }) => [x.shape],
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], name }) => [build(x, name)],
  reference: ({ values: [x] }) => [Float64Array.from(x, (value) => value / (1 + Math.exp(-value)))],
  folds: 'reference',
  onnx: {
    reads: { Swish: swish, 'frostline.Silu': (node) => plain(node, { kind: 'silu' }) },
    write({ name, inputs: [x], outputs: [y] }, to) {
      to.node('Sigmoid', [x], [`${y}/sigmoid`], { name: `${name}/sigmoid` });
      to.node('Mul', [x, `${y}/sigmoid`], [y], { name });
    },
  },
  kernels: [siluMap.forward, siluMap.backward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: () => [],
});
