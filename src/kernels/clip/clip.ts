/**
 * Clip: y = min(max(x, low), high), elementwise; ReLU6 is the case of 0 and 6. A bound that is infinite does nothing.
 *
 * Derivative: dL/dx = dL/dy where low <= x <= high, else 0 (at the bounds as in PyTorch). y may equal a bound inside and
 * outside of the range, so backward reads x.
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { isNanFunction } from '../nan.ts';

const params = { count: 'u32', low: 'f32', high: 'f32' } as const;

export const clipForward = defineKernel({
  name: 'clip/forward',
  params,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: 2 * count, bytes: (of.x + of.y) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  // min and max may hide NaN, which must reach the loss, and compilers make them of comparisons.
  let value = ${load('x', 'p.x_base + index')};
  let raised = select(value, p.low, value < p.low);
  ${store('y', 'p.y_base + index', 'select(select(raised, p.high, raised > p.high), value, is_nan(value))')}`,
    isNanFunction,
  ),
});

export const clipBackward = defineKernel({
  name: 'clip/backward',
  params,
  bindings: {
    x: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    dx: { access: 'write', half: true },
  },
  cost: ({ count }, of) => ({ flops: 2 * count, bytes: (of.x + of.dy + of.dx) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  let value = ${load('x', 'p.x_base + index')};
  ${store(
    'dx',
    'p.dx_base + index',
    `select(0.0, ${load('dy', 'p.dy_base + index')}, value >= p.low && value <= p.high)`,
  )}`,
  ),
});
