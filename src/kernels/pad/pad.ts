/**
 * Padding of one axis: x [outer, size, inner] -> y [outer, padded, inner]. With k = j - before,
 *
 *   y[o, j, i] = x[o, k, i]           where 0 <= k < size; elsewhere, by mode,
 *     0 constant                      value
 *     1 edge                          x[o, 0, i] before, x[o, size - 1, i] behind
 *     2 reflect                       x[o, -k, i] before, x[o, 2 (size - 1) - k, i] behind; at most size - 1 of it
 *
 * A negative `before` cuts off. Several axes are padded one after another.
 *
 * Derivative: y is linear, so dx[o, k, i] = sum over the j that read k of dy[o, j, i], in rising order of the kind: its
 * own place; the repetitions of an edge; the reflections to both sides.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';

export const padModes = ['constant', 'edge', 'reflect'] as const;
/** What stands beyond the edges. */
export type PadMode = (typeof padModes)[number];

const backwardParams = {
  outer: 'u32',
  size: 'u32',
  padded: 'u32',
  inner: 'u32',
  before: 'i32',
  mode: 'u32',
} as const;
const forwardParams = { ...backwardParams, value: 'f32' } as const;

const inputs = (p: Params<typeof backwardParams>) => p.outer * p.size * p.inner;
const outputs = (p: Params<typeof backwardParams>) => p.outer * p.padded * p.inner;

export const padForward = defineKernel({
  name: 'pad/forward',
  params: forwardParams,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: (p, of) => ({ flops: 0, bytes: of.x * inputs(p) + of.y * outputs(p) }),
  variants: elementwise<typeof forwardParams>(
    outputs,
    'p.outer * p.padded * p.inner',
    ({ load, store }) => /* wgsl */ `
  let i = index % p.inner;
  let row = index / p.inner;
  let last = i32(p.size) - 1;
  var k = i32(row % p.padded) - p.before;
  if (p.mode == 1u) { k = clamp(k, 0, last); }
  if (p.mode == 2u) {
    if (k < 0) { k = -k; }
    if (k > last) { k = 2 * last - k; }
  }
  var value = p.value;
  if (k >= 0 && k <= last) { value = ${load('x', 'p.x_base + ((row / p.padded) * p.size + u32(k)) * p.inner + i')}; }
  ${store('y', 'p.y_base + index', 'value')}`,
  ),
});

export const padBackward = defineKernel({
  name: 'pad/backward',
  params: backwardParams,
  bindings: { dy: { access: 'read', half: true }, dx: { access: 'write', half: true } },
  cost: (p, of) => ({ flops: outputs(p), bytes: of.dx * inputs(p) + of.dy * outputs(p) }),
  variants: elementwise<typeof backwardParams>(
    inputs,
    'p.outer * p.size * p.inner',
    ({ load, store }) => /* wgsl */ `
  let i = index % p.inner;
  let row = index / p.inner;
  let from_dy = p.dy_base + (row / p.size) * p.padded * p.inner + i;
  let last = i32(p.size) - 1;
  let end = i32(p.padded);
  let k = i32(row % p.size);
  let own = k + p.before;
  var sum = 0.0;
  if (own >= 0 && own < end) { sum = ${load('dy', 'from_dy + u32(own) * p.inner')}; }
  if (p.mode == 1u) {
    if (k == 0) {
      for (var j = 0; j < min(own, end); j++) { sum += ${load('dy', 'from_dy + u32(j) * p.inner')}; }
    }
    if (k == last) {
      for (var j = max(own + 1, 0); j < end; j++) { sum += ${load('dy', 'from_dy + u32(j) * p.inner')}; }
    }
  }
  if (p.mode == 2u) {
    let left = p.before - k;
    if (k > 0 && left >= 0 && left < end) { sum += ${load('dy', 'from_dy + u32(left) * p.inner')}; }
    let right = p.before + 2 * last - k;
    if (k < last && right >= 0 && right < end) { sum += ${load('dy', 'from_dy + u32(right) * p.inner')}; }
  }
  ${store('dx', 'p.dx_base + index', 'sum')}`,
  ),
});
