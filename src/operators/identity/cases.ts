import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';

export const checks: Checks<None> = {
  bound: copied,
  families: [],
  handsOn: true,
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: x * 1',
  mutations: {},
};
