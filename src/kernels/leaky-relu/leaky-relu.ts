/**
 * Leaky ReLU, elementwise: y = x where x is not below 0, else slope x; slope above 0.
 *
 * Derivative: dL/dx = dL/dy where y is not below 0, else slope dL/dy. At x = 0, where no derivative exists, it is dL/dy
 * times the slope (as in PyTorch, whose condition is x > 0). y has x's sign, so backward reads y alone.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';

const params = { count: 'u32', slope: 'f32' } as const;
const count = (p: Params<typeof params>) => p.count;

export const leakyReluForward = defineKernel({
  name: 'leaky-relu/forward',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: (p) => ({ flops: p.count, bytes: 8 * p.count }),
  variants: elementwise<typeof params>(
    count,
    'p.count',
    /* wgsl */ `
  let value = x[p.x_base + index];
  y[p.y_base + index] = select(value, p.slope * value, value < 0.0);`,
  ),
});

export const leakyReluBackward = defineKernel({
  name: 'leaky-relu/backward',
  params,
  bindings: { y: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
  cost: (p) => ({ flops: p.count, bytes: 12 * p.count }),
  variants: elementwise<typeof params>(
    count,
    'p.count',
    /* wgsl */ `
  let gradient = dy[p.dy_base + index];
  dx[p.dx_base + index] = select(p.slope * gradient, gradient, y[p.y_base + index] > 0.0);`,
  ),
});
