/**
 * the augmentation's affine sampler: resident 8-bit images [image][height][width], one RGBA pixel a 32-bit word (red lowest) ->
 * y [batch, channels, out_height, out_width], normalised.
 *
 * Output image n takes the resident image source[n] through the inverse affine map transform[n] = (a, b, c, d, e, f),
 * pixel centres at whole numbers:
 *
 *   xin = a xout + b yout + c,   yin = d xout + e yout + f
 *   value = bilinear(image, xin, yin), taps outside the image taken as `fill` (in 0..255, before normalisation)
 *   y[n, k] = (value[order(k)] * scale - mean[k]) / std[k],   order = red, green, blue or (bgr = 1) blue, green, red
 *
 * mean and std stand in the order of the output's channels. Bilinear is a + (b - a) t, which gives a exactly at t = 0:
 * the identity transform reproduces pixels. channels is 3, or 1, which takes channel 0. Images are not trained: no
 * derivative.
 */
import { defineKernel, elementwise } from '../kernel.ts';

const params = {
  batch: 'u32',
  channels: 'u32',
  height: 'u32',
  width: 'u32',
  out_height: 'u32',
  out_width: 'u32',
  bgr: 'u32',
  fill: 'f32',
  scale: 'f32',
  mean_0: 'f32',
  mean_1: 'f32',
  mean_2: 'f32',
  std_0: 'f32',
  std_1: 'f32',
  std_2: 'f32',
} as const;

/** How pixels become inputs; mean and std hold one value a channel of the output (1 or 3). */
export interface Normalisation {
  readonly channelOrder: 'rgb' | 'bgr';
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export function normalisationParams({ channelOrder, scale, mean, std }: Normalisation) {
  const [mean_0, mean_1 = 0, mean_2 = 0] = mean;
  const [std_0, std_1 = 1, std_2 = 1] = std;
  return { bgr: channelOrder === 'bgr' ? 1 : 0, scale, mean_0, mean_1, mean_2, std_0, std_1, std_2 };
}

/** Where nothing moves: xin = xout, yin = yout. */
export const IDENTITY_TRANSFORM: readonly number[] = [1, 0, 0, 0, 1, 0];

export const affineSampleKernel = defineKernel({
  name: 'augment/affine-sample',
  params,
  bindings: {
    images: { access: 'read', type: 'u32' },
    source: { access: 'read', type: 'u32' },
    transform: { access: 'read' },
    y: { access: 'write', half: true },
  },
  cost: (p, of) => ({
    flops: p.batch * p.out_height * p.out_width * (8 + 11 * p.channels),
    bytes: p.batch * (of.images * p.height * p.width + of.y * p.channels * p.out_height * p.out_width),
  }),
  variants: // One thread a pixel: its channels share the four taps.
    elementwise(
      (p) => p.batch * p.out_height * p.out_width,
      'p.batch * p.out_height * p.out_width',
      ({ store }) => /* wgsl */ `
  let out_x = index % p.out_width;
  let row = index / p.out_width;
  let out_y = row % p.out_height;
  let n = row / p.out_height;
  let m = p.transform_base + 6u * n;
  let at_x = transform[m] * f32(out_x) + transform[m + 1u] * f32(out_y) + transform[m + 2u];
  let at_y = transform[m + 3u] * f32(out_x) + transform[m + 4u] * f32(out_y) + transform[m + 5u];

  var value = vec3f(p.fill);
  // Beyond one pixel outside, every tap is fill; there the conversion to integers might overflow.
  if (at_x > -1.0 && at_x < f32(p.width) && at_y > -1.0 && at_y < f32(p.height)) {
    let image = source[p.source_base + n];
    let left = floor(at_x);
    let top = floor(at_y);
    let x0 = i32(left);
    let y0 = i32(top);
    let upper = mix_exact(pixel(image, y0, x0), pixel(image, y0, x0 + 1), at_x - left);
    let lower = mix_exact(pixel(image, y0 + 1, x0), pixel(image, y0 + 1, x0 + 1), at_x - left);
    value = mix_exact(upper, lower, at_y - top);
  }
  if (p.bgr == 1u) { value = value.bgr; }
  value = (value * p.scale - vec3f(p.mean_0, p.mean_1, p.mean_2)) / vec3f(p.std_0, p.std_1, p.std_2);

  let plane = p.out_height * p.out_width;
  let first = p.y_base + n * p.channels * plane + out_y * p.out_width + out_x;
  ${store('y', 'first', 'value.x')}
  if (p.channels == 3u) {
    ${store('y', 'first + plane', 'value.y')}
    ${store('y', 'first + 2u * plane', 'value.z')}
  }`,
      /* wgsl */ `
fn pixel(image: u32, row: i32, column: i32) -> vec3f {
  if (row < 0 || column < 0 || row >= i32(p.height) || column >= i32(p.width)) { return vec3f(p.fill); }
  let word = images[p.images_base + (image * p.height + u32(row)) * p.width + u32(column)];
  return vec3f(vec3u(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu));
}
// Unlike the built-in mix, whose form is the driver's choice.
fn mix_exact(from_value: vec3f, to_value: vec3f, t: f32) -> vec3f {
  return from_value + (to_value - from_value) * t;
}`,
    ),
});
