/**
 * The phases of images and filters, by which a convolution of strides s_y, s_x becomes one of stride 1 (the polyphase
 * decomposition of filter banks; in space: s_y s_x neighbours become channels):
 *
 *   x'[n, (c, a, b), i, j] = x[n, c, s_y i + a - top, s_x j + b - left], 0 outside,   a < s_y, b < s_x
 *
 * With ky = s_y u + a and kx = s_x v + b, and w' the phases of the filters, which have no pads and end in zeros,
 *
 *   y[n, f, oy, ox] = sum over c, ky, kx of  w[f, c, ky, kx] x[n, c, s_y oy + ky - top, s_x ox + kx - left]
 *                   = sum over (c, a, b), u, v of  w'[f, (c, a, b), u, v] x'[n, (c, a, b), oy + u, ox + v]
 *
 * A value of x has one place in x', or none where no window reaches it, so a gradient of x' comes back to x as
 *
 *   dx[n, c, y, x] = dx'[n, (c, a, b), i, j],   s_y i + a = y + top,  s_x j + b = x + left;   0 where there is none
 *
 * What it is for: tiles (../winograd) serve stride 1. AlexNet's first layer, 3 channels of 11 x 11 taps 4 apart, becomes
 * 48 channels of 3 x 3.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { defineKernel, type Params, perElement, type Statements, type Variant } from '../../kernel.ts';
import { type Conv2dShape, conv2dOutput } from '../shape.ts';

const params = {
  /** images and their channels, or filters and theirs */
  planes: 'u32',
  height: 'u32',
  width: 'u32',
  top: 'u32',
  left: 'u32',
  stride_y: 'u32',
  stride_x: 'u32',
  /** of a phase */
  lines: 'u32',
  columns: 'u32',
} as const;

export type PhaseParams = Params<typeof params>;

const values = (p: PhaseParams) => p.planes * p.height * p.width;

/** Elements of all phases. */
export const phasesSize = (p: PhaseParams) => p.planes * p.stride_y * p.stride_x * p.lines * p.columns;

/** The convolution of stride 1 that is the same one of phases. */
export function phased(shape: Conv2dShape): Conv2dShape {
  const { channels, kernel, strides } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const taps = [Math.ceil(kernel[0] / strides[0]), Math.ceil(kernel[1] / strides[1])] as const;
  return {
    ...shape,
    channels: channels * strides[0] * strides[1],
    height: lines - 1 + taps[0],
    width: columns - 1 + taps[1],
    kernel: taps,
    strides: [1, 1],
    pads: [0, 0, 0, 0],
  };
}

/** How x (or dx) and w (or dw) of a convolution go to phases and come back. */
export function planPhases(shape: Conv2dShape): { readonly image: PhaseParams; readonly filter: PhaseParams } {
  const { batch, channels, height, width, filters, kernel, pads, groups } = shape;
  const [stride_y, stride_x] = shape.strides;
  const to = phased(shape);
  return {
    image: {
      planes: batch * channels,
      height,
      width,
      top: pads[0],
      left: pads[1],
      stride_y,
      stride_x,
      lines: to.height,
      columns: to.width,
    },
    filter: {
      planes: (filters * channels) / groups,
      height: kernel[0],
      width: kernel[1],
      top: 0,
      left: 0,
      stride_y,
      stride_x,
      lines: to.kernel[0],
      columns: to.kernel[1],
    },
  };
}

/** A GPU wants neighbouring lanes at neighbouring values, and many of them; a rasteriser few divisions. */
const byElement = (count: (p: PhaseParams) => number, guard: string, main: Statements): Variant<typeof params> => ({
  ...perElement<typeof params>(count, guard, main),
  name: 'elements',
  estimate: (_params, _configuration, capabilities) => (profileOf(capabilities).coalesces ? 0 : 2),
});
const byLine = (count: (p: PhaseParams) => number, guard: string, main: Statements): Variant<typeof params> => ({
  ...perElement<typeof params>(count, guard, main),
  estimate: () => 1,
});

export const conv2dPhases = defineKernel({
  name: 'conv2d/phases',
  params,
  bindings: { x: { access: 'read', half: true }, phases: { access: 'write', half: true } },
  cost: (p, of) => ({ flops: 0, bytes: of.x * values(p) + of.phases * phasesSize(p) }),
  // One thread a line of a phase: its place costs divisions, which software rasterisers do lane by lane.
  variants: [
    byLine(
      (p) => p.planes * p.stride_y * p.stride_x * p.lines,
      'p.planes * p.stride_y * p.stride_x * p.lines',
      ({ load, store }) => /* wgsl */ `
  let phase = index / p.lines;
  let i = index - phase * p.lines;
  let pair = phase / p.stride_x;
  let b = phase - pair * p.stride_x;
  let plane = pair / p.stride_y;
  let a = pair - plane * p.stride_y;
  // A place above or left of the image wraps round to a huge number, so one comparison serves both ends.
  let y = i * p.stride_y + a - p.top;
  let start = p.x_base + (plane * p.height + min(y, p.height - 1u)) * p.width;
  let end = select(0u, p.width, y < p.height);
  let to = p.phases_base + index * p.columns;
  var at = b - p.left;
  for (var j = 0u; j < p.columns; j++) {
    ${store('phases', 'to + j', `select(0.0, ${load('x', 'start + min(at, p.width - 1u)')}, at < end)`)}
    at += p.stride_x;
  }`,
    ),
    byElement(
      phasesSize,
      'p.planes * p.stride_y * p.stride_x * p.lines * p.columns',
      ({ load, store }) => /* wgsl */ `
  let line = index / p.columns;
  let j = index - line * p.columns;
  let phase = line / p.lines;
  let i = line - phase * p.lines;
  let pair = phase / p.stride_x;
  let b = phase - pair * p.stride_x;
  let plane = pair / p.stride_y;
  let a = pair - plane * p.stride_y;
  let y = i * p.stride_y + a - p.top;
  let at = j * p.stride_x + b - p.left;
  let inside = y < p.height && at < p.width;
  ${store(
    'phases',
    'p.phases_base + index',
    `select(0.0, ${load('x', 'select(p.x_base, p.x_base + (plane * p.height + y) * p.width + at, inside)')}, inside)`,
  )}`,
    ),
  ],
});

export const conv2dPhasesBackward = defineKernel({
  name: 'conv2d/phases-backward',
  params,
  bindings: { phases: { access: 'read', half: true }, dx: { access: 'write', half: true, gradient: true } },
  cost: (p, of) => ({ flops: 0, bytes: of.dx * values(p) + of.phases * phasesSize(p) }),
  // One thread a line of dx.
  variants: [
    byLine(
      (p) => p.planes * p.height,
      'p.planes * p.height',
      ({ load, store }) => /* wgsl */ `
  let plane = index / p.height;
  let y = index - plane * p.height + p.top;
  let i = y / p.stride_y;
  let a = y - i * p.stride_y;
  let size = p.lines * p.columns;
  let start = p.phases_base + (plane * p.stride_y + a) * p.stride_x * size + min(i, p.lines - 1u) * p.columns;
  let end = select(0u, p.columns, i < p.lines);
  let to = p.dx_base + index * p.width;
  var j = p.left / p.stride_x;
  var b = p.left - j * p.stride_x;
  for (var x = 0u; x < p.width; x++) {
    ${store('dx', 'to + x', `select(0.0, ${load('phases', 'start + b * size + min(j, p.columns - 1u)')}, j < end)`)}
    b += 1u;
    if (b == p.stride_x) { b = 0u; j += 1u; }
  }`,
    ),
    byElement(
      values,
      'p.planes * p.height * p.width',
      ({ load, store }) => /* wgsl */ `
  let line = index / p.width;
  let across = index - line * p.width + p.left;
  let plane = line / p.height;
  let down = line - plane * p.height + p.top;
  let i = down / p.stride_y;
  let a = down - i * p.stride_y;
  let j = across / p.stride_x;
  let b = across - j * p.stride_x;
  let inside = i < p.lines && j < p.columns;
  let place = (((plane * p.stride_y + a) * p.stride_x + b) * p.lines + i) * p.columns + j;
  ${store('dx', 'p.dx_base + index', `select(0.0, ${load('phases', 'p.phases_base + select(0u, place, inside)')}, inside)`)}`,
    ),
  ],
});
