/**
 * Derivatives of batch normalisation: x and dy [batch, channels, plane], z = (x - mean) s with s = 1 / sqrt(variance +
 * epsilon), y = z scale + shift.
 *
 *   dshift[c] = sum over n, i of dy[n, c, i]                  (bias/gradient)
 *   dscale[c] = sum over n, i of dy[n, c, i] z[n, c, i]
 *
 * By running statistics each x is by itself: dx = dy scale s (affine/backward). By the batch's own, mean and variance
 * depend on every x of the channel; of m values, dmean/dx = 1/m and dvariance/dx = 2 (x - mean) / m, so that
 *
 *   dx = scale s (dy - (dshift + z dscale) / m)
 *
 * (Ioffe and Szegedy 2015, section 3). `share` is 1/m, `factor` is scale s.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { channelSums, elements, sumParams } from './sums.ts';

const inputParams = { batch: 'u32', channels: 'u32', plane: 'u32', share: 'f32', epsilon: 'f32' } as const;
const scaleParams = { ...sumParams, epsilon: 'f32' } as const;

export const scaleGradient = defineKernel({
  name: 'batch-normalization/scale-gradient',
  params: scaleParams,
  bindings: {
    x: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    mean: { access: 'read' },
    variance: { access: 'read' },
    dscale: { access: 'write' },
  },
  cost: (p, of) => ({ flops: 3 * elements(p), bytes: (of.x + of.dy) * elements(p) + 12 * p.channels }),
  variants: channelSums<typeof scaleParams>({
    to: 'dscale',
    before: 'let middle = mean[p.mean_base + channel];',
    term: ({ load }) => `${load('dy', 'p.dy_base + at')} * (${load('x', 'p.x_base + at')} - middle)`,
    factor: 'inverseSqrt(variance[p.variance_base + channel] + p.epsilon)',
  }),
});

export const batchInputGradient = defineKernel({
  name: 'batch-normalization/input-gradient',
  params: inputParams,
  bindings: {
    x: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    mean: { access: 'read' },
    variance: { access: 'read' },
    factor: { access: 'read' },
    dscale: { access: 'read' },
    dshift: { access: 'read' },
    dx: { access: 'write', half: true },
  },
  cost: (p, of) => ({ flops: 8 * elements(p), bytes: (of.x + of.dy + of.dx) * elements(p) + 20 * p.channels }),
  variants: elementwise<typeof inputParams>(
    elements,
    'p.batch * p.channels * p.plane',
    ({ load, store }) => /* wgsl */ `
  let channel = (index / p.plane) % p.channels;
  let z = (${load('x', 'p.x_base + index')} - mean[p.mean_base + channel])
    * inverseSqrt(variance[p.variance_base + channel] + p.epsilon);
  let through = p.share * (dshift[p.dshift_base + channel] + z * dscale[p.dscale_base + channel]);
  ${store('dx', 'p.dx_base + index', `factor[p.factor_base + channel] * (${load('dy', 'p.dy_base + index')} - through)`)}`,
  ),
});
