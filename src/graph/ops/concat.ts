/** Joining activations channel by channel, as DenseNet, SqueezeNet and GoogLeNet do. */
import { concatCopy } from '../../kernels/concat/concat.ts';
import { apply, refuse, shapeText } from '../operation.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/** [N, C1, ...], [N, C2, ...], ... to [N, C1 + C2 + ..., ...]; all other extents are the same. */
export function concat(parts: readonly Tensor[], name = 'concat'): Tensor {
  if (parts.length === 0) refuse(name, 'no inputs', 'Give at least one.');
  const [items, , ...rest] = parts[0].shape;
  const rank = rest.length + 2;
  if (
    parts.some(
      ({ shape }) =>
        shape.length !== rank || rank < 2 || shapeText(shape.with(1, 0)) !== shapeText([items, 0, ...rest]),
    )
  ) {
    const shapes = parts.map(({ shape }) => shapeText(shape)).join(', ');
    refuse(name, `shapes ${shapes}`, 'They may differ in the number of channels alone.');
  }
  const shape = [items, parts.reduce((sum, part) => sum + part.shape[1], 0), ...rest];
  const width = sizeOf(shape.slice(1));
  const lengths = parts.map((part) => part.size / items);
  const offsets = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
  return apply(
    {
      name: 'concat',
      forward(emit) {
        for (const window of windows(emit.gpu, items, [4 * width], `${name}: one item`)) {
          parts.forEach((part, i) => {
            const length = lengths[i];
            emit.run(
              concatCopy,
              { rows: window.count, length, x_stride: length, x_offset: 0, y_stride: width, y_offset: offsets[i] },
              { x: rows(emit.value(part), 4 * length, window), y: rows(emit.value(emit.output), 4 * width, window) },
            );
          });
        }
      },
      backward(emit) {
        parts.forEach((_, i) => {
          const dx = emit.gradient(i);
          if (dx === undefined) return;
          const length = lengths[i];
          for (const window of windows(emit.gpu, items, [4 * width], `${name}: one item`)) {
            emit.run(
              concatCopy,
              { rows: window.count, length, x_stride: width, x_offset: offsets[i], y_stride: length, y_offset: 0 },
              { x: rows(emit.outputGradient, 4 * width, window), y: rows(dx, 4 * length, window) },
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
