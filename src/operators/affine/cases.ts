import { affineFamily } from '../../check/cases/elementwise.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { absolute, sized } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { AffineAttributes } from './shape.ts';

const draw: Checks<AffineAttributes>['draw'] = (choose, random) => {
  const shape = image(choose);
  const constants = (count: number) => Array.from({ length: count }, () => Math.fround(random.normal()));
  const several = choose(0, 2) === 2 ? shape[1] * shape[2] * shape[3] : shape[1];
  const attributes = {
    scale: constants(choose(0, 1) === 1 ? several : 1),
    shift: constants(choose(0, 1) === 1 ? several : 1),
  };
  return { attributes, inputs: { x: normal(random, shape) } };
};

export const checks: Checks<AffineAttributes> = {
  bound: sized(
    () => 3,
    ({ arrays, given: { attributes }, reference }) =>
      reference([absolute(arrays[0])], {
        scale: attributes.scale.map(Math.abs),
        shift: attributes.shift.map(Math.abs),
      }),
  ),
  families: [affineFamily],
  draw,
  torch: "lambda o, x: x * constants(o['scale'], x) + constants(o['shift'], x)",
  mutations: {
    'affine/forward': [
      { name: 'sign of the shift', find: '+ shift[', replace: '- shift[' },
      { name: 'scale left out', find: '* scale[p.scale_base + channel * p.scale_step]', replace: '' },
      { name: 'one scale for all channels', find: ' + channel * p.scale_step', replace: '' },
      { name: 'one shift for all channels', find: ' + channel * p.shift_step', replace: '' },
      { name: 'no channels', find: ' % p.channels', replace: '' },
    ],
    'affine/backward': [
      { name: 'sign', find: '= dy[', replace: '= -dy[' },
      { name: 'scale left out', find: ' * scale[p.scale_base + channel * p.scale_step]', replace: '' },
      { name: 'one scale for all channels', find: ' + channel * p.scale_step', replace: '' },
      { name: 'divided by the scale', find: '* scale[', replace: '/ scale[' },
      { name: 'stale accumulator', find: 'index] = dy[', replace: 'index] += dy[' },
    ],
  },
};
