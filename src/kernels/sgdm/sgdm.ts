/**
 * Stochastic gradient descent with momentum, as MATLAB's sgdm, on `count` elements of a parameter w with its velocity v
 * and gradient g:
 *
 *   v <- momentum v - (learning_rate mask) (g + weight_decay decay_factor w)
 *   w <- w + v
 *
 * The mask multiplies the learning rate: 0 frozen, 1 fine-tuned, 10 a new layer. A mask of 0 leaves the bytes of w and v
 * as they are: no decay, no momentum. decay_factor is 1 for weights and 0 for biases. The update is the end of the
 * chain: it has no derivative.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { scalingBinding, scalingFunctions, VELOCITY_SCALE } from '../loss-scale/state.ts';
import { stepBinding, stepFunctions } from '../step.ts';

/**
 * The rule, for every kernel that updates weights: `rate` is the learning rate times the mask, `decay` the weight decay times
 * the decay factor, `inertia` the momentum. With what it reads of the step.
 */
export const sgdmRule = (type: 'f32' | 'vec4f') => /* wgsl */ `${stepFunctions}
fn next_velocity(velocity: ${type}, weight: ${type}, gradient: ${type}, rate: f32, decay: f32, inertia: f32) -> ${type} {
  return inertia * velocity - rate * (gradient + decay * weight);
}`;

const update = /* wgsl */ `
  let weight = w[p.w_base + index];
  let rate = learning_rate() * rate_mask;
  let decay = weight_decay() * p.decay_factor;
  let velocity = next_velocity(v[p.v_base + index], weight, g[p.g_base + index], rate, decay, momentum());
  v[p.v_base + index] = velocity;
  w[p.w_base + index] = weight + velocity;`;

/** One mask for the whole parameter. */
export const sgdm = defineKernel({
  name: 'sgdm/update',
  params: { count: 'u32', mask: 'f32', decay_factor: 'f32' },
  bindings: { g: { access: 'read' }, step: stepBinding, w: { access: 'write' }, v: { access: 'write' } },
  cost: ({ count }) => ({ flops: 7 * count, bytes: 20 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let rate_mask = p.mask;
  if (rate_mask == 0.0) { return; }${update}`,
    sgdmRule('f32'),
  ),
});

/** A mask for each element, to freeze single filters. */
export const sgdmMasked = defineKernel({
  name: 'sgdm/masked',
  params: { count: 'u32', decay_factor: 'f32' },
  bindings: {
    g: { access: 'read' },
    mask: { access: 'read' },
    step: stepBinding,
    w: { access: 'write' },
    v: { access: 'write' },
  },
  cost: ({ count }) => ({ flops: 7 * count, bytes: 24 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let rate_mask = mask[p.mask_base + index];
  if (rate_mask == 0.0) { return; }${update}`,
    sgdmRule('f32'),
  ),
});

/**
 * Of a gradient that is the loss scale times too large (../loss-scale), with the velocity kept `VELOCITY_SCALE` times as large;
 * nothing is changed where the step is skipped.
 */
export const sgdmScaled = defineKernel({
  name: 'sgdm/scaled',
  params: { count: 'u32', mask: 'f32', decay_factor: 'f32' },
  bindings: {
    g: { access: 'read', half: true },
    step: stepBinding,
    scaling: scalingBinding,
    w: { access: 'write' },
    v: { access: 'write', half: true },
  },
  cost: ({ count }, of) => ({ flops: 10 * count, bytes: (8 + of.g + 2 * of.v) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  if (p.mask == 0.0 || skipped()) { return; }
  let weight = w[p.w_base + index];
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let before = ${load('v', 'p.v_base + index')} / ${VELOCITY_SCALE}.0;
  let velocity = next_velocity(before, weight, ${load('g', 'p.g_base + index')} * unscale(), rate, decay, momentum());
  ${store('v', 'p.v_base + index', `${VELOCITY_SCALE}.0 * velocity`)}
  w[p.w_base + index] = weight + velocity;`,
    sgdmRule('f32') + scalingFunctions,
  ),
});
