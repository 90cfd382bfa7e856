import { broken } from '../../check/broken.ts';
import { mapFamily } from '../../check/cases/map.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { siluMap } from '../../kernels/silu/silu.ts';
import { eachValue } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

export const checks: Checks<None> = {
  bound: eachValue((x) => 20 + 4 * Math.abs(x)),
  families: [
    mapFamily({
      name: 'silu',
      kernels: siluMap,
      derivativeOf: 'input',
      // x / infinity is -0, and -infinity times 0 no number: as the kernel has it.
      value: (x) => x * logistic(x),
      slope: (x) => logistic(x) * (1 + x * logistic(-x)),
      slopeSize: (x) => logistic(x) * (1 + Math.abs(x) * logistic(-x)),
      scale: (x) => 1 + Math.abs(x),
      units: { value: (x) => 20 + 4 * Math.abs(x), slope: (x) => 44 + 8 * Math.abs(x) },
    }),
  ],
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: F.silu(x)',
  mutations: {
    'silu/forward': [
      broken('sign of the comparison', 'value >= 0.0', 'value < 0.0'),
      broken('sign of the power', /exp\(-abs/g, 'exp(abs'),
      broken('x left out', 'select(value * ', 'select('),
      broken('the denominator one short', '(1.0 + exp', '(exp'),
      broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    ],
    'silu/backward': [
      broken('the change of the factor left out', /\(1\.0 \+ value \* .*\);/g, '1.0;'),
      broken('sign of it', '(1.0 + value *', '(1.0 - value *'),
      broken('the factor left out', /gradient \* \(select.*?\)\)\) \*/g, 'gradient *'),
      broken('x for dy', 'dy[p.dy_base + index]', 'x[p.x_base + index]'),
      broken('neighbour', 'p.x_base + index', 'p.x_base + index + 1u'),
    ],
  },
};
