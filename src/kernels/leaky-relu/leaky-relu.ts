/**
 * Leaky ReLU, elementwise: y = x where x is not below 0, else slope x; slope above 0.
 *
 * Derivative: dL/dx = dL/dy where y is above 0, else slope dL/dy. At x = 0, where no derivative exists, it is dL/dy times
 * the slope (as in PyTorch, whose condition is x > 0). y has x's sign, so backward reads y alone.
 */
import { defineMap } from '../map.ts';

export const leakyReluMap = defineMap({
  name: 'leaky-relu',
  constants: { slope: 'f32' },
  value: ({ slope }) => `select(value, ${slope} * value, value < 0.0)`,
  derivative: ({ slope }) => `select(${slope} * gradient, gradient, value > 0.0)`,
  derivativeOf: 'output',
});
