/**
 * Average pooling: x [batch, channels, height, width] -> y [batch, channels, out_height, out_width].
 *
 *   y[n, c, oy, ox] = (1 / D(oy, ox)) * sum over ky, kx of  x[n, c, oy s - p + ky, ox s - p + kx]
 *
 * over the taps inside the image. The divisor D(oy, ox) = Dy(oy) Dx(ox) counts, of the window's rows and columns,
 *   - with count_include_pad = 0 those inside the image;
 *   - with count_include_pad = 1 those inside the image or its declared padding. What hangs over beyond that (ceil
 *     mode) does not count. This is PyTorch's rule, and ONNX's since its reference was corrected (AveragePool 19).
 * Global average pooling is the case kernel = height x width, no padding.
 *
 * Derivative: y is linear in x, so dL/dx_i = sum over windows o that cover i of  dL/dy_o / D(o), here as a gather: each
 * input visits, in rising order, the windows with  o s - p <= i <= o s - p + k - 1.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';
import { type PoolShape, poolInputs, poolOutputs, poolParams, poolSchema } from '../pooling.ts';

const params = { ...poolSchema, pad_bottom: 'u32', pad_right: 'u32', count_include_pad: 'u32' } as const;

/** The parameters of both kernels. */
export function averagePoolParams(shape: PoolShape & { readonly countIncludePad: boolean }): Params<typeof params> {
  return {
    ...poolParams(shape),
    pad_bottom: shape.pads[2],
    pad_right: shape.pads[3],
    count_include_pad: shape.countIncludePad ? 1 : 0,
  };
}

/** The one window over everything. */
export function globalAveragePoolParams(
  shape: Pick<PoolShape, 'batch' | 'channels' | 'height' | 'width'>,
): Params<typeof params> {
  return averagePoolParams({
    ...shape,
    kernel: [shape.height, shape.width],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    ceilMode: false,
    countIncludePad: false,
  });
}

const counted = /* wgsl */ `
// How many of the window's \`kernel\` places along one axis count; \`start\` is measured from the padding's beginning.
fn counted(start: u32, kernel: u32, before: u32, size: u32, after: u32) -> f32 {
  let end = start + kernel;
  if (p.count_include_pad == 1u) { return f32(min(end, before + size + after) - start); }
  return f32(min(end, before + size) - max(start, before));
}
fn divisor_y(oy: u32) -> f32 {
  return counted(oy * p.stride_height, p.kernel_height, p.pad_top, p.height, p.pad_bottom);
}
fn divisor_x(ox: u32) -> f32 {
  return counted(ox * p.stride_width, p.kernel_width, p.pad_left, p.width, p.pad_right);
}`;

const cost = (p: Params<typeof params>, bytesOfInput: number, bytesOfOutput: number) => ({
  flops: poolOutputs(p) * (p.kernel_height * p.kernel_width + 1),
  bytes: bytesOfInput * poolInputs(p) + bytesOfOutput * poolOutputs(p),
});

export const averagePoolForward = defineKernel({
  name: 'avgpool/forward',
  params,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => cost(p, of.x, of.y),
  variants: elementwise(
    poolOutputs,
    'p.batch * p.channels * p.out_height * p.out_width',
    ({ load, store }) => /* wgsl */ `
  let ox = index % p.out_width;
  let row = index / p.out_width;
  let oy = row % p.out_height;
  let plane = p.x_base + (row / p.out_height) * p.height * p.width;
  var sum = 0.0;
  for (var ky = 0u; ky < p.kernel_height; ky++) {
    // A tap above or left of the image wraps round to a huge number, so one comparison serves both ends.
    let iy = oy * p.stride_height + ky - p.pad_top;
    if (iy >= p.height) { continue; }
    for (var kx = 0u; kx < p.kernel_width; kx++) {
      let ix = ox * p.stride_width + kx - p.pad_left;
      if (ix < p.width) { sum += ${load('x', 'plane + iy * p.width + ix')}; }
    }
  }
  ${store('y', 'p.y_base + index', 'sum / (divisor_y(oy) * divisor_x(ox))')}`,
    counted,
  ),
});

export const averagePoolBackward = defineKernel({
  name: 'avgpool/backward',
  params,
  bindings: { dy: { access: 'read', half: true }, dx: { access: 'write', half: true } },
  cost: (p, of) => cost(p, of.dx, of.dy),
  variants: elementwise(
    poolInputs,
    'p.batch * p.channels * p.height * p.width',
    ({ load, store }) => /* wgsl */ `
  let ix = index % p.width;
  let row = index / p.width;
  let iy = row % p.height;
  let plane = p.dy_base + (row / p.height) * p.out_height * p.out_width;
  // The first window that reaches this far and the end of those that begin before it.
  let first_y = (max(iy + p.pad_top + 1u, p.kernel_height) - p.kernel_height + p.stride_height - 1u) / p.stride_height;
  let first_x = (max(ix + p.pad_left + 1u, p.kernel_width) - p.kernel_width + p.stride_width - 1u) / p.stride_width;
  let end_y = min((iy + p.pad_top) / p.stride_height + 1u, p.out_height);
  let end_x = min((ix + p.pad_left) / p.stride_width + 1u, p.out_width);
  var sum = 0.0;
  for (var oy = first_y; oy < end_y; oy++) {
    for (var ox = first_x; ox < end_x; ox++) {
      sum += ${load('dy', 'plane + oy * p.out_width + ox')} / (divisor_y(oy) * divisor_x(ox));
    }
  }
  ${store('dx', 'p.dx_base + index', 'sum')}`,
    counted,
  ),
});
