/** The shape of a two-dimensional pooling, its output size, and the parameters that its kernels share. */
import type { Params } from './kernel.ts';

/** x [batch, channels, height, width] */
export interface PoolShape {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  /** 1 x 1 where left out; average pooling takes no other */
  readonly dilations?: readonly [number, number];
  /** a last window that hangs over the end counts too */
  readonly ceilMode: boolean;
}

/**
 * Height and width of the output: floor((size + pads - dilation (kernel - 1) - 1) / stride) + 1; in ceil mode ceil(...)
 * in its place, less a last window that would begin beyond the image and its padding before (PyTorch and ONNX 22; such
 * a window would see nothing).
 */
export function poolOutput(shape: PoolShape): [number, number] {
  return [extent(shape, 0), extent(shape, 1)];
}

function extent(shape: PoolShape, axis: 0 | 1): number {
  const { kernel, strides, pads, dilations = [1, 1], ceilMode } = shape;
  const size = axis === 0 ? shape.height : shape.width;
  const room = size + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1;
  const steps = room / strides[axis];
  if (!ceilMode) return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * strides[axis] >= size + pads[axis] ? count - 1 : count;
}

export const poolSchema = {
  batch: 'u32',
  channels: 'u32',
  height: 'u32',
  width: 'u32',
  out_height: 'u32',
  out_width: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  stride_height: 'u32',
  stride_width: 'u32',
  pad_top: 'u32',
  pad_left: 'u32',
} as const;

export function poolParams(shape: PoolShape): Params<typeof poolSchema> {
  const [outHeight, outWidth] = poolOutput(shape);
  return {
    batch: shape.batch,
    channels: shape.channels,
    height: shape.height,
    width: shape.width,
    out_height: outHeight,
    out_width: outWidth,
    kernel_height: shape.kernel[0],
    kernel_width: shape.kernel[1],
    stride_height: shape.strides[0],
    stride_width: shape.strides[1],
    pad_top: shape.pads[0],
    pad_left: shape.pads[1],
  };
}

/** Number of outputs: batch x channels x out_height x out_width. */
export function poolOutputs(p: Params<typeof poolSchema>): number {
  return p.batch * p.channels * p.out_height * p.out_width;
}

/** Number of inputs: batch x channels x height x width. */
export function poolInputs(p: Params<typeof poolSchema>): number {
  return p.batch * p.channels * p.height * p.width;
}
