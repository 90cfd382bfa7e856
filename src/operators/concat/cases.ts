import { broken, parameter, stale } from '../../check/broken.ts';
import { concatFamily } from '../../check/cases/elementwise.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { ConcatAttributes } from './rule.ts';

export const checks: Checks<ConcatAttributes> = {
  bound: copied,
  families: [concatFamily],
  draw(choose, random) {
    const shape = image(choose);
    const axis = choose(0, 2);
    const part = () => normal(random, shape.with(axis + 1, choose(1, 4)));
    return { attributes: axis === 0 ? {} : { axis }, inputs: { a: part(), b: part() } };
  },
  torch: "lambda o, a, b: torch.cat([a, b], o.get('axis', 0) + 1)",
  mutations: {
    'concat/copy': [
      parameter("the source's offset left out", 'x_offset', '0u'),
      parameter("the target's offset left out", 'y_offset', '0u'),
      parameter('rows of the target for those of the source', 'x_stride', 'p.y_stride'),
      broken('remainder by the stride', 'index % p.length', 'index % p.x_stride'),
      stale('+ i] = x[', '+ i] += x['),
    ],
  },
};
