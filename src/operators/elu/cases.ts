import { broken, parameter } from '../../check/broken.ts';
import { mapFamily } from '../../check/cases/map.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { eluMap } from '../../kernels/elu/elu.ts';
import { eachValue } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { EluAttributes } from './graph.ts';

const alpha = 0.5;

const units = (x: number) => (x > 0 ? 1 : 8 + (4 + 2 * Math.abs(x)) / Math.max(0.02, -Math.expm1(x)));

export const checks: Checks<EluAttributes> = {
  bound: eachValue(units),
  families: [
    mapFamily({
      name: 'elu',
      kernels: eluMap,
      derivativeOf: 'output',
      constants: { alpha },
      value: (x) => (x > 0 ? x : alpha * Math.expm1(x)),
      slope: (y) => (y > 0 ? 1 : y + alpha),
      // exp's error of 3 + 2 |x| units is of 1, of which up to -1 is taken.
      units: { value: units, slope: () => 3 },
      slopeSize: (y) => (y > 0 ? 1 : Math.abs(y) + alpha),
    }),
  ],
  draw: (choose, random) => ({
    attributes: { alpha: choose(1, 16) / 8 },
    inputs: { x: normal(random, image(choose)) },
  }),
  torch: "lambda o, x: F.elu(x, o['alpha'])",
  mutations: {
    'elu/forward': [
      broken('sign of the comparison', 'value < 0.0', 'value > 0.0'),
      parameter('alpha left out', 'alpha', '1.0'),
      broken('the 1 left out', 'exp(value) - 1.0', 'exp(value)'),
      broken('the other side of the series', 'value > -0.02', 'value < -0.02'),
      broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    ],
    'elu/backward': [
      broken('sign of the comparison', 'value > 0.0', 'value < 0.0'),
      parameter('alpha left out', 'alpha', '1.0'),
      broken('y left out', '(value + p.alpha)', 'p.alpha'),
      broken('y for dy', 'dy[p.dy_base + index]', 'y[p.y_base + index]'),
      broken('neighbour', 'p.y_base + index', 'p.y_base + index + 1u'),
    ],
  },
};
