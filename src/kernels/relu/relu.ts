/**
 * ReLU: y = max(x, 0), elementwise.
 *
 * Derivative: dL/dx = dL/dy where y > 0, else 0. At x = 0, where no derivative exists, it is 0 (as in PyTorch and
 * MATLAB). y > 0 exactly where x > 0, so backward reads y and the input need not be kept.
 */

import { COMBINATION } from '../epilogue.ts';
import { defineKernel, elementwise } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { belowZero } from '../nan.ts';

/**
 * What the parameter `relu` says to kernels that can apply a ReLU to what they write: one pass over the activations less,
 * and one copy of them.
 */
export const RELU = {
  none: 0,
  /** the one that follows: y = max(value, 0) */
  after: 1,
  /** the derivative of the one before, whose outputs are in the binding `aux`, laid out as what is written */
  before: 2,
} as const;
/** A value of the parameter `relu` of kernels that can apply a ReLU: 0 none, 1 the one that follows, 2 the derivative of the one before. */
export type Relu = (typeof RELU)[keyof typeof RELU];

/** The derivative of the map before from its output `value`, where a kernel has that at hand: a ReLU's unless a run says otherwise. */
export const DERIVATIVE = /* wgsl */ `
fn derivative(gradient: f32, value: f32) -> f32 { return select(0.0, gradient, value > 0.0); }
`;

export const ACTIVATION = /* wgsl */ `
fn activated(value: f32) -> f32 { return select(value, 0.0, p.relu == ${RELU.after}u && ${belowZero('value')}); }
`;

/**
 * Kernels ask this of each place in a loop of its own, which has no turns without such a ReLU: software rasterisers take
 * both sides of a branch, and would load `aux` for nothing. It holds a combination's operand where there is one.
 */
export const auxText = ({ load }: Pick<Memory, 'load'>) => /* wgsl */ `
fn operand_at(index: u32) -> f32 { return ${load('aux', 'p.aux_base + index')}; }
fn passes(place: u32) -> bool { return operand_at(place) > 0.0; }
fn differentiated(count: u32) -> u32 { return select(0u, count, p.relu == ${RELU.before}u); }
${COMBINATION}`;

/** The same of an `aux` that holds f32. */
export const AUX = auxText({ load: (binding, index) => `${binding}[${index}]` });

export const reluForward = defineKernel({
  name: 'relu/forward',
  params: { count: 'u32' },
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: count, bytes: (of.x + of.y) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  // A comparison that NaN fails would hide it: NaN must reach the loss, where it is reported.
  let value = ${load('x', 'p.x_base + index')};
  ${store('y', 'p.y_base + index', `select(value, 0.0, ${belowZero('value')})`)}`,
  ),
});

export const reluBackward = defineKernel({
  name: 'relu/backward',
  params: { count: 'u32' },
  bindings: {
    y: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    dx: { access: 'write', half: true },
  },
  cost: ({ count }, of) => ({ flops: count, bytes: (of.y + of.dy + of.dx) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  ${store('dx', 'p.dx_base + index', `derivative(${load('dy', 'p.dy_base + index')}, ${load('y', 'p.y_base + index')})`)}`,
    DERIVATIVE,
  ),
});
