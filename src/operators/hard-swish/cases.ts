import { broken } from '../../check/broken.ts';
import { mapFamily } from '../../check/cases/map.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { hardSwishMap } from '../../kernels/hard-swish/hard-swish.ts';
import { eachValue } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

export const checks: Checks<None> = {
  // Near -3 the sum of x / 6 and 1 / 2 cancels: the error is that of its terms.
  bound: eachValue((x) => (x <= -3 || x > 3 ? 1 : (8 * (Math.abs(x) / 6 + 0.5)) / Math.abs(x / 6 + 0.5))),
  families: [
    mapFamily({
      name: 'hard-swish',
      kernels: hardSwishMap,
      derivativeOf: 'input',
      value: (x) => (x < -3 ? 0 : x > 3 ? x : x * (x / 6 + 0.5)),
      slope: (x) => (x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5),
      slopeSize: (x) => (x < -3 ? 0 : x > 3 ? 1 : Math.abs(x) / 3 + 0.5),
      // Near -3 the sum of x / 6 and 1 / 2 cancels: the error is that of its terms.
      units: {
        value: (x) => (x < -3 || x > 3 ? 1 : (8 * (Math.abs(x) / 6 + 0.5)) / Math.abs(x / 6 + 0.5)),
        slope: () => 8,
      },
    }),
  ],
  // Beyond both kinks, too.
  draw(choose, random) {
    const { shape, values } = normal(random, image(choose));
    return { attributes: {}, inputs: { x: { shape, values: Float32Array.from(values, (value) => 3 * value) } } };
  },
  torch: 'lambda o, x: F.hardswish(x)',
  mutations: {
    'hard-swish/forward': [
      broken('not cut off below', 'value < -3.0', 'false'),
      broken('not linear above', 'value > 3.0', 'false'),
      broken('another slope', 'value / 6.0', 'value / 5.0'),
      broken('the half left out', ' + 0.5', ''),
      broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    ],
    'hard-swish/backward': [
      broken('not cut off below', 'value < -3.0', 'false'),
      broken('not linear above', 'value > 3.0', 'false'),
      broken('the slope of the factor', 'value / 3.0', 'value / 6.0'),
      broken('the half left out', ' + 0.5', ''),
      broken('x for dy', 'dy[p.dy_base + index]', 'x[p.x_base + index]'),
    ],
  },
};
