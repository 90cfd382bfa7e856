/** The fully connected layer; the mathematics stands in ../../kernels/gemm/gemm.ts. */
import { contraction } from '../../kernels/contraction/contraction.ts';
import { gemm } from '../../kernels/gemm/gemm.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';
import { emitBiasGradient } from './conv2d.ts';

/**
 * y [N, out] = x [N, in] weight^T + bias, weight [out, in], bias [out]. ONNX Gemm with transB = 1. x of more dimensions
 * is read as [N, rest]. A weight larger than one binding is worked on in windows of its rows.
 * @throws FrostlineError when shapes do not fit
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, name = 'linear'): Tensor {
  const batch = x.shape[0];
  const inputs = x.size / batch;
  const [outputs, columns] = weight.shape;
  if (weight.shape.length !== 2 || columns !== inputs) {
    refuse(
      name,
      `weight ${weight.name} ${shapeText(weight.shape)} does not fit ${x.name} ${shapeText(x.shape)}, ${inputs} values an item`,
      `The weight must be [outputs, ${inputs}].`,
    );
  }
  if (bias !== undefined && bias.size !== outputs) {
    refuse(name, `bias ${bias.name} has ${bias.size} values for ${outputs} outputs`, 'Give one value an output.');
  }
  const rowBytes = 4 * inputs;
  const weightWindows = (emit: ForwardEmitter) =>
    windows(emit.gpu, outputs, [rowBytes], `${name}: one row of the weight`);
  /** Columns `first` .. of a [N, outputs] matrix: a view that begins at the first item's. */
  const part = (storage: ReturnType<ForwardEmitter['value']>, first: number, count: number) =>
    storage.view(4 * first, 4 * ((batch - 1) * outputs + count));

  return apply(
    {
      name: 'linear',
      forward(emit) {
        for (const window of weightWindows(emit)) {
          const { first, count } = window;
          const w = rows(emit.value(weight), rowBytes, window);
          emit.run(
            contraction,
            gemm({
              m: batch,
              n: count,
              k: inputs,
              a: { row: inputs, column: 1 },
              b: { row: 1, column: inputs },
              cRow: outputs,
              bias: bias !== undefined,
            }),
            {
              a: emit.value(x).view(),
              b: w,
              bias: bias === undefined ? w : rows(emit.value(bias), 4, window),
              c: part(emit.value(emit.output), first, count),
            },
          );
        }
      },
      backward(emit) {
        const dy = emit.outputGradient;
        const dx = emit.gradient(0);
        const dw = emit.gradient(1);
        const db = bias === undefined ? undefined : emit.gradient(2);
        for (const window of weightWindows(emit)) {
          const { first, count } = window;
          const dyView = part(dy, first, count);
          if (dx !== undefined) {
            emit.run(
              contraction,
              gemm({
                m: batch,
                n: inputs,
                k: count,
                a: { row: outputs, column: 1 },
                b: { row: inputs, column: 1 },
                cRow: inputs,
                accumulate: first > 0,
              }),
              { a: dyView, b: rows(emit.value(weight), rowBytes, window), bias: dyView, c: dx.view() },
            );
          }
          if (dw !== undefined) {
            emit.run(
              contraction,
              gemm({
                m: count,
                n: inputs,
                k: batch,
                a: { row: 1, column: outputs },
                b: { row: inputs, column: 1 },
                cRow: inputs,
              }),
              { a: dyView, b: emit.value(x).view(), bias: dyView, c: rows(dw, rowBytes, window) },
            );
          }
        }
        if (db !== undefined) emitBiasGradient(emit, { dy, db, batch, channels: outputs, plane: 1, name });
      },
    },
    bias === undefined ? [x, weight] : [x, weight, bias],
    [batch, outputs],
    name,
  );
}
