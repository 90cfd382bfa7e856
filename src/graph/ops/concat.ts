/** Joining activations channel by channel, as DenseNet, SqueezeNet and GoogLeNet do. */
import { concatCopy } from '../../kernels/concat/concat.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/**
 * Joins along an axis behind the batch, by default the channels: [N, C1, ...], [N, C2, ...], ... to
 * [N, C1 + C2 + ..., ...]. All other extents are the same. ONNX Concat.
 */
export function concat(parts: readonly Tensor[], name = 'concat', axis = 1): Tensor {
  if (parts.length === 0) refuse(name, 'no inputs', 'Give at least one.');
  const [{ shape: first }] = parts;
  if (!(axis >= 1 && axis < first.length)) {
    refuse(name, `axis ${axis} of ${shapeText(first)}`, 'Give one behind the batch.');
  }
  const rest = shapeText(first.with(axis, 0));
  if (parts.some(({ shape }) => shape.length !== first.length || shapeText(shape.with(axis, 0)) !== rest)) {
    const shapes = parts.map(({ shape }) => shapeText(shape)).join(', ');
    refuse(name, `shapes ${shapes}`, `They may differ in axis ${axis} alone.`);
  }
  const shape = first.with(
    axis,
    parts.reduce((sum, part) => sum + part.shape[axis], 0),
  );
  const items = first[0];
  // An item is some rows; each row of y is one row of every part.
  const perItem = sizeOf(first.slice(1, axis));
  const width = sizeOf(shape.slice(axis));
  const lengths = parts.map((part) => sizeOf(part.shape.slice(axis)));
  const offsets = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
  const itemWindows = (emit: ForwardEmitter) => windows(emit.gpu, items, [4 * perItem * width], `${name}: one item`);
  return apply(
    {
      name: 'concat',
      forward(emit) {
        for (const window of itemWindows(emit)) {
          parts.forEach((part, i) => {
            const length = lengths[i];
            emit.run(
              concatCopy,
              {
                rows: window.count * perItem,
                length,
                x_stride: length,
                x_offset: 0,
                y_stride: width,
                y_offset: offsets[i],
              },
              {
                x: rows(emit.value(part), 4 * perItem * length, window),
                y: rows(emit.value(emit.output), 4 * perItem * width, window),
              },
            );
          });
        }
      },
      backward(emit) {
        parts.forEach((_, i) => {
          const dx = emit.gradient(i);
          if (dx === undefined) return;
          const length = lengths[i];
          for (const window of itemWindows(emit)) {
            emit.run(
              concatCopy,
              {
                rows: window.count * perItem,
                length,
                x_stride: width,
                x_offset: offsets[i],
                y_stride: length,
                y_offset: 0,
              },
              { x: rows(emit.outputGradient, 4 * perItem * width, window), y: rows(dx, 4 * perItem * length, window) },
            );
          }
        });
      },
    },
    parts,
    shape,
    name,
  );
}
