import { conv2dFamily } from '../../check/cases/conv2d.ts';
import { directFamily } from '../../check/cases/direct.ts';
import { phasesFamily } from '../../check/cases/phases.ts';
import { winogradFamily } from '../../check/cases/winograd.ts';
import { winogradFusedFamily } from '../../check/cases/winograd-fused.ts';
import { pair } from '../../check/choose.ts';
import { normal } from '../../graph/operation-case.ts';
import { sums } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import { count } from '../operator.ts';
import type { Conv2dAttributes } from './shape.ts';

const draw: Checks<Conv2dAttributes>['draw'] = (choose, random) => {
  const groups = choose(1, 3);
  const perGroup = choose(1, 3);
  const filters = groups * choose(1, 4);
  const kernel = pair(choose, 1, 4);
  const dilations = pair(choose, 1, 2);
  const strides = pair(choose, 1, 3);
  const pads: [number, number, number, number] = [choose(0, 2), choose(0, 2), choose(0, 2), choose(0, 2)];
  // The image is at least what the kernel spans, so that something is left of it.
  const [height, width] = kernel.map((size, i) => dilations[i] * (size - 1) + choose(1, 2));
  const attributes = { groups, strides, pads, dilations };
  const inputs = { x: normal(random, [choose(1, 5), groups * perGroup, height, width]) };
  const weight = normal(random, [filters, perGroup, ...kernel]);
  const bias = choose(0, 1) === 1 ? { bias: normal(random, [filters]) } : undefined;
  return { attributes, inputs, parameters: { weight, ...bias } };
};

export const checks: Checks<Conv2dAttributes> = {
  bound: sums(({ parameters }) => count(parameters['weight'].shape.slice(1)) + 1),
  families: [conv2dFamily, directFamily, phasesFamily, winogradFamily, winogradFusedFamily],
  draw,
  torch: 'conv',
  // Still in test/mutations/mutations.ts.
  mutations: {},
};
