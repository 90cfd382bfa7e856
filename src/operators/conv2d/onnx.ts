/** ONNX Conv of two spatial dimensions. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { type Field, type Fields, field, type OnnxForm, type Reading, type Surroundings } from '../onnx/form.ts';
import { type Pair, padding, pair, parameter, refuse } from '../onnx/reading.ts';
import type { Conv2dAttributes, Conv2dRole } from './shape.ts';

function convolution(node: OnnxNode, around: Surroundings): Reading<{ readonly kind: string } & Conv2dAttributes> {
  const weight = parameter(node, 1, 'weight', around);
  const { dims } = weight.tensor;
  if (dims.length !== 4) {
    refuse(
      node,
      `has weight '${weight.name}' of shape [${dims}]`,
      '[out, in / groups, height, width] is expected: one and three spatial dimensions are not supported.',
    );
  }
  const kernel: Pair = [dims[2], dims[3]];
  const declared = attribute(node, 'kernel_shape', 'ints');
  if (declared && String(declared) !== String(kernel)) {
    refuse(node, `has kernel_shape [${declared}] but weight '${weight.name}' of [${dims}]`, 'Both must agree.');
  }
  const strides = pair(node, 'strides', [1, 1]);
  const dilations = pair(node, 'dilations', [1, 1]);
  const pads = padding(node, around, kernel, strides, dilations);
  const groups = attribute(node, 'group', 'int') ?? 1;
  const bias = node.inputs[2] ? parameter(node, 2, 'bias', around) : undefined;
  return {
    op: { kind: 'conv2d', strides, pads, dilations, groups },
    inputs: [node.inputs[0]],
    parameters: { weight, bias },
  };
}

/** Written; mapped over the attributes, so that none can be left out. */
const written: { readonly [N in keyof Fields<Conv2dAttributes>]: Pick<Field<Conv2dAttributes[N]>, 'write'> } = {
  strides: field('strides', 'ints', [1, 1]),
  pads: field('pads', 'ints', [0, 0, 0, 0]),
  dilations: field('dilations', 'ints', [1, 1]),
  groups: field('group', 'int', 1),
};

export const onnx: OnnxForm<Conv2dAttributes, Conv2dRole> = {
  reads: { Conv: convolution },
  images: true,
  write({ name, attributes, inputs, outputs, parameters: { weight, bias } }, to) {
    to.node('Conv', [...inputs, weight!.name, ...(bias ? [bias.name] : [])], outputs, {
      name,
      attributes: {
        kernel_shape: { type: 'ints', value: weight!.shape.slice(2) },
        ...written.strides.write(attributes.strides),
        ...written.pads.write(attributes.pads),
        ...written.dilations.write(attributes.dilations),
        ...written.groups.write(attributes.groups),
      },
    });
  },
};
