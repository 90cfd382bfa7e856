/**
 * Softmax over each row of x [rows, columns]:
 *
 *   y[i] = exp(x[i] - m) / sum over j of exp(x[j] - m),   m = max over j of x[j]
 *
 * The shift by m cancels; it keeps every exponent at or below 0, so nothing overflows and the sum is at least 1. A NaN or
 * an infinite maximum makes the whole row NaN.
 *
 * Derivative: dy[j]/dx[i] = y[j] ([i = j] - y[i]), so  dx[i] = y[i] (dy[i] - sum over j of dy[j] y[j]).
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { largerFunction, poisonFunction } from '../nan.ts';

const params = { rows: 'u32', columns: 'u32' } as const;

export const softmaxForward = defineKernel({
  name: 'softmax/forward',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ rows, columns }) => ({ flops: 5 * rows * columns, bytes: 8 * rows * columns }),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    /* wgsl */ `
  let from_x = p.x_base + index * p.columns;
  let from_y = p.y_base + index * p.columns;
  var largest = x[from_x];
  for (var j = 1u; j < p.columns; j++) { largest = larger(largest, x[from_x + j]); }
  var sum = 0.0;
  for (var j = 0u; j < p.columns; j++) {
    let power = exp(x[from_x + j] - largest);
    y[from_y + j] = power;
    sum += power;
  }
  for (var j = 0u; j < p.columns; j++) { y[from_y + j] = y[from_y + j] / sum + poison(largest); }`,
    largerFunction + poisonFunction,
  ),
});

export const softmaxBackward = defineKernel({
  name: 'softmax/backward',
  params,
  bindings: { y: { access: 'read' }, dy: { access: 'read' }, dx: { access: 'write' } },
  cost: ({ rows, columns }) => ({ flops: 4 * rows * columns, bytes: 12 * rows * columns }),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    /* wgsl */ `
  let row = index * p.columns;
  var dot = 0.0;
  for (var j = 0u; j < p.columns; j++) { dot += dy[p.dy_base + row + j] * y[p.y_base + row + j]; }
  for (var j = 0u; j < p.columns; j++) {
    dx[p.dx_base + row + j] = y[p.y_base + row + j] * (dy[p.dy_base + row + j] - dot);
  }`,
  ),
});
