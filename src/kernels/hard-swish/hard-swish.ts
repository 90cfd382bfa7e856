/**
 * Hard swish, elementwise: y = x min(max(x / 6 + 1 / 2, 0), 1) (Howard et al. 2019, MobileNetV3).
 *
 * Derivative: dL/dx = 0 below -3, dL/dy above 3, between them (x / 3 + 1 / 2) dL/dy; at -3 and 3, where no derivative
 * exists, that between (as in PyTorch). Backward reads x.
 */
import { defineMap } from '../map.ts';

export const hardSwishMap = defineMap({
  name: 'hard-swish',
  constants: {},
  value: () => 'select(select(value * (value / 6.0 + 0.5), value, value > 3.0), 0.0, value < -3.0)',
  derivative: () => 'select(select(gradient * (value / 3.0 + 0.5), gradient, value > 3.0), 0.0, value < -3.0)',
  derivativeOf: 'input',
});
