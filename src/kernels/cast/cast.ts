/** The same values in another precision: y = x for `count` elements, rounded to what y stores. No derivative: it is a copy. */
import { defineKernel, elementwise } from '../kernel.ts';

export const castCopy = defineKernel({
  name: 'cast/copy',
  params: { count: 'u32' },
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: 0, bytes: (of.x + of.y) * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  ${store('y', 'p.y_base + index', load('x', 'p.x_base + index'))}`,
  ),
});
