import { logSoftmaxAlong, softmaxAlong } from '../../check/reference/softmax.ts';
import { logSoftmaxBackward, logSoftmaxForward } from '../../kernels/log-softmax/log-softmax.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax/softmax.ts';
import { defineOperator, type Shape } from '../operator.ts';
import { type AxisRange, logSoftmax as buildLogSoftmax, softmax as buildSoftmax } from './graph.ts';
import { onnxOf } from './onnx.ts';
import { rule, type SoftmaxAttributes } from './rule.ts';

/** The dimensions as those of a tensor with its batch. */
function shifted({ axes }: SoftmaxAttributes, shape: Shape): AxisRange {
  const [first, end] = axes ?? [0, shape.length - 1];
  return [first + 1, end + 1];
}

const detail = ({ axes }: SoftmaxAttributes) => (axes ? [`over dimensions ${axes[0]} to ${axes[1] - 1}`] : []);

export const softmax = defineOperator<SoftmaxAttributes>()({
  kind: 'softmax',
  formula: 'y = exp(x) / sum of exp(x)',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [buildSoftmax(x, name, shifted(attributes, x.shape))],
  reference: ({ values: [x], inputs: [{ shape }], attributes }) => [softmaxAlong(x, shape, shifted(attributes, shape))],
  folds: 'reference',
  onnx: onnxOf('softmax', 'Softmax'),
  kernels: [softmaxForward, softmaxBackward],
  checks: async () => ({ checks: (await import('./cases.ts')).softmaxChecks }),
  numbered: 'always',
  detail,
});

export const logSoftmax = defineOperator<SoftmaxAttributes>()({
  kind: 'logSoftmax',
  formula: 'y = x - log(sum of exp(x))',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [buildLogSoftmax(x, name, shifted(attributes, x.shape))],
  reference: ({ values: [x], inputs: [{ shape }], attributes }) => [
    logSoftmaxAlong(x, shape, shifted(attributes, shape)),
  ],
  folds: 'reference',
  onnx: onnxOf('logSoftmax', 'LogSoftmax'),
  kernels: [logSoftmaxForward, logSoftmaxBackward],
  checks: async () => ({ checks: (await import('./cases.ts')).logSoftmaxChecks }),
  numbered: 'always',
  detail,
});
