import { reluFamily } from '../../check/cases/elementwise.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { belowZero } from '../../kernels/nan.ts';
import { RELU_VALUE } from '../../kernels/relu/rule.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

export const checks: Checks<None> = {
  bound: copied,
  families: [reluFamily],
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: F.relu(x)',
  mutations: {
    'relu/forward': [
      { name: 'sign of the comparison', find: belowZero('value'), replace: 'value > 0.0' },
      { name: 'a leak', find: 'select(value, 0.0,', replace: 'select(value, 0.01 * value,' },
      {
        name: 'NaN hidden',
        find: RELU_VALUE,
        replace: 'select(0.0, value, value > 0.0)',
      },
      { name: 'cut off at 6', find: 'select(value, 0.0,', replace: 'select(min(value, 6.0), 0.0,' },
      { name: 'neighbour', find: 'p.x_base + index', replace: 'p.x_base + index + 1u' },
    ],
    'relu/backward': [
      { name: 'gradient at 0', find: '> 0.0', replace: '>= 0.0' },
      { name: 'sign of the comparison', find: '> 0.0', replace: '< 0.0' },
      { name: 'everything passes', find: 'value > 0.0', replace: 'true' },
      { name: 'y for dy', find: 'let gradient = dy[p.dy_base + index]', replace: 'let gradient = y[p.y_base + index]' },
      { name: 'neighbour', find: 'p.y_base + index', replace: 'p.y_base + index + 1u' },
    ],
  },
};
