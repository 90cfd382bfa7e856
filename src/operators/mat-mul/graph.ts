/** Products of matrices that are both computed; a matrix of weights is `linear`'s. How: ./algorithms. */
import { apply } from '../../graph/operation.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { LinearRole } from '../linear/rule.ts';
import { type None, shapesOf } from '../operator.ts';
import { selectMatMul } from './algorithms/index.ts';
import type { Products } from './algorithms/products.ts';
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
  const products = a.shape.slice(0, -2).reduce((x, y) => x * y, 1);
  const problem: Products = { name, products, m, k, p };
  return apply(
    {
      name: 'matMul',
      forward(emit) {
        const operands = { left: emit.value(a), right: emit.value(b), made: emit.value(emit.output) };
        selectMatMul(emit.gpu, 'forward', problem).algorithm.emit(emit, problem, operands);
      },
      backward(emit) {
        const dy = emit.outputGradient;
        const [da, db] = [emit.gradient(0), emit.gradient(1)];
        if (da !== undefined) {
          const operands = { left: dy, right: emit.value(b), made: da };
          selectMatMul(emit.gpu, 'left gradient', problem).algorithm.emit(emit, problem, operands);
        }
        if (db !== undefined) {
          const operands = { left: emit.value(a), right: dy, made: db };
          selectMatMul(emit.gpu, 'right gradient', problem).algorithm.emit(emit, problem, operands);
        }
      },
    },
    [a, b],
    shape,
    name,
  );
}
