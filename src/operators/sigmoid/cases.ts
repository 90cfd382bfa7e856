import { broken } from '../../check/broken.ts';
import { mapFamily } from '../../check/cases/map.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { sigmoidMap } from '../../kernels/sigmoid/sigmoid.ts';
import { eachValue } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

export const checks: Checks<None> = {
  bound: eachValue((x) => 16 + 4 * Math.abs(x)),
  families: [
    mapFamily({
      name: 'sigmoid',
      kernels: sigmoidMap,
      derivativeOf: 'output',
      value: (x) => 1 / (1 + Math.exp(-x)),
      slope: (y) => y * (1 - y),
      // exp is off by 3 + 2 |x| units in the last place, division by 2.5, of u twice as many.
      units: { value: (x) => 16 + 4 * Math.abs(x), slope: () => 4 },
    }),
  ],
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: torch.sigmoid(x)',
  mutations: {
    'sigmoid/forward': [
      broken('sign of the comparison', 'value >= 0.0', 'value < 0.0'),
      broken('sign of the power', /exp\(-abs/g, 'exp(abs'),
      broken('the denominator one short', '(1.0 + exp', '(exp'),
      broken(
        'NaN hidden',
        /, value, \(bitcast.*7f800000u\)/g,
        ', 0.5, (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u)',
      ),
      broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    ],
    'sigmoid/backward': [
      broken('y left out', 'value * (1.0', '(1.0'),
      broken('the rest left out', ' * (1.0 - value)', ''),
      broken('sign', '1.0 - value', '1.0 + value'),
      broken('y for dy', 'dy[p.dy_base + index]', 'y[p.y_base + index]'),
      broken('neighbour', 'p.y_base + index', 'p.y_base + index + 1u'),
    ],
  },
};
