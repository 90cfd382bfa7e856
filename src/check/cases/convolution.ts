/** What the kernels of a convolution must give, whatever the algorithm: outputs, and gradients with their claims. */
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { type Activation, rectify, through } from '../activation.ts';
import type { DerivativeClaim } from '../derivative.ts';
import { type Expected, sumsOf } from '../expected.ts';
import { conv2dFilterGradientReference, conv2dInputGradientReference, conv2dReference } from '../reference/conv2d.ts';

type Values = ArrayLike<number>;
type Numbers = Float32Array<ArrayBuffer>;

/** One filter of one tap over one value: what examples of convolutions differ from. */
export const base: Conv2dShape = {
  batch: 1,
  channels: 1,
  height: 1,
  width: 1,
  filters: 1,
  kernel: [1, 1],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  dilations: [1, 1],
  groups: 1,
};

/** Operands of one shape, as they are drawn. */
export interface Operands {
  readonly x: Numbers;
  readonly w: Numbers;
  readonly bias: Numbers;
  readonly dy: Numbers;
}

export const inputsOf = ({ batch, channels, height, width }: Conv2dShape) => batch * channels * height * width;
export const weightsOf = (shape: Conv2dShape) => shape.filters * channelsOfGroup(shape) * tapsOf(shape);
export const outputsOf = (shape: Conv2dShape) => shape.batch * shape.filters * planeOf(shape);

export const channelsOfGroup = ({ channels, groups }: Conv2dShape) => channels / groups;
export const tapsOf = ({ kernel }: Conv2dShape) => kernel[0] * kernel[1];
/** Outputs of one image and filter. */
export function planeOf(shape: Conv2dShape): number {
  const [height, width] = conv2dOutput(shape);
  return height * width;
}

export const expectedOutputs = (shape: Conv2dShape, { x, w, bias }: Operands): Expected =>
  sumsOf(
    (...v) => conv2dReference(shape, v[0], v[1], v[2], outputsOf(shape)),
    [x, w, bias],
    channelsOfGroup(shape) * tapsOf(shape) + 1,
  );

/** @param aux the ReLU before, whose outputs x are */
const inputGradient = (shape: Conv2dShape, aux: Activation | undefined, dy: Values, w: Values) =>
  through(aux, conv2dInputGradientReference(shape, dy, w));

export const expectedInputGradient = (shape: Conv2dShape, { w, dy }: Operands, aux?: Activation): Expected =>
  sumsOf((...v) => inputGradient(shape, aux, v[0], v[1]), [dy, w], (shape.filters / shape.groups) * tapsOf(shape));

export const inputGradientClaim = (shape: Conv2dShape, { x, w, dy }: Operands, aux?: Activation): DerivativeClaim => ({
  at: aux?.argument ?? x,
  upstream: dy,
  forward: (at) => conv2dReference(shape, aux ? rectify(at) : at, w, undefined, dy.length),
  gradient: () => inputGradient(shape, aux, dy, w),
});

/** @param onto what the gradient is added to */
export const expectedFilterGradient = (shape: Conv2dShape, { x, w, dy }: Operands, onto?: Numbers): Expected =>
  sumsOf(
    (...v) => {
      const dw = conv2dFilterGradientReference(shape, v[0], v[1], w.length);
      return onto === undefined ? dw : dw.map((value, i) => value + v[2][i]);
    },
    onto === undefined ? [dy, x] : [dy, x, onto],
    shape.batch * planeOf(shape) + 1,
  );

export const filterGradientClaim = (shape: Conv2dShape, { x, w, dy }: Operands): DerivativeClaim => ({
  at: w,
  upstream: dy,
  forward: (at) => conv2dReference(shape, x, at, undefined, dy.length),
  gradient: () => conv2dFilterGradientReference(shape, dy, x, w.length),
});
