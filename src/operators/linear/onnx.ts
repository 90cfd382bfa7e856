/** The fully connected layer in ONNX: Gemm with a constant matrix. */
import type { OnnxNode } from '../../onnx/model.ts';
import { OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../onnx/attributes.ts';
import { int, type OnnxForm, type Reading, type ReadParameter, type Surroundings } from '../onnx/form.ts';
import { flag, parameter, refuse } from '../onnx/reading.ts';
import { reshaped, scaled, transposed } from '../onnx/tensors.ts';
import type { None } from '../operator.ts';
import type { LinearRole } from './rule.ts';

/** Y = alpha A B' + beta C. The factors go into the parameters, so that a layer is x W^T + b alone. */
function gemm(node: OnnxNode, around: Surroundings): Reading {
  if (flag(node, 'transA'))
    refuse(node, 'has transA = 1, which makes the batch the last axis', 'transA = 0 is expected.');
  const alpha = attribute(node, 'alpha', 'float') ?? 1;
  const beta = attribute(node, 'beta', 'float') ?? 1;
  const given = parameter(node, 1, 'weight', around);
  if (given.tensor.dims.length !== 2) {
    refuse(node, `has weight '${given.name}' of shape [${given.tensor.dims}]`, 'A matrix is expected.');
  }
  const outFirst = flag(node, 'transB') ? given.tensor : transposed(given.tensor, given.name);
  const weight = { name: given.name, tensor: scaled(outFirst, alpha) };
  if (!node.inputs[2] || beta === 0)
    return { op: { kind: 'linear' }, inputs: [node.inputs[0]], parameters: { weight } };
  const bias = parameter(node, 2, 'bias', around);
  const tensor = scaled(asBias(node, bias, outFirst.dims[0]), beta);
  return {
    op: { kind: 'linear' },
    inputs: [node.inputs[0]],
    parameters: { weight, bias: { name: bias.name, tensor } },
  };
}

/** Gemm broadcasts C to [batch, out]: [out], [1, out], [1] and a scalar are the same for all images. */
function asBias(node: OnnxNode, { name, tensor }: ReadParameter, out: number): OnnxTensor {
  const { dims } = tensor;
  if (dims.length > 2 || (tensor.size !== 1 && (dims.at(-1) !== out || tensor.size !== out))) {
    refuse(node, `has bias '${name}' of shape [${dims}]`, `[${out}] is expected, the same for all images.`);
  }
  if (dims.length === 1 && tensor.size === out) return tensor;
  if (tensor.size === out) return reshaped(tensor, [out]);
  return new OnnxTensor(name, [out], 'float32', () => new Float32Array(out).fill(tensor.toFloat32()[0]));
}

export const onnx: OnnxForm<None, LinearRole> = {
  reads: { Gemm: gemm },
  write({ name, inputs: [x], outputs: [y], shapes: [shape], parameters: { weight, bias } }, to) {
    let input = x;
    if (shape.length !== 1) {
      input = `${y}/flat`;
      to.node('Flatten', [x], [input], { name: `${name}/flatten`, attributes: { axis: int(1) } });
    }
    const operands = [input, weight!.name, ...(bias ? [bias.name] : [])];
    to.node('Gemm', operands, [y], { name, attributes: { transB: int(1) } });
  },
};
