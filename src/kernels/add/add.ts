/**
 * Addition of `count` elements: y = a + b. Derivative: da = db = dy, so backward needs no kernel of its own; where a
 * value has several readers, their gradients meet by y += a.
 */
import { defineKernel, elementwise } from '../kernel.ts';

export const addForward = defineKernel({
  name: 'add/forward',
  params: { count: 'u32' },
  bindings: { a: { access: 'read' }, b: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: count, bytes: 12 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  y[p.y_base + index] = a[p.a_base + index] + b[p.b_base + index];`,
  ),
});

/** y += a, in place. */
export const addAccumulate = defineKernel({
  name: 'add/accumulate',
  params: { count: 'u32' },
  bindings: { a: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: count, bytes: 12 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  y[p.y_base + index] += a[p.a_base + index];`,
  ),
});
