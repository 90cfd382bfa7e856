import type { OnnxNode } from '../../onnx/model.ts';
import type { LinearRole } from '../linear/rule.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { parameter, refuse } from '../onnx/reading.ts';
import { transposed } from '../onnx/tensors.ts';
import type { None } from '../operator.ts';

function read(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  if (around.isActivation(node.inputs[1])) {
    const other = around.shapeOf(node.inputs[1], node);
    if (shape.length < 2 || other.length !== shape.length) {
      refuse(
        node,
        `multiplies activations of shapes [batch, ${shape}] and [batch, ${other}]`,
        'Two or more dimensions behind the batch are expected in both.',
      );
    }
    return { op: { kind: 'matMul' }, inputs: node.inputs };
  }
  const given = parameter(node, 1, 'weight', around);
  if (given.tensor.dims.length !== 2 || shape.length < 1) {
    refuse(
      node,
      `multiplies [batch, ${shape}] by '${given.name}' of [${given.tensor.dims}]`,
      'A constant operand must be a matrix.',
    );
  }
  const weight = { name: given.name, tensor: transposed(given.tensor, given.name) };
  const kind = shape.length === 1 && around.lead === 1 ? 'linear' : 'matMul';
  return { op: { kind }, inputs: [node.inputs[0]], parameters: { weight } };
}

export const onnx: OnnxForm<None, LinearRole> = {
  reads: { MatMul: read },
  /** MatMul's weight is [in, out], the network's [out, in]. */
  write({ name, inputs, outputs: [y], parameters: { weight, bias } }, to) {
    if (weight === undefined) {
      to.node('MatMul', inputs, [y], { name });
      return;
    }
    const product = bias === undefined ? y : `${y}/product`;
    to.node('MatMul', [...inputs, to.transposed(weight.name)], [product], { name });
    if (bias !== undefined) to.node('Add', [product, bias.name], [y], { name: `${name}/bias` });
  },
};
