/** Pooling in ONNX; pools of one place, and over all places, are written in several ways. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { int, ints, type OnnxForm, type Reading, type Surroundings } from '../onnx/form.ts';
import { flag, isOne, type Pair, padding, pair, plain, refuse } from '../onnx/reading.ts';
import { count, type None } from '../operator.ts';
import type { AveragePoolAttributes, MaxPoolAttributes, PoolAttributes } from './rule.ts';

function kernelShape(node: OnnxNode): Pair {
  const kernel = attribute(node, 'kernel_shape', 'ints');
  if (kernel?.length !== 2) {
    refuse(node, `has kernel_shape [${kernel ?? ''}]`, 'Two spatial dimensions are expected.');
  }
  return [kernel[0], kernel[1]];
}

function window(node: OnnxNode, around: Surroundings): MaxPoolAttributes {
  const kernel = kernelShape(node);
  const dilations = pair(node, 'dilations', [1, 1]);
  const strides = pair(node, 'strides', [1, 1]);
  const pads = padding(node, around, kernel, strides, dilations);
  return { kernel, strides, pads, dilations, ceilMode: flag(node, 'ceil_mode') };
}

function maxPool(node: OnnxNode, around: Surroundings): Reading {
  if (node.outputs[1] && around.isRead(node.outputs[1])) {
    refuse(node, `hands on the places of its maxima ('${node.outputs[1]}')`, 'That output is not supported.');
  }
  return plain(node, { kind: 'maxPool', ...window(node, around) });
}

function globalMaxPool(node: OnnxNode, around: Surroundings): Reading {
  const [, height, width] = around.shapeOf(node.inputs[0], node);
  if (width === undefined) refuse(node, 'pools no image', 'Two spatial dimensions are expected.');
  const window = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
  return plain(node, { kind: 'maxPool', kernel: [height, width], ...window, ceilMode: false });
}

function averagePool(node: OnnxNode, around: Surroundings): Reading {
  const { dilations, ...rest } = window(node, around);
  if (!isOne(dilations)) refuse(node, `has dilations [${dilations}]`, 'Only [1, 1] is supported.');
  // torchvision's adaptive pool at the size the network was made for.
  const one = isOne(rest.kernel) && isOne(rest.strides) && rest.pads.every((pad) => pad === 0);
  if (one) return plain(node, { kind: 'identity' });
  return plain(node, { kind: 'averagePool', ...rest, countIncludePad: flag(node, 'count_include_pad') });
}

function globalAveragePool(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  return plain(node, { kind: shape.length === 3 && count(shape.slice(1)) === 1 ? 'identity' : 'globalAveragePool' });
}

const written = ({ kernel, strides, pads, ceilMode }: PoolAttributes) => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  pads: ints(pads),
  ceil_mode: int(ceilMode ? 1 : 0),
});

export const maxOnnx: OnnxForm<MaxPoolAttributes, never> = {
  reads: { MaxPool: maxPool, GlobalMaxPool: globalMaxPool },
  images: true,
  write({ name, attributes, inputs, outputs }, to) {
    const dilations = ints(attributes.dilations);
    to.node('MaxPool', inputs, outputs, { name, attributes: { ...written(attributes), dilations } });
  },
};

export const averageOnnx: OnnxForm<AveragePoolAttributes, never> = {
  reads: { AveragePool: averagePool },
  images: true,
  write({ name, attributes, inputs, outputs }, to) {
    const count_include_pad = int(attributes.countIncludePad ? 1 : 0);
    to.node('AveragePool', inputs, outputs, { name, attributes: { ...written(attributes), count_include_pad } });
  },
};

export const globalOnnx: OnnxForm<None, never> = {
  reads: { GlobalAveragePool: globalAveragePool },
  images: true,
  write: ({ name, inputs, outputs }, to) => to.node('GlobalAveragePool', inputs, outputs, { name }),
};
