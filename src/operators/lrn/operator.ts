import { lrn as reference } from '../../check/reference/lrn.ts';
import { lrnBackward, lrnForward } from '../../kernels/lrn/lrn.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { type Field, field, sameInOnnx } from '../onnx/form.ts';
import { refuse } from '../onnx/reading.ts';
import { defineOperator } from '../operator.ts';
import { lrn as build } from './graph.ts';
import { type LrnAttributes, rule } from './rule.ts';

const size: Field<number> = {
  ...field('size', 'int', 0),
  read(node: OnnxNode) {
    const given = attribute(node, 'size', 'int');
    if (given === undefined) refuse(node, 'has no size', 'Export the model again.');
    return given;
  },
};

export const lrn = defineOperator<LrnAttributes>()({
  kind: 'lrn',
  formula: 'y = x / (bias + alpha / size * sum of squares over size channels)^beta',
  ...rule,
  parameters: {},
  inputs: 1,
  outputs: 1,
  build: ({ inputs: [x], attributes, name }) => [build(x, { ...attributes, name })],
  reference({ values: [x], inputs: [{ shape }], attributes }) {
    const [batch, channels, height, width] = shape;
    return [reference({ ...attributes, batch, channels, plane: height * width }, x)];
  },
  folds: 'reference',
  onnx: {
    ...sameInOnnx<LrnAttributes>('lrn', 'LRN', {
      size,
      alpha: field('alpha', 'float', 1e-4),
      beta: field('beta', 'float', 0.75),
      bias: field('bias', 'float', 1),
    }),
    images: true,
  },
  kernels: [lrnForward, lrnBackward],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ size, alpha, beta, bias }) => [`size ${size}`, `alpha ${alpha}`, `beta ${beta}`, `bias ${bias}`],
});
