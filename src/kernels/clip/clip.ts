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
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: 2 * count, bytes: 8 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  // min and max may hide NaN, which must reach the loss, and compilers make them of comparisons.
  let value = x[p.x_base + index];
  let raised = select(value, p.low, value < p.low);
  y[p.y_base + index] = select(select(raised, p.high, raised > p.high), value, is_nan(value));`,
    isNanFunction,
  ),
});

export const clipBackward = defineKernel({
  name: 'clip/backward',
  params,
  bindings: { x: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
  cost: ({ count }) => ({ flops: 2 * count, bytes: 12 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let value = x[p.x_base + index];
  dx[p.dx_base + index] = select(0.0, dy[p.dy_base + index], value >= p.low && value <= p.high);`,
  ),
});
