/** Dropout as an operation of tensors; the mathematics stands in ../../kernels/dropout/dropout.ts. */
import { apply, derivativeBefore, type ForwardEmitter, hasDerivative } from '../../graph/operation.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { flatWindows, rows } from '../../graph/windows.ts';
import { dropoutBackward, dropoutForward, dropoutParams } from '../../kernels/dropout/dropout.ts';
import { RELU, RELU_DERIVATIVE } from '../../kernels/relu/rule.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/**
 * Inverted dropout: in training, zero with probability `ratio`, else x / (1 - ratio); in inference x itself. The mask is
 * a function of the run's seed, the step and the element.
 */
export function dropout(x: Tensor, ratio: number, name = 'dropout'): Tensor {
  shapesOf(name, rule, { ratio }, [x]);
  const drawn = dropoutParams(ratio);
  const each = (
    emit: ForwardEmitter,
    visit: (params: Parameters<typeof dropoutForward.dispatch>[1], window: { first: number; count: number }) => void,
  ) => {
    for (const window of flatWindows(emit.gpu, x.size)) {
      visit({ ...drawn, count: window.count, first: window.first, stream: emit.ordinal }, window);
    }
  };
  return apply(
    {
      name: 'dropout',
      alias: 'inference',
      fusesBefore: (_, epilogue) => hasDerivative(epilogue),
      // y > 0 exactly where the element was kept and the ReLU's argument is above 0.
      behind: ({ code, name: map }) =>
        code === RELU.after
          ? {
              name: `${map} and dropout`,
              derivative: `${RELU_DERIVATIVE} * ${Math.fround(drawn.scale)}f`,
            }
          : undefined,
      forward(emit) {
        each(emit, (params, window) => {
          const views = { x: rows(emit.value(x), 4, window), y: rows(emit.value(emit.output), 4, window) };
          emit.run(dropoutForward, params, { ...views, step: emit.step.view() });
        });
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        const { epilogues, operand } = derivativeBefore(emit);
        // A ReLU's derivative y tells as well, and x need not be kept.
        const outputs = emit.before?.code === RELU.after ? emit.value(emit.output) : operand;
        each(emit, (params, window) => {
          const dy = rows(emit.outputGradient, 4, window);
          const aux = outputs === undefined ? dy : rows(outputs, 4, window);
          const views = { dy, aux, step: emit.step.view(), dx: rows(dx, 4, window) };
          const differentiates = outputs === undefined ? 0 : 1;
          emit.run(dropoutBackward, { ...params, differentiates }, views, epilogues);
        });
      },
    },
    [x],
    x.shape,
    name,
  );
}
