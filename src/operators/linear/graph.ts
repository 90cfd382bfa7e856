/** The fully connected layer; the mathematics stands in ../../kernels/gemm/gemm.ts, how it is computed in ./algorithms. */
import { emitBias } from '../../graph/bias-gradient.ts';
import { apply, hasDerivative } from '../../graph/operation.ts';
import { checkTensors, type Tensor } from '../../graph/tensor.ts';
import { expectBatch, type None, shapesOf } from '../operator.ts';
import { selectLinear } from './algorithms/index.ts';
import type { Layer } from './algorithms/layer.ts';
import { type LinearRole, rule } from './rule.ts';

/**
 * y [N, out] = x [N, in] weight^T + bias, weight [out, in], bias [out]. ONNX Gemm with transB = 1. x of more dimensions
 * is read as [N, rest]. A weight larger than one binding is worked on in windows of its rows.
 * @throws FrostlineError when shapes do not fit
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, name = 'linear'): Tensor {
  checkTensors(name, { x, weight });
  expectBatch(name, x);
  const batch = x.shape[0];
  const [shape] = shapesOf<None, LinearRole>(name, rule, {}, [x], { weight, bias });
  const [outputs] = weight.shape;
  const sizes = { name, batch, inputs: x.size / batch, outputs };
  return apply(
    {
      name: 'linear',
      fuses: () => true,
      // Of a scale for each channel its products would have to know which of their sides the channels are.
      combines: ({ operand }) => operand === 'place',
      fusesBefore: (_, epilogue) => hasDerivative(epilogue),
      forward(emit) {
        const layer: Layer = {
          ...sizes,
          hasBias: bias !== undefined,
          differentiates: false,
          weightLasts: emit.lasts(weight),
        };
        const operands = { x: emit.value(x), weight, bias, y: emit.value(emit.output) };
        selectLinear(emit.gpu, 'forward', layer).algorithm.emit(emit, layer, operands);
      },
      backward(emit) {
        const dy = emit.outputGradient;
        const layer: Layer = {
          ...sizes,
          hasBias: false,
          differentiates: emit.before !== undefined,
          weightLasts: emit.lasts(weight),
        };
        const read = { dy, x: emit.value(x), weight };
        const dx = emit.gradient(0);
        if (emit.updates(1)) {
          const wanted = { ...read, back: emit };
          if (dx === undefined) selectLinear(emit.gpu, 'update', layer).algorithm.emit(emit, layer, wanted);
          else selectLinear(emit.gpu, 'backward', layer).algorithm.emit(emit, layer, { ...wanted, dx });
        } else {
          if (dx !== undefined) {
            selectLinear(emit.gpu, 'input gradient', layer).algorithm.emit(emit, layer, { ...read, dx });
          }
          const dw = emit.destination(1);
          if (dw !== undefined) {
            const alone = { ...layer, differentiates: false, weightLasts: false };
            selectLinear(emit.gpu, 'weight gradient', alone).algorithm.emit(emit, alone, { ...read, dw });
          }
        }
        if (bias !== undefined) emitBias(emit, 2, { dy, batch, channels: outputs, plane: 1, name });
      },
    },
    bias === undefined ? [x, weight] : [x, weight, bias],
    shape,
    name,
  );
}
