import { clipBackward, clipForward } from '../../kernels/clip/clip.ts';
import { defineOperator } from '../operator.ts';
import { clip as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { type ClipAttributes, rule } from './rule.ts';

export const clip = defineOperator<ClipAttributes>()({
  kind: 'clip',
  formula: 'y = min(max(x, low), high)',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes: { low, high }, name }) => [build(x, low, high, name)],
  reference: ({ values: [x], attributes: { low, high } }) => [
    Float64Array.from(x, (value) => Math.min(Math.max(value, low), high)),
  ],
  folds: 'reference',
  onnx,
  kernels: [clipForward, clipBackward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ low, high }) => [`from ${low} to ${high}`],
});
