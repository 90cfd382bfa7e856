import { type Broken, broken, derivativeBefore, parameter } from '../../check/broken.ts';
import { linearFamily } from '../../check/cases/linear.ts';
import { normal } from '../../graph/operation-case.ts';
import { sums } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import { count, type None } from '../operator.ts';

/** Of a fully connected layer, from the sum over its items. */
const weightUpdate: Broken[] = [
  parameter('rows of dy one too near', 'dy_row', 'p.outputs'),
  broken('sign of the step', '- rate *', '+ rate *'),
  parameter('mask left out', 'mask', '1.0'),
  broken('momentum left out', 'inertia * velocity', '0.0 * velocity'),
  broken('weight decay left out', ' + decay * weight', ''),
  parameter('decay of what has none', 'decay_factor', '0.0'),
  broken('velocity not kept', /\] = velocity;/g, '] = vec4f();'),
  broken('gradient for velocity', /weight \+ velocity/g, 'weight - velocity'),
  broken("the last vector's neighbour for it", 'min(at, length - 1u)', 'min(at, max(length, 2u) - 2u)', 'columns'),
  broken('another item', /, 0u\);/g, ', 1u);', 'columns'),
];

export const checks: Checks<None> = {
  bound: sums(({ parameters }) => parameters['weight'].shape[1] + 1),
  families: [linearFamily],
  draw(choose, random) {
    const batch = choose(1, 17);
    const shape = choose(0, 1) === 1 ? [batch, choose(1, 4), choose(1, 3), choose(1, 3)] : [batch, choose(1, 50)];
    const outputs = choose(1, 53);
    const inputs = { x: normal(random, shape) };
    const weight = normal(random, [outputs, count(shape) / batch]);
    const bias = choose(0, 1) === 1 ? { bias: normal(random, [outputs]) } : undefined;
    return { attributes: {}, inputs, parameters: { weight, ...bias } };
  },
  torch: 'lambda o, x, weight, bias=None: F.linear(x.flatten(1), weight, bias)',
  mutations: {
    'linear/forward': [
      parameter('ReLU left out', 'relu', '0u'),
      parameter('ReLU unasked', 'relu', '1u'),
      broken('bias left out', 'p.has_bias == 1u', 'false'),
      broken("the first output's bias", 'p.bias_base + o', 'p.bias_base'),
      broken('last inputs left out', 'i < length', 'i + 1u < length'),
      parameter('rows of y one too near', 'y_row', 'p.outputs'),
      broken('stale accumulator', /(sum|c0) \+=/g, '$1 ='),
      broken('sign', /c0 \+=/g, 'c0 -=', 'broadcast'),
      broken('another item', /, 0u\)\[?/g, ', 1u)', 'broadcast'),
    ],
    'linear/input-gradient': [
      ...derivativeBefore,
      broken('accumulation lost', 'p.accumulate == 1u', 'false'),
      broken('stale start', 'p.accumulate == 1u', 'true'),
      broken('last output left out', 'o < p.outputs', 'o + 1u < p.outputs'),
      parameter('rows of dy one too near', 'dy_row', 'p.outputs'),
      broken('stale accumulator', /(sum|c0_0) \+=/g, '$1 ='),
      broken('sign', /c0_0 \+=/g, 'c0_0 -=', 'broadcast'),
      broken('another item', /, 0u\);/g, ', 1u);', 'broadcast'),
    ],
    'linear/update': [
      broken('last item left out', 'n < p.batch', 'n + 1u < p.batch', 'plain', 'broadcast'),
      ...weightUpdate,
      broken('stale accumulator', /(gradient|c0_0) \+= (dy\[|d )/g, '$1 = $2'),
    ],
    'linear/update-scaled': [
      broken('last item left out', 'n < p.batch', 'n + 1u < p.batch', 'plain', 'broadcast'),
      ...weightUpdate.filter(({ name, variants }) => name !== 'velocity not kept' && !variants?.includes('columns')),
      broken('velocity kept as it is', /4096\.0 \* velocity/g, 'velocity'),
      broken('stale accumulator', /(gradient|c0_0) \+= (dy\[|d )/g, '$1 = $2'),
      broken('the scale left in', / \* unscale\(\)/g, ''),
      broken('updated in spite of an overflow', '> 0.0; }\nfn unscale', '> 1.0; }\nfn unscale'),
      broken('the old weight as halves', /(h\[[^;]*\] = )weight \+ velocity/g, '$1weight'),
    ],
    'linear/backward': [
      ...derivativeBefore,
      broken('accumulation lost', 'p.accumulate == 1u', 'false'),
      broken('stale start', 'p.accumulate == 1u', 'true'),
      broken('last output left out', /o < p\.outputs/g, 'o + 1u < p.outputs'),
      ...weightUpdate,
      broken('stale sum', /(sum|c0) \+= d(?!x)/g, '$1 = d'),
      broken('stale accumulator', /gradient \+= d/g, 'gradient = d'),
      broken('sign of the input gradient', /(sum|c0) \+= d(?!x)/g, '$1 -= d'),
      broken('the velocity for the weight', /d \* weight/g, 'd * before', 'columns'),
    ],
  },
};
