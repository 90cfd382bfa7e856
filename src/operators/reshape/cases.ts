import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { None } from '../operator.ts';
import type { ReshapeAttributes } from './rule.ts';

export const flattenChecks: Checks<None> = {
  bound: copied,
  families: [],
  draw: (choose, random) => ({ attributes: {}, inputs: { x: normal(random, image(choose)) } }),
  torch: 'lambda o, x: x.flatten(1)',
  mutations: {},
};

export const reshapeChecks: Checks<ReshapeAttributes> = {
  bound: copied,
  families: [],
  draw(choose, random) {
    const x = normal(random, image(choose));
    const [, channels, ...plane] = x.shape;
    return { attributes: { shape: [...plane, channels] }, inputs: { x } };
  },
  torch: "lambda o, x: x.reshape([x.shape[0], *o['shape']])",
  mutations: {},
};
