/**
 * Transposition of up to six dimensions: axis i of y is axis perm[i] of x,
 *
 *   y[i_0, ..., i_5] = x[j_0, ..., j_5],   j_perm[k] = i_k
 *
 * Derivative: every element goes to one place, so dx is dy transposed by the inverse permutation.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';
import {
  denseStrides,
  extentFields,
  extentParams,
  offset,
  placeFunction,
  placeStruct,
  strideFields,
  strideParams,
} from '../strided.ts';

const params = { count: 'u32', ...extentFields('y'), ...strideFields('x') } as const;

/** @param x six extents (`sixExtents`), @param perm of all six axes */
export function transposeParams(x: readonly number[], perm: readonly number[]): Params<typeof params> {
  const strides = denseStrides(x);
  return {
    count: x.reduce((a, b) => a * b, 1),
    ...extentParams(
      'y',
      perm.map((axis) => x[axis]),
    ),
    ...strideParams(
      'x',
      perm.map((axis) => strides[axis]),
    ),
  };
}

export const transposeForward = defineKernel({
  name: 'transpose/forward',
  params,
  bindings: { x: { access: 'read', half: true }, y: { access: 'write', half: true } },
  cost: ({ count }, of) => ({ flops: 0, bytes: (of.x + of.y) * count }),
  variants: elementwise<typeof params>(
    ({ count }) => count,
    'p.count',
    ({ load, store }) => /* wgsl */ `
  let at = place(index);
  ${store('y', 'p.y_base + index', load('x', `p.x_base + ${offset('at', 'x')}`))}`,
    placeStruct + placeFunction('place', 'y'),
  ),
});
