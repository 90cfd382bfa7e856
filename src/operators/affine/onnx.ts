/** Arithmetic with constants in ONNX. */
import type { OnnxNode } from '../../onnx/model.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { perImage, refuse } from '../onnx/reading.ts';
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
    refuse(node, `reads '${node.inputs[1]}', which is no tensor of numbers`, 'Export it with a fixed batch.');
  }
  const values = perImage(node, around, constant, shape);
  const ones = [1];
  const none = [0];
  const forms: Record<string, () => { scale: readonly number[]; shift: readonly number[] }> = {
    Add: () => ({ scale: ones, shift: values }),
    Sub: () => (left ? { scale: [-1], shift: values } : { scale: ones, shift: values.map((value) => -value) }),
    Mul: () => ({ scale: values, shift: none }),
    Div: () => {
      if (left) refuse(node, 'divides a constant by an activation', 'Only division by a constant is supported.');
      return { scale: values.map((value) => 1 / value), shift: none };
    },
  };
  return { op: { kind: 'affine', ...forms[node.opType]() }, inputs: [activation] };
}

export const onnx: OnnxForm<AffineAttributes, never> = {
  // Add, Sub, Mul and Div belong to the arithmetic of two activations, which asks `readAffine`.
  reads: {},
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
