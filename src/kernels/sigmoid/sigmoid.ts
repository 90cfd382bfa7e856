/**
 * The logistic function, elementwise: y = 1 / (1 + exp(-x)); for x below 0 as exp(x) / (1 + exp(x)), so that no power
 * grows beyond single precision.
 *
 * Derivative: dL/dx = y (1 - y) dL/dy, of y alone.
 */
import { defineMap, VALUE_IS_NAN } from '../map.ts';

/** Of `value`; it may stand in another text. */
export const SIGMOID = '(select(exp(-abs(value)), 1.0, value >= 0.0) / (1.0 + exp(-abs(value))))';

export const sigmoidMap = defineMap({
  name: 'sigmoid',
  constants: {},
  // Some drivers' exp makes a number of NaN.
  value: () => `select(${SIGMOID}, value, ${VALUE_IS_NAN})`,
  derivative: () => 'value * (1.0 - value) * gradient',
  derivativeOf: 'output',
});
