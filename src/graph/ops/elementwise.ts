/** Operations on single elements: clipping, dropout; and reshaping, which moves nothing. */
import { clipBackward, clipForward } from '../../kernels/clip/clip.ts';
import { dropoutBackward, dropoutForward, dropoutParams } from '../../kernels/dropout/dropout.ts';
import { RELU } from '../../kernels/relu/relu.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import { type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { flatWindows, rows } from '../windows.ts';

/** y = min(max(x, low), high); a bound may be infinite. */
export function clip(x: Tensor, low: number, high: number, name = 'clip'): Tensor {
  if (Number.isNaN(low) || Number.isNaN(high)) refuse(name, `bounds ${low} and ${high}`, 'Give numbers.');
  return apply(
    {
      name: 'clip',
      forward(emit) {
        for (const window of flatWindows(emit.gpu, x.size)) {
          const views = { x: rows(emit.value(x), 4, window), y: rows(emit.value(emit.output), 4, window) };
          emit.run(clipForward, { count: window.count, low, high }, views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of flatWindows(emit.gpu, x.size)) {
          emit.run(
            clipBackward,
            { count: window.count, low, high },
            { x: rows(emit.value(x), 4, window), dy: rows(emit.outputGradient, 4, window), dx: rows(dx, 4, window) },
          );
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}

/**
 * Inverted dropout: in training, zero with probability `ratio`, else x / (1 - ratio); in inference x itself. The mask is
 * a function of the run's seed, the step and the element.
 */
export function dropout(x: Tensor, ratio: number, name = 'dropout'): Tensor {
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
      fusesBefore: (_, { code }) => code === RELU.after,
      forward(emit) {
        each(emit, (params, window) => {
          const views = { x: rows(emit.value(x), 4, window), y: rows(emit.value(emit.output), 4, window) };
          emit.run(dropoutForward, params, { ...views, step: emit.step.view() });
        });
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        each(emit, (params, window) => {
          const dy = rows(emit.outputGradient, 4, window);
          // Without a ReLU y need not be kept.
          const y = emit.before === undefined ? dy : rows(emit.value(emit.output), 4, window);
          const views = { dy, y, step: emit.step.view(), dx: rows(dx, 4, window) };
          emit.run(dropoutBackward, { ...params, relu_before: emit.before === undefined ? 0 : 1 }, views);
        });
      },
    },
    [x],
    x.shape,
    name,
  );
}

/** The same elements in another shape. */
export function reshape(x: Tensor, shape: Shape, name = 'reshape'): Tensor {
  if (sizeOf(shape) !== x.size) {
    refuse(name, `${x.name} ${shapeText(x.shape)} into ${shapeText(shape)}`, `The product must stay ${x.size}.`);
  }
  return apply({ name: 'reshape', alias: 'always', forward() {}, backward() {} }, [x], shape, name);
}

/** To [N, rest]. */
export function flatten(x: Tensor, name = 'flatten'): Tensor {
  return reshape(x, [x.shape[0], x.size / x.shape[0]], name);
}

export { affine } from '../../operators/affine/graph.ts';
export { relu } from '../../operators/relu/graph.ts';
