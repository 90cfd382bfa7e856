/**
 * Logarithm of the softmax of each row; rows as in ../softmax/softmax.ts:
 *
 *   y[i] = x[i] - m - log(sum over j of exp(x[j] - m)),   m = max over j of x[j]
 *
 * The sum is at least 1, so its logarithm is finite, and y keeps its precision where the probability vanishes. A NaN or
 * an infinite maximum makes the whole row NaN.
 *
 * Derivative: dy[j]/dx[i] = [i = j] - exp(y[i]), so  dx[i] = dy[i] - exp(y[i]) sum over j of dy[j].
 */
import { defineKernel, elementwise } from '../kernel.ts';
import { largerFunction, poisonFunction } from '../nan.ts';
import { rowStart, softmaxCost, softmaxParams } from '../softmax/softmax.ts';

export const logSoftmaxForward = defineKernel({
  name: 'log-softmax/forward',
  params: softmaxParams,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => softmaxCost(p, 5, of.x + of.y),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    ({ load, store }) => /* wgsl */ `
  let from_x = p.x_base + row_start(index);
  let from_y = p.y_base + row_start(index);
  var largest = ${load('x', 'from_x')};
  for (var j = 1u; j < p.columns; j++) { largest = larger(largest, ${load('x', 'from_x + j * p.stride')}); }
  var sum = 0.0;
  for (var j = 0u; j < p.columns; j++) { sum += exp(${load('x', 'from_x + j * p.stride')} - largest); }
  let shift = log(sum) + poison(largest);
  for (var j = 0u; j < p.columns; j++) {
    let k = j * p.stride;
    ${store('y', 'from_y + k', `(${load('x', 'from_x + k')} - largest) - shift`)}
  }`,
    rowStart + largerFunction + poisonFunction,
  ),
});

export const logSoftmaxBackward = defineKernel({
  name: 'log-softmax/backward',
  params: softmaxParams,
  bindings: {
    y: { access: 'read', half: true },
    dy: { access: 'read', half: true },
    dx: { access: 'write', half: true },
  },
  cost: (p, of) => softmaxCost(p, 4, of.y + of.dy + of.dx),
  variants: elementwise(
    ({ rows }) => rows,
    'p.rows',
    ({ load, store }) => /* wgsl */ `
  let row = row_start(index);
  var sum = 0.0;
  for (var j = 0u; j < p.columns; j++) { sum += ${load('dy', 'p.dy_base + row + j * p.stride')}; }
  for (var j = 0u; j < p.columns; j++) {
    let k = row + j * p.stride;
    ${store('dx', 'p.dx_base + k', `${load('dy', 'p.dy_base + k')} - exp(${load('y', 'p.y_base + k')}) * sum`)}
  }`,
    rowStart,
  ),
});
