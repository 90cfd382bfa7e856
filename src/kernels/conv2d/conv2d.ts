/**
 * Convolution (cross-correlation, as ONNX Conv and PyTorch's conv2d) and its derivatives, as contractions.
 *
 *   y[n, f, oy, ox] = bias[f] + sum over c, ky, kx of  w[f, c, ky, kx] * x[n, c, oy s - p + ky d, ox s - p + kx d]
 *
 * c runs over the channels of f's group; x outside the image is 0. With L the loss and dy = dL/dy, y is linear in x, w
 * and bias, so each derivative sums dy over the outputs that a value took part in:
 *
 *   dw[f, c, ky, kx] = sum over n, oy, ox of  dy[n, f, oy, ox] * x[n, c, oy s - p + ky d, ox s - p + kx d]
 *   db[f]            = sum over n, oy, ox of  dy[n, f, oy, ox]                                  (../bias)
 *   dx[n, c, iy, ix] = sum over f, ky, kx of  w[f, c, ky, kx] * dy[n, f, (iy + p - ky d) / s, (ix + p - kx d) / s]
 *
 * where in dx only those (ky, kx) count whose division leaves no rest.
 */
import { type ContractionParams, inOnePart } from '../contraction/contraction.ts';
import { RELU } from '../relu/rule.ts';
import { type Conv2dShape, conv2dOutput } from './shape.ts';

/** a = w, b = x, c = y: rows are filters, columns are outputs (n, oy, ox), the inner sum runs over channels. */
export function conv2dForward(shape: Conv2dShape, hasBias: boolean): ContractionParams {
  const { batch, channels, height, width, filters, kernel, strides, pads, dilations, groups } = shape;
  const [outHeight, outWidth] = conv2dOutput(shape);
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return {
    groups,
    rows: filters / groups,
    columns: batch * outHeight * outWidth,
    plane: outHeight * outWidth,
    width: outWidth,
    u: kernel[0],
    v: kernel[1],
    inner: perGroup,
    a_group: (filters / groups) * perGroup * taps,
    a_row: perGroup * taps,
    a_u: kernel[1],
    a_v: 1,
    a_inner: taps,
    b_group: perGroup * height * width,
    b_item: channels * height * width,
    b_inner: height * width,
    b_line: width,
    y_step: strides[0],
    y_u: dilations[0],
    y_0: -pads[0],
    x_step: strides[1],
    x_v: dilations[1],
    x_0: -pads[1],
    height,
    line: width,
    y_spread: 1,
    x_spread: 1,
    c_group: (filters / groups) * outHeight * outWidth,
    c_row: outHeight * outWidth,
    c_item: filters * outHeight * outWidth,
    bias_mode: hasBias ? 1 : 0,
    accumulate: 0,
    relu: RELU.none,
    ...inOnePart({ u: kernel[0], v: kernel[1], inner: perGroup }),
  };
}

/** a = w, b = dy, c = dx: rows are channels, columns are inputs (n, iy, ix), the inner sum runs over filters. */
export function conv2dInputGradient(shape: Conv2dShape): ContractionParams {
  const { batch, channels, height, width, filters, kernel, strides, pads, dilations, groups } = shape;
  const [outHeight, outWidth] = conv2dOutput(shape);
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return {
    groups,
    rows: perGroup,
    columns: batch * height * width,
    plane: height * width,
    width,
    u: kernel[0],
    v: kernel[1],
    inner: filters / groups,
    a_group: (filters / groups) * perGroup * taps,
    a_row: taps,
    a_u: kernel[1],
    a_v: 1,
    a_inner: perGroup * taps,
    b_group: (filters / groups) * outHeight * outWidth,
    b_item: filters * outHeight * outWidth,
    b_inner: outHeight * outWidth,
    b_line: outWidth,
    y_step: 1,
    y_u: -dilations[0],
    y_0: pads[0],
    x_step: 1,
    x_v: -dilations[1],
    x_0: pads[1],
    height: outHeight,
    line: outWidth,
    y_spread: strides[0],
    x_spread: strides[1],
    c_group: perGroup * height * width,
    c_row: height * width,
    c_item: channels * height * width,
    bias_mode: 0,
    accumulate: 0,
    relu: RELU.none,
    ...inOnePart({ u: kernel[0], v: kernel[1], inner: filters / groups }),
  };
}

/** a = dy, b = x, c = dw: rows are filters, columns are taps (c, ky, kx), the inner sum runs over the batch. */
export function conv2dFilterGradient(shape: Conv2dShape, accumulate: boolean): ContractionParams {
  const { batch, channels, height, width, filters, kernel, strides, pads, dilations, groups } = shape;
  const [outHeight, outWidth] = conv2dOutput(shape);
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return {
    groups,
    rows: filters / groups,
    columns: perGroup * taps,
    plane: taps,
    width: kernel[1],
    u: outHeight,
    v: outWidth,
    inner: batch,
    a_group: (filters / groups) * outHeight * outWidth,
    a_row: outHeight * outWidth,
    a_u: outWidth,
    a_v: 1,
    a_inner: filters * outHeight * outWidth,
    b_group: perGroup * height * width,
    b_item: height * width,
    b_inner: channels * height * width,
    b_line: width,
    y_step: dilations[0],
    y_u: strides[0],
    y_0: -pads[0],
    x_step: dilations[1],
    x_v: strides[1],
    x_0: -pads[1],
    height,
    line: width,
    y_spread: 1,
    x_spread: 1,
    c_group: (filters / groups) * perGroup * taps,
    c_row: perGroup * taps,
    c_item: taps,
    bias_mode: 0,
    accumulate: accumulate ? 1 : 0,
    relu: RELU.none,
    ...inOnePart({ u: outHeight, v: outWidth, inner: batch }),
  };
}
