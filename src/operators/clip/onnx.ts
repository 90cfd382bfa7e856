import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Surroundings } from '../onnx/form.ts';
import { plain, refuse } from '../onnx/reading.ts';
import type { ClipAttributes } from './rule.ts';

/** Bounds are attributes before operator set 11, inputs since; one that is absent does nothing. */
function read(node: OnnxNode, around: Surroundings) {
  const bound = (input: number, name: string, otherwise: number) => {
    if (around.opset < 11) return attribute(node, name, 'float') ?? otherwise;
    if (!node.inputs[input]) return otherwise;
    const given = around.constants.tensor(node.inputs[input]);
    if (given?.size !== 1) refuse(node, `computes its bound '${node.inputs[input]}'`, 'A constant is expected.');
    return given.toFloat32()[0];
  };
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY);
  return plain(node, { kind: 'clip', low, high: bound(2, 'max', Number.POSITIVE_INFINITY) });
}

export const onnx: OnnxForm<ClipAttributes, never> = {
  reads: { Clip: read },
  write({ name, attributes: { low, high }, inputs, outputs }, to) {
    const bound = (role: string, value: number) =>
      Number.isFinite(value) ? to.constant(`${name}.${role}`, [], Float32Array.of(value)) : '';
    to.node('Clip', [...inputs, bound('min', low), bound('max', high)], outputs, { name });
  },
};
