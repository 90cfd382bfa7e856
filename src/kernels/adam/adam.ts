/**
 * Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) on `count` elements of a parameter w with the moving
 * means m of its gradient and v of the gradient's square, both 0 at first:
 *
 *   g' = g + weight_decay decay_factor w
 *   m <- beta_1 m + (1 - beta_1) g'
 *   v <- beta_2 v + (1 - beta_2) g'^2
 *   w <- w - (learning_rate mask) ( (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon) + weight_decay shrink w )
 *
 * t counts updates from 1. Adam adds the decay to the gradient (decay_factor 1, shrink 0), AdamW takes it off the weight
 * (decay_factor 0, shrink 1); a bias has neither. As in PyTorch, epsilon stands outside the corrected root; what is
 * divided by here is multiplied by there: correction_1 = 1 / (1 - beta_1^t), correction_2 = 1 / sqrt(1 - beta_2^t), both
 * from the host in double precision (../step.ts), and so is 1 - beta, which would lose half its digits here.
 *
 * The mask multiplies the learning rate. A mask of 0 leaves the bytes of w, m and v as they are: no decay, no momentum.
 */
import { adamFunctions, stepBinding, stepFunctions } from '../step.ts';
import type { UpdateRule } from '../update.ts';
import { updatePass } from '../update-pass.ts';

/** The statements, by a mask that they find as `rate_mask`. */
const update = (w: string, mask: string) => /* wgsl */ `
  let rate_mask = ${mask};
  if (rate_mask == 0.0) { return; }
  let weight = ${w}[p.${w}_base + index];
  let decayed = gradient + weight_decay() * p.decay_factor * weight;
  let mean = momentum() * m[p.m_base + index] + rest_1() * decayed;
  let square = beta_2() * v[p.v_base + index] + rest_2() * decayed * decayed;
  m[p.m_base + index] = mean;
  v[p.v_base + index] = square;
  let ratio = correction_1() * mean / (correction_2() * sqrt(square) + epsilon());
  ${w}[p.${w}_base + index] = weight - learning_rate() * rate_mask * (ratio + weight_decay() * p.shrink * weight);`;

const parameters = { decay_factor: 'f32', shrink: 'f32' } as const;
const moments = { step: stepBinding, m: { access: 'write' }, v: { access: 'write' } } as const;
const declarations = stepFunctions + adamFunctions;

/** By one mask for the whole parameter. */
const adamUpdate = {
  name: 'adam',
  params: { mask: 'f32', ...parameters },
  bindings: moments,
  declarations,
  statements: (w) => update(w, 'p.mask'),
  cost: () => ({ flops: 18, bytes: 24 }),
} as const satisfies UpdateRule;

/** By a mask for each element, to freeze single filters. */
const adamUpdateMasked = {
  name: 'adam by masks',
  params: parameters,
  bindings: { mask: { access: 'read' }, ...moments },
  declarations,
  statements: (w) => update(w, 'mask[p.mask_base + index]'),
  cost: () => ({ flops: 18, bytes: 28 }),
} as const satisfies UpdateRule;

export const adam = updatePass('adam/update', adamUpdate);
export const adamMasked = updatePass('adam/masked', adamUpdateMasked);
