/** The shape rule of convolution, and all that is refused: for networks, files and tensors alike. */
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import type { Pads, Pair } from '../onnx/reading.ts';
import { type Given, number, numbers, refuse, type Schema, type Shape, show } from '../operator.ts';

/** Attributes of a convolution, as in ONNX's Conv. */
export interface Conv2dAttributes {
  readonly strides: Pair;
  readonly pads: Pads;
  readonly dilations: Pair;
  readonly groups: number;
}
export type Conv2dRole = 'weight' | 'bias';

export const attributes: Schema<Conv2dAttributes> = {
  strides: numbers<Pair>('rows, columns', 2),
  pads: numbers<Pads>('top, left, bottom, right', 4),
  dilations: numbers<Pair>('rows, columns', 2),
  groups: number('channels and filters are divided into so many', (n) => n >= 1, ' of 1 or more'),
};

/** x [channels, height, width], weight [filters, channels / groups, kh, kw], bias [filters] */
export function geometry({ attributes, inputs: [x], parameters }: Given<Conv2dAttributes, Conv2dRole>): Conv2dShape {
  const { strides, pads, dilations, groups } = attributes;
  const { weight, bias } = parameters;
  if (weight === undefined) refuse("has no parameter 'weight'", 'Add its values.');
  if (x.shape.length !== 3) {
    refuse(
      `reads '${x.name}' of shape ${show(x.shape)} an image`,
      '[channels, height, width] is expected: one and three spatial dimensions are not supported.',
    );
  }
  if (weight.shape.length !== 4) {
    refuse(
      `has weight '${weight.name}' of shape ${show(weight.shape)}`,
      '[out, in / groups, height, width] is expected.',
    );
  }
  const [channels, height, width] = x.shape;
  const [filters, perGroup, ...kernel] = weight.shape;
  const whole = (values: readonly number[], least: number) => values.every((n) => Number.isInteger(n) && n >= least);
  if (!whole([...kernel, ...strides, ...dilations, groups], 1) || !whole(pads, 0)) {
    refuse(
      `has kernel [${kernel}], strides [${strides}], pads [${pads}], dilations [${dilations}], ${groups} groups`,
      'Whole numbers are expected: of pads at least 0, of all others at least 1.',
    );
  }
  if (channels % groups !== 0 || filters % groups !== 0) {
    refuse(
      `has ${groups} groups for ${channels} channels in and ${filters} out`,
      'The number of groups must divide both.',
    );
  }
  if (perGroup * groups !== channels) {
    refuse(
      `reads '${x.name}' with ${channels} channels, its weight '${weight.name}' ${show(weight.shape)} with ${groups} groups needs ${perGroup * groups}`,
      'Check the input shape and the group attribute.',
    );
  }
  if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== filters)) {
    refuse(`has bias '${bias.name}' of shape ${show(bias.shape)}`, `[${filters}] is expected, one a channel out.`);
  }
  const size = [kernel[0], kernel[1]] as const;
  const shape: Conv2dShape = {
    batch: 1,
    channels,
    height,
    width,
    filters,
    kernel: size,
    strides,
    pads,
    dilations,
    groups,
  };
  if (conv2dOutput(shape).some((extent) => extent < 1)) {
    refuse(
      `reads '${x.name}' of ${height} x ${width}, too small for kernel [${kernel}], dilations [${dilations}], pads [${pads}]`,
      'Give a larger input size.',
    );
  }
  return shape;
}

export function shape(given: Given<Conv2dAttributes, Conv2dRole>): Shape[] {
  const found = geometry(given);
  return [[found.filters, ...conv2dOutput(found)]];
}
