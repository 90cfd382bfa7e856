/** Joining activations channel by channel, as DenseNet, SqueezeNet and GoogLeNet do. */
import { checkArguments } from '../../arguments.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../../graph/operation.ts';
import { checkTensors, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { concatCopy } from '../../kernels/concat/concat.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** In the numbers of tensors, whose batch is dimension 0; the rule counts those of an item. */
function checkAxis(name: string, parts: readonly Tensor[], axis: number): void {
  parts.forEach((part, i) => {
    checkTensors(name, { [`part ${i}`]: part });
  });
  if (parts.length === 0) return;
  const rank = parts[0].shape.length;
  if (!Number.isInteger(axis) || axis < 1 || axis >= rank) {
    refuse(
      name,
      `axis ${axis} of ${shapeText(parts[0].shape)}`,
      `Give 1 to ${rank - 1}: batches, 0, cannot be joined.`,
    );
  }
  const rest = ({ shape }: Tensor) => String(shape.with(axis, 0));
  const other = parts.find((part) => part.shape.length !== rank || rest(part) !== rest(parts[0]));
  if (other === undefined || other.shape[0] !== parts[0].shape[0]) return;
  refuse(
    name,
    `joins ${shapeText(parts[0].shape)} and ${shapeText(other.shape)} along axis ${axis}`,
    'They may differ in that one alone.',
  );
}

/**
 * Joins along an axis behind the batch, by default the channels: [N, C1, ...], [N, C2, ...], ... to
 * [N, C1 + C2 + ..., ...]. All other extents are the same. ONNX Concat.
 */
export function concat(parts: readonly Tensor[], name = 'concat', axis = 1): Tensor {
  checkArguments(name, { parts: [parts, { is: Array.isArray, words: 'a list of tensors' }] });
  checkAxis(name, parts, axis);
  const [shape] = shapesOf(name, rule, { axis: axis - 1 }, parts);
  const [{ shape: first }] = parts;
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
