/** Fill: y = value for `count` elements. A constant: no derivative. */
import { defineKernel, elementwise } from '../kernel.ts';

export const fillConstant = defineKernel({
  name: 'fill/constant',
  params: { count: 'u32', value: 'f32' },
  bindings: { y: { access: 'write' } },
  cost: ({ count }) => ({ flops: 0, bytes: 4 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  y[p.y_base + index] = p.value;`,
  ),
});
