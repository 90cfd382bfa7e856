import { broken, derivativeBefore } from '../../check/broken.ts';
import { lrnFamily } from '../../check/cases/lrn.ts';
import { lrnUnits } from '../../check/reference/lrn.ts';
import { image, normal } from '../../graph/operation-case.ts';
import type { Checks } from '../checks.ts';
import { count } from '../operator.ts';
import type { LrnAttributes } from './rule.ts';

export const checks: Checks<LrnAttributes> = {
  bound: {
    linear: false,
    expected({ given: { attributes, inputs }, arrays: [x], reference }) {
      const [batch, channels, ...plane] = inputs[0].shape;
      const units = lrnUnits({ ...attributes, batch, channels, plane: count(plane) }, x);
      return { values: reference(), units, flushed: Array.from(x, () => 16 * 2 ** -126) };
    },
  },
  families: [lrnFamily],
  draw: (choose, random) => ({
    attributes: { size: choose(1, 7), alpha: choose(0, 20) / 10, beta: choose(1, 6) / 4, bias: choose(1, 8) / 4 },
    inputs: { x: normal(random, image(choose)) },
  }),
  torch: 'lambda o, x: lrn(x, o)',
  mutations: {
    'lrn/forward': [
      broken('window one short', 'channel + ahead + 1u', 'channel + ahead', 'plain'),
      broken('window one late', 'max(channel, behind) - behind', 'max(channel, behind) - behind + 1u', 'plain'),
      broken('even sizes mirrored', 'let ahead = p.size / 2u', 'let ahead = (p.size - 1u) / 2u', 'plain'),
      broken("another channel's value", /= x\d+ \* power/g, '= x0 * power', 'sliding'),
      broken('stale register', /\n {4}x\d+ = 0\.0;/g, '', 'sliding'),
      broken('alpha not divided by the size', /p\.alpha \/ (f32\(p\.size\)|\d+\.0)/g, 'p.alpha'),
      broken('bias left out', 'p.bias + ', ''),
      broken('sum of values, not of squares', /(value|x\d+) \* \1/g, '$1'),
      broken('another power', '-p.beta', '-p.beta - 0.01'),
      broken('three quarters wrong', 'root * sqrt(root)', 'root * root', 'sliding'),
      broken('windows begin at the segment', /max\(first, \d+u\) - \d+u/g, 'first', 'segments'),
      broken('the last of a segment left out', /k < end \+ (\d+)u/g, 'k + 1u < end + $1u', 'segments'),
      broken("a neighbour's segment", 'line - item * segments', 'segments - 1u', 'segments'),
    ],
    'lrn/backward': [
      broken('window one short', 'channel + behind + 1u', 'channel + behind', 'plain'),
      broken('even sizes not mirrored', 'max(channel, ahead) - ahead', 'max(channel, behind) - behind', 'plain'),
      broken('stale accumulator', /\n {4}t\d+ = 0\.0;/g, '', 'sliding'),
      broken('stale register', /\n {4}x\d+ = 0\.0;/g, '', 'sliding'),
      broken('windows begin at the segment', /max\(first, \d+u\) - \d+u/g, 'first', 'segments'),
      broken('t begins at the segment', /max\(first, (\d+)u\) - \d+u/g, 'max(first, $1u) - $1u + 1u', 'segments'),
      broken('the last of a segment left out', /k < end \+ (\d+)u/g, 'k + 1u < end + $1u', 'segments'),
      broken('factor 2 left out', '2.0 * p.alpha * p.beta', 'p.alpha * p.beta'),
      ...derivativeBefore,
      broken('sign of what goes through the neighbours', /- (2\.0 \* p\.alpha|factor)/g, '+ $1'),
      broken('one power of s missing', /(power\(s\)|x\d+) \/ s;/g, '$1;'),
      broken('bias left out', 'p.bias + ', ''),
      broken('another power', '-p.beta)', '-p.beta - 0.01)'),
    ],
  },
};
