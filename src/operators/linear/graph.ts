/** The fully connected layer; the mathematics stands in ../../kernels/gemm/gemm.ts. */

import { emitBias } from '../../graph/bias-gradient.ts';
import { apply, epilogueOf, type ForwardEmitter } from '../../graph/operation.ts';
import { emitProduct } from '../../graph/ops/product.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import type { GemmShape } from '../../kernels/gemm/gemm.ts';
import { planPanels } from '../../kernels/gemm/plan.ts';
import { linearBackward } from '../../kernels/linear/backward.ts';
import { linearForward } from '../../kernels/linear/forward.ts';
import { linearInputGradient } from '../../kernels/linear/input-gradient.ts';
import { vectorsPay } from '../../kernels/linear/shape.ts';
import { linearUpdate, linearUpdateScaled } from '../../kernels/linear/update.ts';
import { WALKED_BATCH } from '../../kernels/linear/walk.ts';
import { RELU } from '../../kernels/relu/relu.ts';
import { type None, shapesOf } from '../operator.ts';
import { type LinearRole, rule } from './rule.ts';

/**
 * Up to this batch a weight's gradient is made where its update uses it, and never stored. Beyond, a hardware adapter's
 * tiled product is taken to be quicker; on lavapipe the two together take 1.3 times as long even with 256 items.
 */
const FUSED_BATCH = { hardware: 64, software: 256, embedded: 256 } as const;

/**
 * y [N, out] = x [N, in] weight^T + bias, weight [out, in], bias [out]. ONNX Gemm with transB = 1. x of more dimensions
 * is read as [N, rest]. A weight larger than one binding is worked on in windows of its rows.
 * @throws FrostlineError when shapes do not fit
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, name = 'linear'): Tensor {
  const batch = x.shape[0];
  const inputs = x.size / batch;
  const [shape] = shapesOf<None, LinearRole>(name, rule, {}, [x], { weight, bias });
  const [outputs] = weight.shape;
  const rowBytes = 4 * inputs;
  const weightWindows = (emit: ForwardEmitter) =>
    windows(emit.gpu, outputs, [rowBytes], `${name}: one row of the weight`);
  /** Columns `first` .. of a [N, outputs] matrix: a view that begins at the first item's. */
  const part = (storage: ReturnType<ForwardEmitter['value']>, first: number, count: number) =>
    storage.view(4 * first, 4 * ((batch - 1) * outputs + count));

  /** Small batches go by the kernels of ../../kernels/linear, large ones as products of packed operands. */
  const inVectors = ({ gpu }: ForwardEmitter, product: GemmShape) =>
    vectorsPay(gpu, batch, inputs) && planPanels(gpu, product) === undefined;

  return apply(
    {
      name: 'linear',
      fuses: () => true,
      fusesBefore: (_, { code }) => code === RELU.after,
      forward(emit) {
        for (const window of weightWindows(emit)) {
          const { first, count } = window;
          const w = rows(emit.value(weight), rowBytes, window);
          const image = emit.value(x).view();
          const y = part(emit.value(emit.output), first, count);
          const b = bias === undefined ? w : rows(emit.value(bias), 4, window);
          const { relu, epilogue } = epilogueOf(emit);
          const product: GemmShape = {
            m: batch,
            n: count,
            k: inputs,
            a: { row: inputs, column: 1 },
            b: { row: 1, column: inputs },
            cRow: outputs,
            bias: bias !== undefined,
            relu,
          };
          if (inVectors(emit, product)) {
            const flags = { has_bias: bias === undefined ? 0 : 1, relu };
            const params = { batch, inputs, outputs: count, y_row: outputs, ...flags };
            emit.run(linearForward, params, { x: image, w, bias: b, y }, epilogue);
          } else {
            emitProduct(emit, product, { a: image, b: w, bias: b, c: y, epilogue }, weight);
          }
        }
      },
      backward(emit) {
        const dy = emit.outputGradient;
        const image = emit.value(x).view();
        const dx = emit.gradient(0);
        // The update reads what the input gradient reads and writes the weight: it comes last.
        const fused = inputs % 4 === 0 && batch <= FUSED_BATCH[emit.gpu.kind];
        const update = fused ? emit.update(1) : undefined;
        const scaled = fused ? emit.scaledUpdate(1) : undefined;
        const dw = update === undefined && scaled === undefined ? emit.gradient(1) : undefined;
        const onePass = emit.gpu.kind !== 'hardware' && batch <= WALKED_BATCH && vectorsPay(emit.gpu, batch, inputs);
        for (const window of weightWindows(emit)) {
          const { first, count } = window;
          const dyView = part(dy, first, count);
          const w = rows(emit.value(weight), rowBytes, window);
          const sizes = { batch, inputs, outputs: count, dy_row: outputs };
          const accumulate = first > 0 ? 1 : 0;
          const relu_before = emit.before === undefined ? 0 : 1;
          const step = update && {
            params: { mask: update.mask, decay_factor: update.decayFactor },
            views: { x: image, step: emit.step.view(), w, v: rows(update.v, rowBytes, window) },
          };
          if (dx !== undefined && step !== undefined && onePass) {
            const views = { dy: dyView, ...step.views, dx: dx.view() };
            emit.run(linearBackward, { ...sizes, accumulate, relu_before, ...step.params }, views);
            continue;
          }
          if (dx !== undefined) {
            const product: GemmShape = {
              m: batch,
              n: inputs,
              k: count,
              a: { row: outputs, column: 1 },
              b: { row: inputs, column: 1 },
              cRow: inputs,
              accumulate: first > 0,
              relu: emit.before === undefined ? RELU.none : RELU.before,
            };
            // Without a ReLU x need not be kept.
            const gate = emit.before === undefined ? w : image;
            if (inVectors(emit, product)) {
              emit.run(
                linearInputGradient,
                { ...sizes, accumulate, relu_before },
                { dy: dyView, w, x: gate, dx: dx.view() },
              );
            } else {
              emitProduct(emit, product, { a: dyView, b: w, gate, c: dx.view() }, weight);
            }
          }
          if (dw !== undefined) {
            const product: GemmShape = {
              m: count,
              n: inputs,
              k: batch,
              a: { row: 1, column: outputs },
              b: { row: inputs, column: 1 },
              cRow: inputs,
            };
            emitProduct(emit, product, { a: dyView, b: image, c: rows(dw, rowBytes, window) });
          }
          if (step !== undefined) emit.run(linearUpdate, { ...sizes, ...step.params }, { dy: dyView, ...step.views });
          scaled?.later(() => {
            const [w, v, h] = [scaled.w, scaled.v, scaled.half].map((storage) => rows(storage, rowBytes, window));
            const views = { dy: dyView, x: image, step: emit.step.view(), scaling: scaled.scaling.view(), w, v, h };
            emit.run(linearUpdateScaled, { ...sizes, mask: scaled.mask, decay_factor: scaled.decayFactor }, views);
          });
        }
        if (bias !== undefined) emitBias(emit, 2, { dy, batch, channels: outputs, plane: 1, name });
      },
    },
    bias === undefined ? [x, weight] : [x, weight, bias],
    shape,
    name,
  );
}
