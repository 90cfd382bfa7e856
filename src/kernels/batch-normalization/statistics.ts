/**
 * The statistics of each channel over a batch: x [batch, channels, plane], m = batch * plane values a channel.
 *
 *   mean[c]     = 1/m sum over n, i of x[n, c, i]
 *   variance[c] = 1/m sum over n, i of (x[n, c, i] - mean[c])^2
 *
 * and what is kept of them for inference, with ONNX's momentum (of the old value) and the correction m / (m - 1), by which
 * the kept variance is that of the population, as in PyTorch and cuDNN:
 *
 *   running_mean     <- momentum running_mean + (1 - momentum) mean
 *   running_variance <- momentum running_variance + (1 - momentum) correction variance
 *
 * The variance is summed around the mean in a second pass: the mean of squares less the square of the mean would cancel
 * where the mean is large. `share` is 1/m, also where x is one window of the batch of several.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { channelSums, elements, sumParams } from './sums.ts';

const params = { ...sumParams, share: 'f32' } as const;

export const batchMean = defineKernel({
  name: 'batch-normalization/mean',
  params,
  bindings: { x: { access: 'read', half: true }, mean: { access: 'write' } },
  cost: (p, of) => ({ flops: elements(p), bytes: of.x * elements(p) + 4 * p.channels }),
  variants: channelSums<typeof params>({
    to: 'mean',
    term: ({ load }) => load('x', 'p.x_base + at'),
    factor: 'p.share',
  }),
});

export const batchVariance = defineKernel({
  name: 'batch-normalization/variance',
  params,
  bindings: { x: { access: 'read', half: true }, mean: { access: 'read' }, variance: { access: 'write' } },
  cost: (p, of) => ({ flops: 3 * elements(p), bytes: of.x * elements(p) + 8 * p.channels }),
  variants: channelSums<typeof params>({
    to: 'variance',
    before: 'let middle = mean[p.mean_base + channel];',
    term: ({ load }) => `(${load('x', 'p.x_base + at')} - middle) * (${load('x', 'p.x_base + at')} - middle)`,
    factor: 'p.share',
  }),
});

export const runningStatistics = defineKernel({
  name: 'batch-normalization/running',
  params: { channels: 'u32', momentum: 'f32', correction: 'f32' },
  bindings: {
    mean: { access: 'read' },
    variance: { access: 'read' },
    running_mean: { access: 'write' },
    running_variance: { access: 'write' },
  },
  cost: ({ channels }) => ({ flops: 7 * channels, bytes: 24 * channels }),
  variants: elementwise(
    ({ channels }) => channels,
    'p.channels',
    /* wgsl */ `
  let m = p.running_mean_base + index;
  running_mean[m] = p.momentum * running_mean[m] + (1.0 - p.momentum) * mean[p.mean_base + index];
  let v = p.running_variance_base + index;
  running_variance[v] = p.momentum * running_variance[v]
    + (1.0 - p.momentum) * p.correction * variance[p.variance_base + index];`,
  ),
});
