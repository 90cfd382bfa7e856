/** Sum, difference, product and quotient of two tensors; the mathematics stands in ../../kernels/binary/binary.ts. */
import type { Storage } from '../../gpu/storage.ts';
import { apply, type BackwardEmitter, type ForwardEmitter, type Operation } from '../../graph/operation.ts';
import { checkTensors, type Shape, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { rows, type Window, windows } from '../../graph/windows.ts';
import {
  type BinaryOperator,
  binaryKernels,
  binaryParams,
  broadcastGradient,
  broadcastGradientParams,
} from '../../kernels/binary/binary.ts';
import { sixExtents } from '../../kernels/strided.ts';
import { expectBatch, shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** y = a + b; a dimension of 1 (but not the batch) is repeated to that of the other. So are the three below. */
export const add = (a: Tensor, b: Tensor, name = 'add'): Tensor => binary('add', a, b, name);
/** a - b, elementwise, of equal shapes or with NumPy's broadcasting. */
export const subtract = (a: Tensor, b: Tensor, name = 'subtract'): Tensor => binary('subtract', a, b, name);
/** a b, elementwise, of equal shapes or with NumPy's broadcasting. */
export const multiply = (a: Tensor, b: Tensor, name = 'multiply'): Tensor => binary('multiply', a, b, name);
/** a / b, elementwise, of equal shapes or with NumPy's broadcasting. */
export const divide = (a: Tensor, b: Tensor, name = 'divide'): Tensor => binary('divide', a, b, name);

/** What one run of a binary kernel reads or writes: a tensor's shape and where it lies. */
interface Operand {
  readonly shape: Shape;
  readonly storage: Storage;
}

function binary(operator: BinaryOperator, a: Tensor, b: Tensor, name: string): Tensor {
  checkTensors(name, { a, b });
  expectBatch(name, a, b);
  const [shape] = shapesOf(name, rule, {}, [a, b]);
  const items = shape[0];
  const itemBytes = (of: Shape) => (4 * sizeOf(of)) / items;
  const itemWindows = (emit: ForwardEmitter) => windows(emit.gpu, items, [itemBytes(shape)], `${name}: one item`);
  const part = (of: Shape, { count }: Window) => sixExtents(name, [count, ...of.slice(1)]);
  const view = ({ shape, storage }: Operand, window: Window) => rows(storage, itemBytes(shape), window);
  sixExtents(name, shape);

  /** One of the four on whole tensors, in windows of items. */
  function run(emit: ForwardEmitter, kind: BinaryOperator, left: Operand, right: Operand, result: Storage): void {
    for (const window of itemWindows(emit)) {
      emit.run(
        binaryKernels[kind],
        binaryParams(part(shape, window), part(left.shape, window), part(right.shape, window)),
        { a: view(left, window), b: view(right, window), y: view({ shape, storage: result }, window) },
      );
    }
  }

  /** dx = scale times the sum of g over the repetitions of x. */
  function reduce(emit: BackwardEmitter, g: Storage, x: Operand, scale: number): void {
    for (const window of itemWindows(emit)) {
      emit.run(broadcastGradient, broadcastGradientParams(part(shape, window), part(x.shape, window), { scale }), {
        g: view({ shape, storage: g }, window),
        dx: view(x, window),
      });
    }
  }

  /** A sum of equal shapes may be made by whoever writes one of the two; its derivative is dL/dy itself. */
  const combination: Operation['combination'] =
    operator === 'add' && a.shape.join() === b.shape.join()
      ? {
          is: { name: 'add', wgsl: 'value + operand', operand: 'place' },
          of: [0, 1],
          derivativeOf: 'neither',
          operand: (emit, i) => emit.value([b, a][i]),
        }
      : undefined;

  return apply(
    {
      name: operator,
      ...(combination && { combination }),
      forward(emit) {
        const operand = (x: Tensor) => ({ shape: x.shape, storage: emit.value(x) });
        run(emit, operator, operand(a), operand(b), emit.value(emit.output));
      },
      backward(emit) {
        const dy = { shape, storage: emit.outputGradient };
        const operand = (x: Tensor) => ({ shape: x.shape, storage: emit.value(x) });
        const room = (what: string) => ({ shape, storage: emit.saved(what, 4 * sizeOf(shape)) });
        const [da, db] = [emit.gradient(0), emit.gradient(1)];
        if (operator === 'add' || operator === 'subtract') {
          if (da !== undefined) reduce(emit, dy.storage, { shape: a.shape, storage: da }, 1);
          if (db !== undefined) {
            reduce(emit, dy.storage, { shape: b.shape, storage: db }, operator === 'add' ? 1 : -1);
          }
          return;
        }
        /** dx = dy `other`, or dy / `other`, summed where x was repeated. */
        const scaled = (dx: Storage, x: Tensor, kind: BinaryOperator, other: Tensor, what: string) => {
          const repeated = x.shape.join() !== shape.join();
          const product = repeated ? room(what).storage : dx;
          run(emit, kind, dy, operand(other), product);
          if (repeated) reduce(emit, product, { shape: x.shape, storage: dx }, 1);
        };
        if (da !== undefined) scaled(da, a, operator, b, 'dy b');
        if (db === undefined) return;
        if (operator === 'multiply') {
          scaled(db, b, 'multiply', a, 'dy a');
          return;
        }
        const [product, quotient] = [room('dy y'), room('dy y / b')];
        run(emit, 'multiply', dy, operand(emit.output), product.storage);
        run(emit, 'divide', product, operand(b), quotient.storage);
        reduce(emit, quotient.storage, { shape: b.shape, storage: db }, -1);
      },
    },
    [a, b],
    shape,
    name,
  );
}
