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
import { defineKernel, elementwise } from '../kernel.ts';
import { adamFunctions, stepBinding, stepFunctions } from '../step.ts';

const update = /* wgsl */ `
  let weight = w[p.w_base + index];
  let gradient = g[p.g_base + index] + weight_decay() * p.decay_factor * weight;
  let mean = momentum() * m[p.m_base + index] + rest_1() * gradient;
  let square = beta_2() * v[p.v_base + index] + rest_2() * gradient * gradient;
  m[p.m_base + index] = mean;
  v[p.v_base + index] = square;
  let ratio = correction_1() * mean / (correction_2() * sqrt(square) + epsilon());
  w[p.w_base + index] = weight - learning_rate() * rate_mask * (ratio + weight_decay() * p.shrink * weight);`;

const moments = { w: { access: 'write' }, m: { access: 'write' }, v: { access: 'write' } } as const;

/** One mask for the whole parameter. */
export const adam = defineKernel({
  name: 'adam/update',
  params: { count: 'u32', mask: 'f32', decay_factor: 'f32', shrink: 'f32' },
  bindings: { g: { access: 'read' }, step: stepBinding, ...moments },
  cost: ({ count }) => ({ flops: 18 * count, bytes: 28 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let rate_mask = p.mask;
  if (rate_mask == 0.0) { return; }${update}`,
    stepFunctions + adamFunctions,
  ),
});

/** A mask for each element, to freeze single filters. */
export const adamMasked = defineKernel({
  name: 'adam/masked',
  params: { count: 'u32', decay_factor: 'f32', shrink: 'f32' },
  bindings: { g: { access: 'read' }, mask: { access: 'read' }, step: stepBinding, ...moments },
  cost: ({ count }) => ({ flops: 18 * count, bytes: 32 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let rate_mask = mask[p.mask_base + index];
  if (rate_mask == 0.0) { return; }${update}`,
    stepFunctions + adamFunctions,
  ),
});
