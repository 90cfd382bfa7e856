/**
 * ELU, elementwise: y = x where x is above 0, else alpha (exp(x) - 1); alpha above 0 (Clevert, Unterthiner, Hochreiter 2016).
 *
 * Derivative: dL/dx = dL/dy where y is above 0, else (y + alpha) dL/dy, for alpha exp(x) = y + alpha. y has x's sign, so
 * backward reads y alone.
 */
import { defineMap } from '../map.ts';

export const eluMap = defineMap({
  name: 'elu',
  constants: { alpha: 'f32' },
  // Near 0 exp(x) - 1 cancels: three terms of its series there.
  value: ({ alpha }) =>
    `select(value, ${alpha} * select(exp(value) - 1.0, value * (1.0 + value * (0.5 + value * 0.16666667)), value > -0.02), value < 0.0)`,
  derivative: ({ alpha }) => `select((value + ${alpha}) * gradient, gradient, value > 0.0)`,
  derivativeOf: 'output',
});
