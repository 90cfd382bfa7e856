import { concat as reference } from '../../check/reference/tensors.ts';
import { concatCopy } from '../../kernels/concat/concat.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { int, type Surroundings } from '../onnx/form.ts';
import { itemAxis, refuse } from '../onnx/reading.ts';
import { defineOperator } from '../operator.ts';
import { concat as build } from './graph.ts';
import { type ConcatAttributes, rule } from './rule.ts';

function read(node: OnnxNode, around: Surroundings) {
  const axis = itemAxis(attribute(node, 'axis', 'int') ?? 1, around.shapeOf(node.inputs[0], node), around);
  if (axis < 0) refuse(node, 'joins batches', 'Only dimensions of an item can be joined.');
  return { op: { kind: 'concat', ...(axis > 0 && { axis }) }, inputs: node.inputs };
}

export const concat = defineOperator<ConcatAttributes>()({
  kind: 'concat',
  formula: 'y = the inputs behind each other along a dimension',
  ...rule,
  parameters: {},
  inputs: 'several',
  outputs: 1,
  build: ({ inputs, attributes: { axis = 0 }, name }) => [build(inputs, name, axis + 1)],
  reference: ({ values, inputs, attributes: { axis = 0 } }) => [
    reference(
      axis + 1,
      inputs.map(({ shape }, i) => [values[i], shape] as const),
    ),
  ],
  folds: 'reference',
  onnx: {
    reads: { Concat: read },
    write({ name, attributes: { axis = 0 }, inputs, outputs }, to) {
      to.node('Concat', inputs, outputs, { name, attributes: { axis: int(axis + 1) } });
    },
  },
  kernels: [concatCopy],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ axis = 0 }) => (axis === 0 ? [] : [`dimension ${axis}`]),
});
