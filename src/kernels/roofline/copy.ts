/** The memory ceiling of an adapter: y = x for `count` elements, each read once and written once. */
import { defineKernel, elementwise } from '../kernel.ts';

export const rooflineCopy = defineKernel({
  name: 'roofline/copy',
  params: { count: 'u32' },
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: 0, bytes: 8 * count }),
  variants: elementwise(({ count }) => count, 'p.count', '  y[p.y_base + index] = x[p.x_base + index];'),
});
