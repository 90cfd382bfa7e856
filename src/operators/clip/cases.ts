import { broken } from '../../check/broken.ts';
import { clipFamily } from '../../check/cases/elementwise.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { ClipAttributes } from './rule.ts';

export const checks: Checks<ClipAttributes> = {
  bound: copied,
  families: [clipFamily],
  draw(choose, random) {
    const low = -choose(0, 8) / 8;
    return { attributes: { low, high: low + choose(1, 8) / 8 }, inputs: { x: normal(random, image(choose)) } };
  },
  torch: "lambda o, x: torch.clamp(x, o['low'], o['high'])",
  mutations: {
    'clip/forward': [
      broken('no lower bound', 'value < p.low', 'false'),
      broken('no upper bound', 'raised > p.high', 'false'),
      broken('crossing bounds: the lower one wins', 'raised > p.high', 'value > p.high'),
      broken('NaN hidden', ', value, is_nan(value))', ', p.low, is_nan(value))'),
      broken('sign of the lower bound', 'select(value, p.low,', 'select(value, -p.low,'),
    ],
    'clip/backward': [
      broken('nothing at the lower bound', '>= p.low', '> p.low'),
      broken('nothing at the upper bound', '<= p.high', '< p.high'),
      broken('everything passes', '&& value <= p.high', '|| value <= p.high'),
      broken('one outside', 'select(0.0,', 'select(1.0,'),
      broken('x for dy', 'dy[p.dy_base + index]', 'value'),
    ],
  },
};
