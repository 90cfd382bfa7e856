/** Fill: y = value for `count` elements. A constant: no derivative. */
import { defineKernel, elementwise } from '../kernel.ts';

export const fillConstant = defineKernel({
  name: 'fill/constant',
  params: { count: 'u32', value: 'f32' },
  bindings: { y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: 0, bytes: of.y * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ store }) => /* wgsl */ `
  ${store('y', 'p.y_base + index', 'p.value')}`,
  ),
});
