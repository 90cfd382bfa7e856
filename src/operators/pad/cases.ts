import { broken, parameter } from '../../check/broken.ts';
import { padFamily } from '../../check/cases/tensors.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { PadAttributes } from './rule.ts';

export const checks: Checks<PadAttributes> = {
  bound: copied,
  families: [padFamily],
  draw(choose, random) {
    const [items, channels, ...plane] = image(choose);
    const item = [Math.min(channels, 5), ...plane];
    const mode = (['constant', 'edge', 'reflect'] as const)[choose(0, 2)];
    // Smaller than the image, which a reflection needs; what is cut off leaves at least one value.
    const side = (size: number) =>
      choose(0, Math.min(2, size - 1)) * (mode === 'constant' && choose(0, 4) === 4 ? -1 : 1);
    const before = item.map((size, axis) => (axis < 1 ? 0 : side(size)));
    const after = item.map((size, axis) => (axis < 1 ? 0 : Math.max(side(size), 1 - size - before[axis])));
    const value = mode === 'constant' ? choose(0, 8) / 8 : 0;
    return { attributes: { before, after, mode, value }, inputs: { x: normal(random, [items, ...item]) } };
  },
  torch:
    "lambda o, x: F.pad(x, (o['before'][2], o['after'][2], o['before'][1], o['after'][1]), " +
    "**({'value': o['value']} if o['mode'] == 'constant' else {'mode': {'edge': 'replicate', 'reflect': 'reflect'}[o['mode']]}))",
  mutations: {
    'pad/forward': [
      broken('padding before left out', ' - p.before', ''),
      broken('one too far', '- p.before', '- p.before + 1'),
      broken('edge taken for a constant', 'p.mode == 1u', 'false'),
      broken('reflection repeats the edge', 'k = 2 * last - k', 'k = 2 * last + 1 - k'),
      broken('last of the line padded', 'k <= last)', 'k < last)'),
      broken("the output's lines for the input's", '* p.size + u32(k)', '* p.padded + u32(k)'),
      parameter('value left out', 'value', '0.0'),
    ],
    'pad/backward': [
      broken('padding before left out', 'k + p.before', 'k'),
      broken('repetitions before left out', 'j < min(own, end)', 'j < 0'),
      broken('repetitions behind left out', 'var j = max(own + 1, 0)', 'var j = end'),
      broken('reflection before left out', 'left >= 0 &&', 'false &&'),
      broken('the edge reflected', 'k < last && right', 'right'),
      broken('reflection one short', 'p.before + 2 * last - k', 'p.before + 2 * last - k - 1'),
      broken("the input's lines for the output's", '* p.padded * p.inner', '* p.size * p.inner'),
      broken('stale accumulator', 'sum = dy[', 'sum += dx[p.dx_base + index] + dy['),
    ],
  },
};
