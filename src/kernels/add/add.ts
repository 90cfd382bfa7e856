/**
 * Addition in place: y += a, `count` elements. Where a value has several readers, their gradients meet by it.
 */
import { defineKernel, elementwise } from '../kernel.ts';

export const addAccumulate = defineKernel({
  name: 'add/accumulate',
  params: { count: 'u32' },
  bindings: { a: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: count, bytes: (of.a + 2 * of.y) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, add }) => /* wgsl */ `
  ${add('y', 'p.y_base + index', load('a', 'p.a_base + index'))}`,
  ),
});
