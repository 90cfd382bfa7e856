/**
 * The copy that concatenates and takes apart: `length` consecutive elements of each of `rows` rows, from x at
 * `x_offset` in rows of `x_stride` elements to y at `y_offset` in rows of `y_stride`:
 *
 *   y[r y_stride + y_offset + i] = x[r x_stride + x_offset + i]
 *
 * Concatenation of [N, C_j, H, W] along C runs it once an input, rows being items. Its derivative is the copy back, with
 * the two sides exchanged. All else of y stays as it is.
 */
import { defineKernel, elementwise } from '../kernel.ts';

export const concatCopy = defineKernel({
  name: 'concat/copy',
  params: { rows: 'u32', length: 'u32', x_stride: 'u32', x_offset: 'u32', y_stride: 'u32', y_offset: 'u32' },
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ rows, length }, of) => ({ flops: 0, bytes: (of.x + of.y) * rows * length }),
  variants: elementwise(
    ({ rows, length }) => rows * length,
    'p.rows * p.length',
    ({ load, store }) => /* wgsl */ `
  let row = index / p.length;
  let i = index % p.length;
  ${store('y', 'p.y_base + row * p.y_stride + p.y_offset + i', load('x', 'p.x_base + row * p.x_stride + p.x_offset + i'))}`,
  ),
});
