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
import { scalingBinding, scalingFunctions, VELOCITY_SCALE } from '../loss-scale/state.ts';
import type { Memory } from '../memory.ts';
import { stepBinding, stepFunctions } from '../step.ts';
import type { UpdateRule } from '../update.ts';
import { updatePass } from '../update-pass.ts';

/**
 * The rule, for every kernel that updates weights: `rate` is the learning rate times the mask, `decay` the weight decay times
 * the decay factor, `inertia` the momentum. With what it reads of the step.
 */
export const sgdmRule = (type: 'f32' | 'vec4f') => /* wgsl */ `${stepFunctions}
fn next_velocity(velocity: ${type}, weight: ${type}, gradient: ${type}, rate: f32, decay: f32, inertia: f32) -> ${type} {
  return inertia * velocity - rate * (gradient + decay * weight);
}`;

const parameters = { mask: 'f32', decay_factor: 'f32' } as const;
const velocity = { access: 'write' } as const;

/** The statements, by a mask that they find as `rate_mask`. */
const update = (w: string, mask: string) => /* wgsl */ `
  let rate_mask = ${mask};
  if (rate_mask == 0.0) { return; }
  let weight = ${w}[p.${w}_base + index];
  let rate = learning_rate() * rate_mask;
  let decay = weight_decay() * p.decay_factor;
  let velocity = next_velocity(v[p.v_base + index], weight, gradient, rate, decay, momentum());
  v[p.v_base + index] = velocity;
  ${w}[p.${w}_base + index] = weight + velocity;`;

/** By one mask for the whole parameter. */
const sgdmUpdate = {
  name: 'sgdm',
  params: parameters,
  bindings: { step: stepBinding, v: velocity },
  declarations: sgdmRule('f32'),
  statements: (w) => update(w, 'p.mask'),
  cost: () => ({ flops: 7, bytes: 16 }),
} as const satisfies UpdateRule;

/** By a mask for each element, to freeze single filters. */
const sgdmUpdateMasked = {
  name: 'sgdm by masks',
  params: { decay_factor: 'f32' },
  bindings: { mask: { access: 'read' }, step: stepBinding, v: velocity },
  declarations: sgdmRule('f32'),
  statements: (w) => update(w, 'mask[p.mask_base + index]'),
  cost: () => ({ flops: 7, bytes: 20 }),
} as const satisfies UpdateRule;

const scaledBindings = { step: stepBinding, scaling: scalingBinding, v: { access: 'write', half: true } } as const;

const scaled = (w: string, { load, store }: Memory) => /* wgsl */ `
  if (p.mask == 0.0 || skipped()) { return; }
  let weight = ${w}[p.${w}_base + index];
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let before = ${load('v', 'p.v_base + index')} / ${VELOCITY_SCALE}.0;
  let velocity = next_velocity(before, weight, gradient * unscale(), rate, decay, momentum());
  ${store('v', 'p.v_base + index', `${VELOCITY_SCALE}.0 * velocity`)}
  let updated = weight + velocity;
  ${w}[p.${w}_base + index] = updated;`;

/**
 * Of a gradient that is the loss scale times too large (../loss-scale), with the velocity kept `VELOCITY_SCALE` times as large;
 * nothing is changed where the step is skipped.
 */
const sgdmUpdateScaled = {
  name: 'scaled sgdm',
  params: parameters,
  bindings: scaledBindings,
  declarations: sgdmRule('f32') + scalingFunctions,
  statements: scaled,
  cost: (of) => ({ flops: 10, bytes: 8 + 2 * of.v }),
} as const satisfies UpdateRule<typeof parameters, typeof scaledBindings>;

/** The same, which writes the new value a second time, as halves that others read. */
const copiedBindings = { ...scaledBindings, h: { access: 'write', half: true } } as const;
const sgdmUpdateScaledCopied = {
  name: 'scaled sgdm with halves',
  params: parameters,
  bindings: copiedBindings,
  declarations: sgdmRule('f32') + scalingFunctions,
  statements: (w, memory) => `${scaled(w, memory)}
  ${memory.store('h', 'p.h_base + index', 'updated')}`,
  cost: (of) => ({ flops: 10, bytes: 8 + 2 * of.v + of.h }),
} as const satisfies UpdateRule<typeof parameters, typeof copiedBindings>;

export const sgdm = updatePass('sgdm/update', sgdmUpdate);
export const sgdmMasked = updatePass('sgdm/masked', sgdmUpdateMasked);
export const sgdmScaled = updatePass('sgdm/scaled', sgdmUpdateScaled);
export const sgdmScaledCopied = updatePass('sgdm/scaled-copied', sgdmUpdateScaledCopied);
