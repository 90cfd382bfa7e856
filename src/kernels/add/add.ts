/**
 * Addition in place: y += a, `count` elements. Where a value has several readers, their gradients meet by it.
 */
import { defineKernel, elementwise } from '../kernel.ts';

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
