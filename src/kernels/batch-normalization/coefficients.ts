/**
 * Batch normalisation as a map of each channel, which affine/forward applies: with s = 1 / sqrt(variance + epsilon),
 *
 *   y = (x - mean) s scale + shift = x factor + offset,   factor = scale s,   offset = shift - mean factor
 */
import { defineKernel, elementwise } from '../kernel.ts';

export const normalizationCoefficients = defineKernel({
  name: 'batch-normalization/coefficients',
  params: { channels: 'u32', epsilon: 'f32' },
  bindings: {
    scale: { access: 'read' },
    shift: { access: 'read' },
    mean: { access: 'read' },
    variance: { access: 'read' },
    factor: { access: 'write' },
    offset: { access: 'write' },
  },
  cost: ({ channels }) => ({ flops: 5 * channels, bytes: 24 * channels }),
  variants: elementwise(
    ({ channels }) => channels,
    'p.channels',
    /* wgsl */ `
  let own = scale[p.scale_base + index] * inverseSqrt(variance[p.variance_base + index] + p.epsilon);
  factor[p.factor_base + index] = own;
  offset[p.offset_base + index] = shift[p.shift_base + index] - mean[p.mean_base + index] * own;`,
  ),
});
