/**
 * Affine by constants: x and y [batch, channels, plane]; scale and shift hold one value, or one a channel.
 *
 *   y[n, c, i] = x[n, c, i] * scale[c] + shift[c]
 *
 * It serves the preprocessing nodes of imported graphs (add, subtract, multiply by constants). The constants are never
 * trained; derivative for the input: dx[n, c, i] = dy[n, c, i] * scale[c].
 *
 * scale_step and shift_step: 0 where one value serves all channels, 1 where each has its own.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';

const backwardParams = { batch: 'u32', channels: 'u32', plane: 'u32', scale_step: 'u32' } as const;
const forwardParams = { ...backwardParams, shift_step: 'u32' } as const;
const elements = ({ batch, channels, plane }: Params<typeof backwardParams>) => batch * channels * plane;
const guard = 'p.batch * p.channels * p.plane';

export const affineForward = defineKernel({
  name: 'affine/forward',
  params: forwardParams,
  bindings: {
    x: { access: 'read', half: true },
    scale: { access: 'read' },
    shift: { access: 'read' },
    y: { access: 'write', half: true },
  },
  cost: (p, of) => ({ flops: 2 * elements(p), bytes: (of.x + of.y) * elements(p) }),
  variants: elementwise<typeof forwardParams>(
    elements,
    guard,
    ({ load, store }) => /* wgsl */ `
  let channel = (index / p.plane) % p.channels;
  ${store(
    'y',
    'p.y_base + index',
    `${load('x', 'p.x_base + index')} * scale[p.scale_base + channel * p.scale_step]
    + shift[p.shift_base + channel * p.shift_step]`,
  )}`,
  ),
});

export const affineBackward = defineKernel({
  name: 'affine/backward',
  params: backwardParams,
  bindings: { dy: { access: 'read', half: true }, scale: { access: 'read' }, dx: { access: 'write', half: true } },
  cost: (p, of) => ({ flops: elements(p), bytes: (of.dy + of.dx) * elements(p) }),
  variants: elementwise(
    elements,
    guard,
    ({ load, store }) => /* wgsl */ `
  let channel = (index / p.plane) % p.channels;
  ${store('dx', 'p.dx_base + index', `${load('dy', 'p.dy_base + index')} * scale[p.scale_base + channel * p.scale_step]`)}`,
  ),
});
