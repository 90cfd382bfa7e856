/**
 * SiLU, also Swish, elementwise: y = x s(x), s the logistic function (Elfwing, Uchibe, Doya 2018).
 *
 * Derivative: dL/dx = s(x) (1 + x (1 - s(x))) dL/dy. y has the same value at two places, so backward reads x.
 */
import { defineMap, VALUE_IS_NAN } from '../map.ts';
import { SIGMOID } from '../sigmoid/sigmoid.ts';

/** 1 - s(x) = s(-x), without the difference of two numbers near 1. */
const REST = '(select(1.0, exp(-abs(value)), value >= 0.0) / (1.0 + exp(-abs(value))))';

export const siluMap = defineMap({
  name: 'silu',
  constants: {},
  value: () => `select(value * ${SIGMOID}, value, ${VALUE_IS_NAN})`,
  derivative: () => `gradient * ${SIGMOID} * (1.0 + value * ${REST})`,
  derivativeOf: 'input',
});
