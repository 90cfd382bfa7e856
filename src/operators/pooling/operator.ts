import * as reference from '../../check/reference/pooling.ts';
import { averagePoolBackward, averagePoolForward } from '../../kernels/avgpool/avgpool.ts';
import { maxPoolBackward, maxPoolForward, maxPoolInference } from '../../kernels/maxpool/maxpool.ts';
import { poolOutput } from '../../kernels/pooling.ts';
import { defineOperator, type None, type Shape, sameNumber } from '../operator.ts';
import { averagePool as buildAverage, globalAveragePool as buildGlobal, maxPool as buildMax } from './graph.ts';
import { averageOnnx, globalOnnx, maxOnnx } from './onnx.ts';
import {
  type AveragePoolAttributes,
  averageRule,
  globalRule,
  type MaxPoolAttributes,
  maxRule,
  type PoolAttributes,
} from './rule.ts';

const detail = ({ kernel, strides, pads, ceilMode }: PoolAttributes) => [
  kernel.join(' x '),
  `stride ${sameNumber(strides)}`,
  ...(pads.some((pad) => pad > 0) ? [`pads ${sameNumber(pads)}`] : []),
  ...(ceilMode ? ['rounded up'] : []),
];

/** What the float64 reference takes. */
function referred([batch, channels, height, width]: Shape, window: PoolAttributes): reference.Pooling {
  const shape = { dilations: [1, 1] as const, ...window, batch, channels, height, width };
  return { ...shape, output: poolOutput(shape) };
}

export const maxPool = defineOperator<MaxPoolAttributes>()({
  kind: 'maxPool',
  formula: 'y = the largest value of each window; padding never wins',
  ...maxRule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [buildMax(x, { ...attributes, name })],
  reference: ({ values: [x], inputs: [{ shape }], attributes }) => [
    reference.maxPool(referred(shape, attributes), x).y,
  ],
  folds: 'reference',
  onnx: maxOnnx,
  kernels: [maxPoolForward, maxPoolInference, maxPoolBackward],
  checks: async () => ({ checks: (await import('./cases.ts')).maxChecks }),
  numbered: 'always',
  detail: (attributes) => [
    ...detail(attributes),
    ...(attributes.dilations.some((d) => d > 1) ? [`dilation ${sameNumber(attributes.dilations)}`] : []),
  ],
});

export const averagePool = defineOperator<AveragePoolAttributes>()({
  kind: 'averagePool',
  formula: 'y = the mean of each window',
  ...averageRule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [buildAverage(x, { ...attributes, name })],
  reference: ({ values: [x], inputs: [{ shape }], attributes }) => [
    reference.averagePool(referred(shape, attributes), x, attributes.countIncludePad),
  ],
  folds: 'reference',
  onnx: averageOnnx,
  kernels: [averagePoolForward, averagePoolBackward],
  checks: async () => ({ checks: (await import('./cases.ts')).averageChecks }),
  numbered: 'always',
  detail,
});

/** By the kernels of averagePool. */
export const globalAveragePool = defineOperator<None>()({
  kind: 'globalAveragePool',
  formula: 'y = the mean of each plane',
  ...globalRule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], name }) => [buildGlobal(x, name)],
  reference({ values: [x], inputs: [{ shape }] }) {
    const [, , height, width] = shape;
    const window: PoolAttributes = { kernel: [height, width], strides: [1, 1], pads: [0, 0, 0, 0], ceilMode: false };
    return [reference.averagePool(referred(shape, window), x, false)];
  },
  folds: 'reference',
  onnx: globalOnnx,
  kernels: [averagePoolForward, averagePoolBackward],
  checks: async () => ({ checks: (await import('./cases.ts')).globalChecks }),
  numbered: 'always',
  detail: () => [],
});
