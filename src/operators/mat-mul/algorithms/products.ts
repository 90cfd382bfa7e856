/**
 * Products of matrices that are both computed, y = a b with y [products, m, p], a [products, m, k], b [products, k, p],
 * and their gradients, da = dy b^T and db = a^T dy: products again, of matrices without gaps. What passes one binding is
 * worked on in windows of whole matrices.
 */
import type { Storage } from '../../../gpu/storage.ts';
import { rows, type Window, windows } from '../../../graph/windows.ts';
import type { GemmShape } from '../../../kernels/gemm/gemm.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import type { Algorithm } from '../../algorithms/algorithm.ts';
import { byProducts, type ProductMethod } from '../../algorithms/product.ts';

export interface Products {
  readonly name: string;
  /** of the leading dimensions together */
  readonly products: number;
  readonly m: number;
  readonly k: number;
  readonly p: number;
}

/** What its time depends on. */
export const caseOf = ({ products, m, k, p }: Products): string => `products ${products} m ${m} k ${k} p ${p}`;

/** `made` = `left` `right`; the gradients read one of them by its columns. */
export interface Operands {
  readonly left: Storage;
  readonly right: Storage;
  readonly made: Storage;
}

export type ProductsAlgorithm = Algorithm<Products, Operands>;

/** left is a, dy, a; right is b, b, dy */
const SHAPES = {
  forward: ({ m, k, p }: Products): GemmShape => ({
    ...{ m, n: p, k, cRow: p },
    a: { row: k, column: 1 },
    b: { row: p, column: 1 },
  }),
  'left gradient': ({ m, k, p }: Products): GemmShape => ({
    ...{ m, n: k, k: p, cRow: k },
    a: { row: p, column: 1 },
    b: { row: 1, column: p },
  }),
  'right gradient': ({ m, k, p }: Products): GemmShape => ({
    ...{ m: k, n: p, k: m, cRow: p },
    a: { row: 1, column: k },
    b: { row: p, column: 1 },
  }),
} as const;

export type Result = keyof typeof SHAPES;

/** Whole matrices, of all three tensors. */
const matrixWindows = (adapter: Capabilities, { name, products, m, k, p }: Products): Window[] =>
  windows(adapter, products, [4 * m * k, 4 * k * p, 4 * m * p], `${name}: one matrix`);

/** A window's products. */
function productsOf(result: Result, problem: Products, { count }: Window) {
  const shape = SHAPES[result](problem);
  const { m, n, k } = shape;
  return { ...shape, groups: { count, a: m * k, b: k * n, c: m * n } };
}

/** A result by one way to work on products. */
export const byProduct = (result: Result, method: ProductMethod): ProductsAlgorithm => ({
  ...byProducts<Products>(method, (adapter, problem) =>
    matrixWindows(adapter, problem).map((at) => productsOf(result, problem, at)),
  ),
  emit(emit, problem, { left, right, made }) {
    for (const at of matrixWindows(emit.gpu, problem)) {
      const shape = productsOf(result, problem, at);
      const { a, b, c } = shape.groups;
      method.emit(emit, shape, { a: rows(left, 4 * a, at), b: rows(right, 4 * b, at), c: rows(made, 4 * c, at) });
    }
  },
});
