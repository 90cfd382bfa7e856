/** Local response normalisation as an operation of tensors; the mathematics stands in ../../kernels/lrn/lrn.ts. */
import { checkArguments, OBJECT } from '../../arguments.ts';
import { apply, derivativeBefore, hasDerivative } from '../../graph/operation.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { lrnBackward, lrnForward } from '../../kernels/lrn/lrn.ts';
import { shapesOf } from '../operator.ts';
import { type LrnAttributes, rule } from './rule.ts';

/** By default alpha 1e-4, beta 0.75, bias 1: ONNX's. */
export interface LrnOptions extends Partial<LrnAttributes> {
  /** channels in the window */
  readonly size: number;
  readonly name?: string;
}

/** y = x / (bias + alpha / size * sum of squares over `size` channels)^beta. ONNX LRN, MATLAB crossChannelNormalization. */
export function lrn(x: Tensor, options: LrnOptions): Tensor {
  checkArguments('lrn', { options: [options, OBJECT] });
  const { size, alpha = 1e-4, beta = 0.75, bias = 1, name = 'lrn', ...rest } = options;
  const [[batch, channels, height, width]] = shapesOf(name, rule, { size, alpha, beta, bias, ...rest }, [x]);
  const params = { channels, plane: height * width, size, alpha, beta, bias };
  const imageBytes = x.bytes / batch;
  return apply(
    {
      name: 'lrn',
      fusesBefore: (_, epilogue) => hasDerivative(epilogue),
      forward(emit) {
        for (const window of windows(emit.gpu, batch, [imageBytes], `${name}: one image`)) {
          emit.run(
            lrnForward,
            { ...params, batch: window.count },
            { x: rows(emit.value(x), imageBytes, window), y: rows(emit.value(emit.output), imageBytes, window) },
          );
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        const { epilogues } = derivativeBefore(emit);
        for (const window of windows(emit.gpu, batch, [imageBytes], `${name}: one image`)) {
          emit.run(
            lrnBackward,
            { ...params, batch: window.count, differentiates: emit.before === undefined ? 0 : 1 },
            {
              x: rows(emit.value(x), imageBytes, window),
              dy: rows(emit.outputGradient, imageBytes, window),
              dx: rows(dx, imageBytes, window),
            },
            epilogues,
          );
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}
