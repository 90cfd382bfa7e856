/** Products of matrices that are both computed; a matrix of weights is `linear`'s. */
import { gemm } from '../../kernels/gemm/gemm.ts';
import { apply, refuse, shapeText } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, type Window, windows } from '../windows.ts';
import { emitContraction } from './contraction.ts';

/**
 * y [..., M, P] = a [..., M, K] b [..., K, P], one product for each of the leading indices, which both share. ONNX MatMul.
 *
 *   y[m, p] = sum over k of a[m, k] b[k, p], so  da = dy b^T,  db = a^T dy
 *
 * @throws FrostlineError when shapes do not fit
 */
export function matMul(a: Tensor, b: Tensor, name = 'matMul'): Tensor {
  const [m, k] = a.shape.slice(-2);
  const [inner, p] = b.shape.slice(-2);
  const leading = a.shape.slice(0, -2);
  if (a.shape.length < 3 || inner !== k || shapeText(leading) !== shapeText(b.shape.slice(0, -2))) {
    refuse(
      name,
      `shapes ${shapeText(a.shape)} and ${shapeText(b.shape)}`,
      'Give [..., M, K] and [..., K, P] with the same leading dimensions, at least the batch.',
    );
  }
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
    [...leading, m, p],
    name,
  );
}
