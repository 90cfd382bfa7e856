/** The shape of a two-dimensional convolution, and its output size. */

/** x [batch, channels, height, width], w [filters, channels / groups, kernelHeight, kernelWidth] */
export interface Conv2dShape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly filters: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly groups: number;
}

/** What a convolution's kernels compute: y from x and w, dx from dy and w, dw from x and dy. */
export type Direction = 'forward' | 'input gradient' | 'filter gradient';

/** Height and width of the output: floor((size + pads - dilation (kernel - 1) - 1) / stride) + 1. */
export function conv2dOutput(shape: Conv2dShape): [number, number] {
  const { kernel, strides, pads, dilations } = shape;
  const extent = (size: number, i: 0 | 1) =>
    Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1;
  return [extent(shape.height, 0), extent(shape.width, 1)];
}
