/**
 * Matrix products, as contractions. For a fully connected layer with x [batch, in], w [out, in], bias [out]:
 *
 *   y  = x w^T + bias      y [batch, out]
 *   dx = dy w              dx [batch, in]
 *   dw = dy^T x            dw [out, in]
 *
 * since y[n, o] = bias[o] + sum over i of x[n, i] w[o, i] is linear in each.
 */
import { type ContractionParams, inOnePart, noWindow } from '../contraction/contraction.ts';
import { RELU, type Relu } from '../relu/rule.ts';

export interface GemmShape {
  /** C is M x N, the sum runs over K values */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** strides, in elements: A[m, k] = a[m a.row + k a.column] and so on; C's columns are neighbours */
  readonly a: { readonly row: number; readonly column: number };
  /** B[k, n] = b[k b.row + n b.column] */
  readonly b: { readonly row: number; readonly column: number };
  readonly cRow: number;
  /** bias[n] is added to column n */
  readonly bias?: boolean;
  /** C += instead of C = */
  readonly accumulate?: boolean;
  /** `after`: C = max(A B + bias, 0), not with accumulate; `before`: A B is 0 unless `aux` is > 0 at C's place */
  readonly relu?: Relu;
  /** several products of one shape: how many, and elements from an operand of one to that of the next */
  readonly groups?: { readonly count: number; readonly a: number; readonly b: number; readonly c: number };
}

/** C = A B (+ bias) with any strides: all transposes are one kernel. */
export function gemm({
  m,
  n,
  k,
  a,
  b,
  cRow,
  bias = false,
  accumulate = false,
  relu = RELU.none,
  groups = { count: 1, a: 0, b: 0, c: 0 },
}: GemmShape): ContractionParams {
  return {
    ...noWindow,
    groups: groups.count,
    rows: m,
    columns: n,
    inner: k,
    a_group: groups.a,
    a_row: a.row,
    a_inner: a.column,
    b_group: groups.b,
    b_item: b.column,
    b_inner: b.row,
    c_group: groups.c,
    c_row: cRow,
    c_item: 1,
    bias_mode: bias ? 2 : 0,
    accumulate: accumulate ? 1 : 0,
    relu,
    ...inOnePart({ ...noWindow, inner: k }),
  };
}
