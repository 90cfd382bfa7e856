/**
 * Two operands, element by element, each broadcast to the shape of the result by strides (../strided.ts):
 *
 *   y = a + b,   y = a - b,   y = a b,   y = a / b
 *
 * Derivatives, before the sum over what was broadcast:
 *
 *   add       da = dy           db = dy
 *   subtract  da = dy           db = -dy
 *   multiply  da = dy b         db = dy a
 *   divide    da = dy / b       db = -dy a / b^2 = -(dy y) / b
 *
 * They are made of these kernels themselves. An operand that was repeated gets the sum over its repetitions:
 *
 *   x element k  gets  scale * sum over o that read k of  g[o]                                   binary/broadcast-gradient
 *
 * in the order of o, one thread an element. With accumulate = 1 it is added to what dx holds.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';
import {
  broadcastStrides,
  denseStrides,
  extentFields,
  extentParams,
  offset,
  placeFunction,
  placeStruct,
  strideFields,
  strideParams,
} from '../strided.ts';

export type BinaryOperator = 'add' | 'subtract' | 'multiply' | 'divide';

const params = { count: 'u32', ...extentFields('y'), ...strideFields('a'), ...strideFields('b') } as const;

const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);

/** Extents are six numbers each (`sixExtents`); those of an operand are the result's, or 1. */
export function binaryParams(y: readonly number[], a: readonly number[], b: readonly number[]): Params<typeof params> {
  return {
    count: product(y),
    ...extentParams('y', y),
    ...strideParams('a', broadcastStrides(a)),
    ...strideParams('b', broadcastStrides(b)),
  };
}

const binary = (name: BinaryOperator, symbol: string) =>
  defineKernel({
    name: `binary/${name}`,
    params,
    bindings: {
      a: { access: 'read', half: true },
      b: { access: 'read', half: true },
      y: { access: 'write', half: true },
    },
    // Without broadcasting; the parameters do not say how much of an operand is read twice.
    cost: ({ count }, of) => ({ flops: count, bytes: (of.a + of.b + of.y) * count }),
    variants: elementwise<typeof params>(
      ({ count }) => count,
      'p.count',
      ({ load, store }) => /* wgsl */ `
  let at = place(index);
  let left = ${load('a', `p.a_base + ${offset('at', 'a')}`)};
  let right = ${load('b', `p.b_base + ${offset('at', 'b')}`)};
  ${store('y', 'p.y_base + index', `left ${symbol} right`)}`,
      placeStruct + placeFunction('place', 'y'),
    ),
  });

export const binaryKernels = {
  add: binary('add', '+'),
  subtract: binary('subtract', '-'),
  multiply: binary('multiply', '*'),
  divide: binary('divide', '/'),
} as const;

const gradientParams = {
  count: 'u32',
  /** outputs that read one element */
  repeats: 'u32',
  scale: 'f32',
  accumulate: 'u32',
  ...extentFields('x'),
  ...extentFields('r'),
  ...strideFields('g'),
} as const;

/** @param y extents of g, @param x those of the operand: the same, or 1 */
export function broadcastGradientParams(
  y: readonly number[],
  x: readonly number[],
  { scale = 1, accumulate = false } = {},
): Params<typeof gradientParams> {
  const repeated = y.map((extent, axis) => (x[axis] === 1 ? extent : 1));
  return {
    count: product(x),
    repeats: product(repeated),
    scale,
    accumulate: accumulate ? 1 : 0,
    ...extentParams('x', x),
    ...extentParams('r', repeated),
    ...strideParams('g', denseStrides(y)),
  };
}

export const broadcastGradient = defineKernel({
  name: 'binary/broadcast-gradient',
  params: gradientParams,
  bindings: { g: { access: 'read', half: true }, dx: { access: 'write', half: true } },
  cost: ({ count, repeats }, of) => ({ flops: count * repeats, bytes: count * (of.g * repeats + of.dx) }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  let at = place(index);
  let first = p.g_base + ${offset('at', 'g')};
  var sum = 0.0;
  for (var r = 0u; r < p.repeats; r++) {
    let again = repetition(r);
    sum += ${load('g', `first + ${offset('again', 'g')}`)};
  }
  sum *= p.scale;
  if (p.accumulate == 1u) { sum += ${load('dx', 'p.dx_base + index')}; }
  ${store('dx', 'p.dx_base + index', 'sum')}`,
    placeStruct + placeFunction('place', 'x') + placeFunction('repetition', 'r'),
  ),
});
