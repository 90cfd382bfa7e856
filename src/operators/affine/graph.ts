/** The affine map as an operation of tensors; the mathematics stands in ../../kernels/affine/affine.ts. */
import { checkArguments, FINITE, listOf } from '../../arguments.ts';
import { apply, type ForwardEmitter, type Operation } from '../../graph/operation.ts';
import { checkTensors, type Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { affineBackward, affineForward } from '../../kernels/affine/affine.ts';
import { asked, expectBatch } from '../operator.ts';
import { shape } from './shape.ts';

const CONSTANTS = listOf(
  { ...FINITE, is: (value) => FINITE.is(value) && Number.isFinite(Math.fround(value as number)) },
  'a list of finite numbers of single precision',
);

/**
 * y = x scale + shift with constants: one value, one a channel, or one an element of an item. Element i of an item of n
 * uses constant floor(i length / n).
 */
export function affine(x: Tensor, scale: readonly number[], shift: readonly number[], name = 'affine'): Tensor {
  checkTensors(name, { x });
  expectBatch(name, x);
  checkArguments(name, { scale: [scale, CONSTANTS], shift: [shift, CONSTANTS] });
  const batch = x.shape[0];
  const item = x.size / batch;
  const channels = Math.max(scale.length, shift.length);
  asked(`${name}:`, () => shape({ attributes: { scale, shift }, inputs: [{ name: x.name, shape: x.shape.slice(1) }] }));
  const itemBytes = x.bytes / batch;
  const plane = item / channels;
  const scale_step = scale.length > 1 ? 1 : 0;
  const shift_step = shift.length > 1 ? 1 : 0;
  const scaleOf = (emit: ForwardEmitter) => emit.constant(`${name} scale`, Float32Array.from(scale)).view();
  const each = (values: readonly number[]) => Array.from({ length: x.shape[1] }, (_, c) => values[c % values.length]);
  // Constants of channels may be applied by whoever writes x; backward reads the scale alone.
  const combination: Operation['combination'] =
    x.shape.length > 1 && (channels === 1 || channels === x.shape[1])
      ? {
          is: { name: 'affine', wgsl: 'value * scale + shift', operand: { shiftAt: x.shape[1] } },
          of: [0],
          derivativeOf: 'neither',
          operand: (emit) =>
            emit.constant(`${name} scale and shift`, Float32Array.from([...each(scale), ...each(shift)])),
        }
      : undefined;
  return apply(
    {
      name: 'affine',
      ...(combination && { combination }),
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
