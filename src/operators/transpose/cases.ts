import { broken, parameter } from '../../check/broken.ts';
import { transposeFamily } from '../../check/cases/tensors.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { TransposeAttributes } from './rule.ts';

export const checks: Checks<TransposeAttributes> = {
  bound: copied,
  families: [transposeFamily],
  draw(choose, random) {
    const shape = image(choose);
    const rest = [0, 1, 2];
    const perm = [3, 2, 1].map((left) => rest.splice(choose(0, left - 1), 1)[0]);
    return { attributes: { perm }, inputs: { x: normal(random, shape) } };
  },
  torch: "lambda o, x: x.permute([0, *[axis + 1 for axis in o['perm']]])",
  mutations: {
    'transpose/forward': [
      broken('an axis left out', 'at.i5 * p.x_5', '0u'),
      broken('two axes exchanged', 'at.i4 * p.x_4', 'at.i3 * p.x_4'),
      parameter('strides exchanged', 'x_3', 'p.x_2'),
      broken('not transposed', 'x[p.x_base + at.i0', 'x[p.x_base + index + 0u * at.i0'),
      broken('an extent left out', 'q2 - q1 * p.y_1', 'q2'),
    ],
  },
};
