import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { count, defineOperator, numbers } from '../operator.ts';
import { affine as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { type AffineAttributes, shape } from './shape.ts';

export const affine = defineOperator<AffineAttributes>()({
  kind: 'affine',
  formula: 'y = x scale + shift, with constants',
  attributes: {
    scale: numbers<readonly number[]>('one, one a channel, or one an element of an item'),
    shift: numbers<readonly number[]>('likewise'),
  },
  parameters: {},
  inputs: 1,
  outputs: 1,
  shape,
  build: ({ inputs: [x], attributes: { scale, shift }, name }) => [build(x, scale, shift, name)],
  reference({ values: [x], inputs: [value], batch, attributes }) {
    const item = count(value.shape) / batch;
    const at = (values: readonly number[], i: number) => values[Math.floor(((i % item) * values.length) / item)];
    return [Float64Array.from(x, (one, i) => one * at(attributes.scale, i) + at(attributes.shift, i))];
  },
  folds: 'reference',
  onnx,
  kernels: [affineForward, affineBackward],
  checks: () => import('./cases.ts'),
  // MATLAB's input layer subtracts the mean itself.
  numbered: 'unlessInput',
  detail: () => [],
});
