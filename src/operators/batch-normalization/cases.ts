import { broken, parameter, stale } from '../../check/broken.ts';
import { batchNormalizationFamily } from '../../check/cases/batch-normalization.ts';
import type { Choose } from '../../check/choose.ts';
import { define, image, normal } from '../../graph/operation-case.ts';
import type { Random } from '../../random.ts';
import { sized } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import { count } from '../operator.ts';
import { normalizeBatch } from './graph.ts';
import type { BatchNormalizationAttributes } from './rule.ts';

/** Images, or rows of features; a scale away from 0, of either sign. */
function drawn(choose: Choose, random: Random, least: number) {
  const [batch, channels, height, width] = image(choose);
  const shape =
    choose(0, 3) === 3 ? [Math.max(batch, least), channels] : [Math.max(batch, least), channels, height, width];
  const values = (make: (value: number) => number) => {
    const { shape: dims, values } = normal(random, [channels]);
    return { shape: dims, values: (values as Float32Array<ArrayBuffer>).map(make) };
  };
  return {
    x: normal(random, shape),
    scale: values((value) => value + Math.sign(value)),
    shift: values((value) => value),
    mean: values((value) => value),
    variance: values((value) => 0.25 + Math.abs(value)),
    epsilon: Math.fround(10 ** -choose(1, 5)),
  };
}

const sums = (term: string) => [
  stale(/(own|image) \+= /g, '$1 = '),
  broken('accumulation lost', 'p.accumulate == 1u', 'false'),
  broken('stale start', 'p.accumulate == 1u', 'true'),
  broken('the first image again and again', '(n * p.channels + channel)', 'channel'),
  broken('last element of each plane left out', 'i < p.plane;', 'i + 1u < p.plane;'),
  broken('another channel', 'n * p.channels + channel', 'n * p.channels + (channel + 1u) % p.channels'),
  broken('sign', `+= ${term}`, `-= ${term}`),
];

export const checks: Checks<BatchNormalizationAttributes> = {
  // As (x - mean) factor + shift or as x factor + (shift - mean factor); inverseSqrt is off by 2 units in the last place.
  bound: sized(
    () => 14,
    ({ arrays: [x], given: { weights, attributes, inputs, batch } }) => {
      const plane = count(inputs[0].shape) / batch / weights['scale'].length;
      return Float64Array.from(x, (value, i) => {
        const c = Math.floor(i / plane) % weights['scale'].length;
        const factor = Math.abs(weights['scale'][c]) / Math.sqrt(weights['variance'][c] + attributes.epsilon);
        return (Math.abs(value) + Math.abs(weights['mean'][c])) * factor + Math.abs(weights['shift'][c]);
      });
    },
  ),
  families: [batchNormalizationFamily],
  draw(choose, random) {
    const { epsilon, x, ...parameters } = drawn(choose, random, 1);
    return { attributes: { epsilon, momentum: choose(0, 10) / 10 }, inputs: { x }, parameters };
  },
  torch:
    "lambda o, x, scale, shift: F.batch_norm(x, torch.tensor(o['mean'], dtype=x.dtype), torch.tensor(o['variance'], dtype=x.dtype), scale, shift, False, 0., o['epsilon'])",
  operations: [
    {
      cases: define('normalizeBatch', (choose, random) => {
        const { epsilon, x, scale, shift } = drawn(choose, random, 2);
        return {
          options: { epsilon },
          inputs: { x, scale, shift },
          build: (tensors) => normalizeBatch(tensors['x'], tensors['scale'], tensors['shift'], { epsilon }),
        };
      }),
      torch: "lambda o, x, scale, shift: F.batch_norm(x, None, None, scale, shift, True, 0., o['epsilon'])",
    },
  ],
  mutations: {
    'batch-normalization/mean': [...sums('x[p.x_base + at]'), parameter('the sum, not its share', 'share', '1.0')],
    'batch-normalization/variance': [
      ...sums('(x[p.x_base + at] - middle) * (x[p.x_base + at] - middle)'),
      parameter('the sum, not its share', 'share', '1.0'),
      broken('around 0', 'mean[p.mean_base + channel]', '0.0'),
      broken('sum of differences, not of squares', ' * (x[p.x_base + at] - middle)', ''),
      broken('around the mean of the first channel', 'mean[p.mean_base + channel]', 'mean[p.mean_base]'),
    ],
    'batch-normalization/running': [
      broken(
        'momentum the other way round, of the mean',
        '= p.momentum * running_mean',
        '= (1.0 - p.momentum) * running_mean',
      ),
      broken(
        'momentum the other way round, of the variance',
        '= p.momentum * running_variance',
        '= (1.0 - p.momentum) * running_variance',
      ),
      parameter('variance of the batch, not of the population', 'correction', '1.0'),
      broken('the old mean lost', 'p.momentum * running_mean[m] + ', ''),
      broken('the old variance lost', 'p.momentum * running_variance[v]\n    + ', ''),
      broken('mean for variance', 'p.correction * variance[p.variance_base', 'p.correction * mean[p.mean_base'),
    ],
    'batch-normalization/coefficients': [
      parameter('epsilon left out', 'epsilon', '0.0'),
      broken('deviation for its inverse', 'inverseSqrt(', 'sqrt('),
      broken('variance for deviation', 'inverseSqrt(', '1.0 / ('),
      broken('sign of the mean', '- mean[', '+ mean['),
      broken('mean not scaled', '* own;\n', ';\n', 'plain'),
      broken('scale left out', 'scale[p.scale_base + index] * ', ''),
      broken('shift left out', 'shift[p.shift_base + index] - ', '-'),
    ],
    'batch-normalization/scale-gradient': [
      ...sums('dy[p.dy_base + at] * (x[p.x_base + at] - middle)'),
      parameter('epsilon left out', 'epsilon', '0.0'),
      broken('around 0', 'mean[p.mean_base + channel]', '0.0'),
      broken('deviation of the first channel', 'variance[p.variance_base + channel]', 'variance[p.variance_base]'),
      broken('not divided by the deviation', /sum \*= inverseSqrt\(.*\);/g, ''),
    ],
    'batch-normalization/input-gradient': [
      parameter('epsilon left out', 'epsilon', '0.0'),
      parameter('sums, not means', 'share', '1.0'),
      broken('the mean stands still', 'dshift[p.dshift_base + channel] + ', ''),
      broken('the variance stands still', ' + z * dscale[p.dscale_base + channel]', ''),
      broken('sign of what the statistics do', '] - through', '] + through'),
      broken('factor of the first channel', 'factor[p.factor_base + channel]', 'factor[p.factor_base]'),
      broken('no channels', ') % p.channels', ')'),
      broken('around 0', 'mean[p.mean_base + channel]', '0.0'),
    ],
  },
};
