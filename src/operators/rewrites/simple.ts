/** Maps of single values that others compose: bounds by Max and Min, a square by Pow. */
import type { OnnxNode } from '../../onnx/model.ts';
import type { Surroundings } from '../onnx/form.ts';
import { type Expansion, node as step } from './match.ts';

/** The larger, or the smaller, of activations and a number: TensorFlow's ReLU6 and the like. */
const bound =
  (input: 1 | 2) =>
  (node: OnnxNode, around: Surroundings): readonly OnnxNode[] | undefined => {
    const [a, b, ...rest] = node.inputs;
    const [x, limit] = around.isActivation(a) ? [a, b] : [b, a];
    const tensor = around.constants.tensor(limit);
    if (rest.length > 0 || tensor?.size !== 1 || tensor.dims.length > around.shapeOf(x, node).length + around.lead)
      return undefined;
    const output = node.outputs[0];
    if (around.opset < 11) {
      const attributes = new Map([
        [input === 1 ? 'min' : 'max', { type: 'float', value: tensor.toFloat32()[0] } as const],
      ]);
      return [step('Clip', [x], output, attributes, node.name)];
    }
    return [step('Clip', input === 1 ? [x, limit] : [x, '', limit], output, new Map(), node.name)];
  };

export const bounds: readonly Expansion[] = [
  { opType: 'Max', when: 'read', expand: bound(1) },
  { opType: 'Min', when: 'read', expand: bound(2) },
];

/** x^2 as x x, and x^1 as x. */
function expandPower(node: OnnxNode, { constants, isActivation }: Surroundings): readonly OnnxNode[] | undefined {
  const [x, exponent] = node.inputs;
  const tensor = constants.tensor(exponent);
  if (!isActivation(x) || tensor?.size !== 1) return undefined;
  const power = tensor.toFloat32()[0];
  if (power === 1) return [step('Identity', [x], node.outputs[0], new Map(), node.name)];
  return power === 2 ? [step('Mul', [x, x], node.outputs[0], new Map(), node.name)] : undefined;
}

export const square: Expansion = { opType: 'Pow', when: 'read', expand: expandPower };
