import { type Broken, broken, derivativeBefore } from '../../check/broken.ts';
import { dropoutFamily } from '../../check/cases/training.ts';
import { image, normal } from '../../graph/operation-case.ts';
import { copied } from '../bounds.ts';
import type { Checks } from '../checks.ts';
import type { DropoutAttributes } from './rule.ts';

const dropoutText: Broken[] = [
  broken('kept and dropped exchanged', /( |= )keep\(index\)/g, '$1!keep(index)'),
  broken('scale left out', ' * p.scale', ''),
  broken("the window's place in the batch left out", 'p.first + index', 'index'),
  broken("the layer's stream left out", ', p.stream)', ', 0u)'),
  broken('the step left out of the draw', 'seed(), step_number()', 'seed(), 0u'),
  broken('another constant in the generator', '2891336453u', '2891336455u'),
];

export const checks: Checks<DropoutAttributes> = {
  bound: copied,
  families: [dropoutFamily],
  draw: (choose, random) => ({
    attributes: { ratio: choose(0, 9) / 10 },
    inputs: { x: normal(random, image(choose)) },
  }),
  // What it draws in training no other library draws: tests replay it on the host.
  torch: "lambda o, x: F.dropout(x, o['ratio'], training=False)",
  mutations: {
    'dropout/forward': dropoutText,
    'dropout/backward': [...dropoutText, ...derivativeBefore],
  },
};
