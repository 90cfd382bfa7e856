/** Arithmetic with constants, and normalisation by statistics that stand still, in ONNX. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { flag, parameter, perImage, plain, refuse } from '../onnx/reading.ts';
import type { AffineAttributes } from './shape.ts';

/**
 * Arithmetic with a constant: MATLAB's mean subtraction, a scale, a bias that stands alone. Constants that are the same
 * within each channel become one a channel.
 */
export function readAffine(
  node: OnnxNode,
  around: Surroundings,
): Reading<{ readonly kind: string } & AffineAttributes> {
  const [left, right] = node.inputs.map((value) => around.constants.tensor(value));
  const constant = left ?? right;
  for (const value of node.inputs) if (!around.constants.has(value)) around.shapeOf(value, node);
  const activation = node.inputs[left ? 1 : 0];
  const shape = around.shapeOf(activation, node);
  if (constant === undefined) {
    throw refuse(node, `reads '${node.inputs[1]}', which is no tensor of numbers`, 'Fold it before exporting.');
  }
  const values = perImage(node, around, constant, shape);
  const ones = [1];
  const none = [0];
  const forms: Record<string, () => { scale: readonly number[]; shift: readonly number[] }> = {
    Add: () => ({ scale: ones, shift: values }),
    Sub: () => (left ? { scale: [-1], shift: values } : { scale: ones, shift: values.map((value) => -value) }),
    Mul: () => ({ scale: values, shift: none }),
    Div: () => {
      if (left) throw refuse(node, 'divides a constant by an activation', 'Only division by a constant is supported.');
      return { scale: values.map((value) => 1 / value), shift: none };
    },
  };
  return { op: { kind: 'affine', ...forms[node.opType]() }, inputs: [activation] };
}

/**
 * How the file says that the batch's own statistics are meant, or nothing. Before operator set 7 that is the default;
 * then, up to 13, it is the number of outputs alone that says so, whether anybody reads them or not.
 */
function trainingMode(node: OnnxNode, opset: number): string | undefined {
  if (flag(node, 'training_mode')) return 'training_mode = 1';
  if (opset < 7) return flag(node, 'is_test') ? undefined : 'no is_test = 1';
  const outputs = node.outputs.filter((output) => output !== '').length;
  return opset < 14 && outputs > 1 ? `it has ${outputs} outputs` : undefined;
}

/**
 * At inference a map of each channel: y = (x - mean) / sqrt(var + epsilon) * scale + bias. All of it is constant here:
 * fine-tuning leaves it as it is.
 */
function batchNormalization(node: OnnxNode, around: Surroundings): Reading {
  const how = trainingMode(node, around.opset);
  if (how !== undefined) {
    throw refuse(node, `normalises by the statistics of the batch (${how})`, 'Export the model for inference.');
  }
  if (around.opset < 9 && attribute(node, 'spatial', 'int') === 0) {
    throw refuse(node, 'has spatial = 0, statistics for every element', 'Statistics for every channel are expected.');
  }
  if (node.outputs.slice(1).some((output) => output && around.isRead(output))) {
    throw refuse(node, 'hands on its statistics', 'Only its first output is supported.');
  }
  const [channels] = around.shapeOf(node.inputs[0], node);
  const [scale, bias, mean, variance] = ['scale', 'bias', 'mean', 'variance'].map((role, i) => {
    const { name, tensor } = parameter(node, i + 1, role, around);
    if (tensor.dims.length !== 1 || tensor.size !== channels) {
      throw refuse(
        node,
        `has ${role} '${name}' of shape [${tensor.dims}]`,
        `[${channels}] is expected, one a channel.`,
      );
    }
    return tensor.toFloat32();
  });
  const epsilon = attribute(node, 'epsilon', 'float') ?? 1e-5;
  const factor = Array.from(scale, (value, c) => value / Math.sqrt(variance[c] + epsilon));
  const shift = factor.map((value, c) => bias[c] - mean[c] * value);
  return plain(node, { kind: 'affine', scale: factor, shift });
}

export const onnx: OnnxForm<AffineAttributes, never> = {
  // Add, Sub, Mul and Div belong to the arithmetic of two activations, which asks `readAffine`.
  reads: { BatchNormalization: batchNormalization },
  images: true,
  write({ name, attributes: { scale, shift }, inputs: [x], outputs: [y], shapes: [shape] }, to) {
    const constant = (role: string, values: readonly number[]) => {
      const dims = values.length === 1 ? [] : values.length === shape[0] ? shape.map((dim, i) => (i ? 1 : dim)) : shape;
      return to.constant(`${name}.${role}`, dims, Float32Array.from(values));
    };
    const scales = scale.some((value) => value !== 1);
    const shifts = shift.some((value) => value !== 0) || !scales;
    const between = scales && shifts ? `${y}/scaled` : y;
    if (scales) to.node('Mul', [x, constant('scale', scale)], [between], { name });
    if (shifts) {
      to.node('Add', [scales ? between : x, constant('shift', shift)], [y], { name: scales ? `${name}/shift` : name });
    }
  },
};
