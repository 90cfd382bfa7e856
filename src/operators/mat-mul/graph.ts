/** Products of matrices that are both computed; a matrix of weights is `linear`'s. */

import { apply } from '../../graph/operation.ts';
import { emitContraction } from '../../graph/ops/contraction.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { rows, type Window, windows } from '../../graph/windows.ts';
import { gemm } from '../../kernels/gemm/gemm.ts';
import { linear } from '../linear/graph.ts';
import type { LinearRole } from '../linear/rule.ts';
import { type None, shapesOf } from '../operator.ts';
import { reshape } from '../reshape/graph.ts';
import { rule } from './rule.ts';

/**
 * y [..., M, P] = a [..., M, K] b [..., K, P], one product for each of the leading indices, which both share. ONNX MatMul.
 *
 *   y[m, p] = sum over k of a[m, k] b[k, p], so  da = dy b^T,  db = a^T dy
 *
 * @throws FrostlineError when shapes do not fit
 */
export function matMul(a: Tensor, b: Tensor, name = 'matMul'): Tensor {
  const [shape] = shapesOf<None, LinearRole>(name, rule, {}, [a, b]);
  const [m, k] = a.shape.slice(-2);
  const p = b.shape.at(-1)!;
  const leading = a.shape.slice(0, -2);
  const products = leading.reduce((x, y) => x * y, 1);
  const [aBytes, bBytes, yBytes] = [4 * m * k, 4 * k * p, 4 * m * p];
  const groups = ({ count }: Window, a_group: number, b_group: number, c_group: number) => ({
    groups: count,
    a_group,
    b_group,
    c_group,
  });
  const matrixWindows = (emit: Parameters<typeof windows>[0]) =>
    windows(emit, products, [aBytes, bBytes, yBytes], `${name}: one matrix`);
  return apply(
    {
      name: 'matMul',
      forward(emit) {
        for (const window of matrixWindows(emit.gpu)) {
          const [left, right] = [rows(emit.value(a), aBytes, window), rows(emit.value(b), bBytes, window)];
          const product = gemm({ m, n: p, k, a: { row: k, column: 1 }, b: { row: p, column: 1 }, cRow: p });
          emitContraction(
            emit,
            { ...product, ...groups(window, m * k, k * p, m * p) },
            { a: left, b: right, c: rows(emit.value(emit.output), yBytes, window) },
          );
        }
      },
      backward(emit) {
        const [da, db] = [emit.gradient(0), emit.gradient(1)];
        for (const window of matrixWindows(emit.gpu)) {
          const dy = rows(emit.outputGradient, yBytes, window);
          if (da !== undefined) {
            const product = gemm({ m, n: k, k: p, a: { row: p, column: 1 }, b: { row: 1, column: p }, cRow: k });
            emitContraction(
              emit,
              { ...product, ...groups(window, m * p, k * p, m * k) },
              { a: dy, b: rows(emit.value(b), bBytes, window), c: rows(da, aBytes, window) },
            );
          }
          if (db !== undefined) {
            const product = gemm({ m: k, n: p, k: m, a: { row: 1, column: k }, b: { row: p, column: 1 }, cRow: p });
            emitContraction(
              emit,
              { ...product, ...groups(window, m * k, m * p, k * p) },
              { a: rows(emit.value(a), aBytes, window), b: dy, c: rows(db, bBytes, window) },
            );
          }
        }
      },
    },
    [a, b],
    shape,
    name,
  );
}

/** y [..., P] = x [..., K] weight^T + bias, weight [P, K]: a fully connected layer for each row. */
export function matMulWeight(x: Tensor, weight: Tensor, bias: Tensor | undefined, name: string): Tensor {
  const [shape] = shapesOf<None, LinearRole>(name, rule, {}, [x], { weight, bias });
  const width = x.shape.at(-1)!;
  return reshape(linear(reshape(x, [x.size / width, width], name), weight, bias, name), shape, name);
}
