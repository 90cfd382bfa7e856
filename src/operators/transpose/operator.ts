import { transpose as reference } from '../../check/reference/tensors.ts';
import { transposeForward } from '../../kernels/transpose/transpose.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { ints, type Surroundings } from '../onnx/form.ts';
import { plain, refuse } from '../onnx/reading.ts';
import { defineOperator } from '../operator.ts';
import { toShape } from '../reshape/onnx.ts';
import { transpose as build } from './graph.ts';
import { rule, type TransposeAttributes } from './rule.ts';

function read(node: OnnxNode, around: Surroundings) {
  const shape = around.shapeOf(node.inputs[0], node);
  const axes = Array.from({ length: shape.length + around.lead }, (_, i) => i);
  const perm = (attribute(node, 'perm', 'ints') ?? axes.toReversed()).map((axis) => axis - around.lead);
  if (around.lead === 1 && perm.shift() !== -1) {
    refuse(node, `moves the batch of [batch, ${shape}]`, 'It must stay the first dimension.');
  }
  // MATLAB wraps its softmax in transposes that move axes of size 1 alone: the values stay in their order.
  const order = perm.filter((axis) => shape[axis] !== 1);
  if (order.some((axis, i) => i > 0 && axis < order[i - 1])) return plain(node, { kind: 'transpose', perm });
  return toShape(
    node,
    perm.map((axis) => shape[axis]),
  );
}

const withBatch = (perm: readonly number[]) => [0, ...perm.map((axis) => axis + 1)];

export const transpose = defineOperator<TransposeAttributes>()({
  kind: 'transpose',
  formula: 'y = x with dimension perm[i] as dimension i',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { perm }, name }) => [build(x, withBatch(perm), name)],
  reference: ({ values: [x], inputs: [{ shape }], attributes: { perm } }) => [reference(shape, withBatch(perm), x)],
  folds: 'reference',
  onnx: {
    reads: { Transpose: read },
    write({ name, attributes: { perm }, inputs, outputs }, to) {
      to.node('Transpose', inputs, outputs, { name, attributes: { perm: ints(withBatch(perm)) } });
    },
  },
  kernels: [transposeForward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ perm }) => [`order ${perm.join(', ')}`],
});
