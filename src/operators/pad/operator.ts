import { pad as reference } from '../../check/reference/tensors.ts';
import { padBackward, padForward } from '../../kernels/pad/pad.ts';
import { defineOperator, show } from '../operator.ts';
import { pad as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { type PadAttributes, rule } from './rule.ts';

export const pad = defineOperator<PadAttributes>()({
  kind: 'pad',
  formula: 'y = x with a constant, the edge or its reflection around each dimension of an item',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [
    build(x, { ...attributes, before: [0, ...attributes.before], after: [0, ...attributes.after], name }),
  ],
  reference: ({ values: [x], inputs: [{ shape }], attributes }) => [reference(x, shape, attributes)],
  folds: 'reference',
  onnx,
  kernels: [padForward, padBackward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ before, after, mode }) => [`${show(before)} before`, `${show(after)} behind`, mode],
});
