/** Operations on single elements: ReLU, dropout, affine maps by channel; and reshaping, which moves nothing. */
import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { clipBackward, clipForward } from '../../kernels/clip/clip.ts';
import { dropoutBackward, dropoutForward, dropoutParams } from '../../kernels/dropout/dropout.ts';
import { reluBackward, reluForward } from '../../kernels/relu/relu.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import { type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { flatWindows, rows, windows } from '../windows.ts';

/** y = max(x, 0) */
export function relu(x: Tensor, name = 'relu'): Tensor {
  return apply(
    {
      name: 'relu',
      forward(emit) {
        for (const window of flatWindows(emit.gpu, x.size)) {
          const views = { x: rows(emit.value(x), 4, window), y: rows(emit.value(emit.output), 4, window) };
          emit.run(reluForward, { count: window.count }, views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of flatWindows(emit.gpu, x.size)) {
          emit.run(
            reluBackward,
            { count: window.count },
            {
              y: rows(emit.value(emit.output), 4, window),
              dy: rows(emit.outputGradient, 4, window),
              dx: rows(dx, 4, window),
            },
          );
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}

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
      appliesReluBefore: () => true,
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
          const y = emit.reluBefore ? rows(emit.value(emit.output), 4, window) : dy;
          const views = { dy, y, step: emit.step.view(), dx: rows(dx, 4, window) };
          emit.run(dropoutBackward, { ...params, relu_before: emit.reluBefore ? 1 : 0 }, views);
        });
      },
    },
    [x],
    x.shape,
    name,
  );
}

/**
 * y = x scale + shift with constants: one value, one a channel, or one an element of an item. Element i of an item of n
 * uses constant floor(i length / n).
 */
export function affine(x: Tensor, scale: readonly number[], shift: readonly number[], name = 'affine'): Tensor {
  const batch = x.shape[0];
  const item = x.size / batch;
  const channels = Math.max(scale.length, shift.length);
  for (const [what, values] of Object.entries({ scale, shift })) {
    if ((values.length !== 1 && values.length !== channels) || item % channels !== 0) {
      refuse(
        name,
        `${values.length} values of ${what} for ${x.name} ${shapeText(x.shape)}`,
        'Give 1, or one a channel.',
      );
    }
  }
  const itemBytes = x.bytes / batch;
  const plane = item / channels;
  const scale_step = scale.length > 1 ? 1 : 0;
  const shift_step = shift.length > 1 ? 1 : 0;
  const scaleOf = (emit: ForwardEmitter) => emit.constant(`${name} scale`, Float32Array.from(scale)).view();
  return apply(
    {
      name: 'affine',
      forward(emit) {
        const shiftView = emit.constant(`${name} shift`, Float32Array.from(shift)).view();
        for (const window of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
          emit.run(
            affineForward,
            { batch: window.count, channels, plane, scale_step, shift_step },
            {
              x: rows(emit.value(x), itemBytes, window),
              scale: scaleOf(emit),
              shift: shiftView,
              y: rows(emit.value(emit.output), itemBytes, window),
            },
          );
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
          const views = { dy: rows(emit.outputGradient, itemBytes, window), dx: rows(dx, itemBytes, window) };
          emit.run(
            affineBackward,
            { batch: window.count, channels, plane, scale_step },
            { ...views, scale: scaleOf(emit) },
          );
        }
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
