import { hardSwishMap } from '../../kernels/hard-swish/hard-swish.ts';
import { float } from '../onnx/form.ts';
import { plain } from '../onnx/reading.ts';
import { defineOperator, type None } from '../operator.ts';
import { hardSwish as build } from './graph.ts';

export const hardSwish = defineOperator<None>()({
  kind: 'hardSwish',
  formula: 'y = x min(max(x / 6 + 1 / 2, 0), 1)',
  attributes: {},
  shape: ({ inputs: [x] }) => [x.shape],
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], name }) => [build(x, name)],
  reference: ({ values: [x] }) => [Float64Array.from(x, (value) => value * Math.min(Math.max(value / 6 + 0.5, 0), 1))],
  folds: 'reference',
  onnx: {
    reads: { HardSwish: (node) => plain(node, { kind: 'hardSwish' }) },
    /** HardSwish came with operator set 14; as PyTorch writes it before. ../rewrites makes one of both again. */
    write({ name, inputs: [x], outputs: [y] }, to) {
      const attributes = { alpha: float(1 / 6), beta: float(0.5) };
      to.node('HardSigmoid', [x], [`${y}/gate`], { name: `${name}/gate`, attributes });
      to.node('Mul', [x, `${y}/gate`], [y], { name });
    },
  },
  kernels: [hardSwishMap.forward, hardSwishMap.backward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: () => [],
});
