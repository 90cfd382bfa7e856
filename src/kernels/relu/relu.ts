/**
 * ReLU: y = max(x, 0), elementwise.
 *
 * Derivative: dL/dx = dL/dy where y > 0, else 0. At x = 0, where no derivative exists, it is 0 (as in PyTorch and
 * MATLAB). y > 0 exactly where x > 0, so backward reads y and the input need not be kept.
 */
import { defineMap } from '../map.ts';
import { RELU_DERIVATIVE, RELU_VALUE } from './rule.ts';

export const reluMap = defineMap({
  name: 'relu',
  constants: {},
  value: () => RELU_VALUE,
  derivative: () => RELU_DERIVATIVE,
  derivativeOf: 'output',
});
