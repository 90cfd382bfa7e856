import { Parameter } from '../../graph/tensor.ts';
import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { normalizationCoefficients } from '../../kernels/batch-normalization/coefficients.ts';
import { batchInputGradient, scaleGradient } from '../../kernels/batch-normalization/gradient.ts';
import { batchMean, batchVariance, runningStatistics } from '../../kernels/batch-normalization/statistics.ts';
import { count, defineOperator } from '../operator.ts';
import { batchNormalization as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { type BatchNormalizationAttributes, type BatchNormalizationRole, roles, rule } from './rule.ts';

/**
 * Training normalises by the running statistics, which stand still: what small data sets ask for, whose batches know
 * little of a channel. Asked for (`Building.batchStatistics`), a layer whose scale or shift is trained goes by the batch
 * instead, and its running statistics follow; a frozen one stays the function that it was.
 */
export const batchNormalization = defineOperator<BatchNormalizationAttributes>()<
  'batchNormalization',
  BatchNormalizationRole
>({
  kind: 'batchNormalization',
  formula: 'y = (x - mean) / sqrt(variance + epsilon) scale + shift, of each channel',
  ...rule,
  parameters: roles,
  inputs: 1,
  outputs: 1,
  build({ inputs: [x], parameters, attributes: { epsilon, momentum }, name, batchStatistics = false }) {
    const { scale, shift, mean, variance } = parameters;
    const trained = [scale, shift].some((tensor) => tensor instanceof Parameter && tensor.trainable);
    const statistics = batchStatistics && trained ? 'batch' : 'running';
    return [build(x, scale!, shift!, mean!, variance!, { epsilon, momentum, statistics, name })];
  },
  reference({ values: [x], inputs: [value], batch, weights, attributes: { epsilon } }) {
    const [scale, shift, mean, variance] = [weights.scale!, weights.shift!, weights.mean!, weights.variance!];
    const plane = count(value.shape) / batch / scale.length;
    return [
      Float64Array.from(x, (one, i) => {
        const c = Math.floor(i / plane) % scale.length;
        return ((one - mean[c]) / Math.sqrt(variance[c] + epsilon)) * scale[c] + shift[c];
      }),
    ];
  },
  folds: 'reference',
  onnx,
  kernels: [
    ...[batchMean, batchVariance, runningStatistics, normalizationCoefficients, scaleGradient, batchInputGradient],
    ...[affineForward, affineBackward],
  ],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ epsilon }) => [`epsilon ${epsilon}`],
});
