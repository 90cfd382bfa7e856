/** Padding the dimensions of an item; the mathematics stands in ../../kernels/pad/pad.ts. */
import { checkArguments, NUMBERS, OBJECT } from '../../arguments.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../../graph/operation.ts';
import { checkTensors, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { rows, type Window, windows } from '../../graph/windows.ts';
import { type PadMode, padBackward, padForward, padModes } from '../../kernels/pad/pad.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** How far is padded, and with what. */
export interface PadOptions {
  /** elements before and behind, one number a dimension, 0 for the batch; negative ones are cut off */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Default constant */
  readonly mode?: PadMode;
  /** of constant padding. Default 0 */
  readonly value?: number;
  readonly name?: string;
}

/** ONNX Pad: a constant, the edge's value, or the image reflected in its edge. One operation for each padded axis. */
export function pad(x: Tensor, options: PadOptions): Tensor {
  checkArguments('pad', { options: [options, OBJECT] });
  const { before = [], after = [], mode = 'constant', value = 0, name = 'pad', ...rest } = options;
  checkTensors(name, { x });
  checkArguments(name, { before: [before, NUMBERS], after: [after, NUMBERS] });
  const rank = x.shape.length;
  if (before[0] !== 0 || after[0] !== 0) refuse(name, 'the batch is padded', 'Only items can be: begin with 0.');
  if (before.length !== rank || after.length !== rank) {
    const given = `${before.length} numbers before and ${after.length} behind for ${shapeText(x.shape)}`;
    refuse(name, given, `Give ${rank} each, 0 for the batch.`);
  }
  shapesOf(name, rule, { before: before.slice(1), after: after.slice(1), mode, value, ...rest }, [x]);
  let padded = x;
  for (let axis = 1; axis < rank; axis++) {
    if (before[axis] !== 0 || after[axis] !== 0) {
      padded = padAxis(padded, axis, before[axis], after[axis], mode, value, name);
    }
  }
  return padded;
}

function padAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  mode: PadMode,
  value: number,
  name: string,
): Tensor {
  const size = x.shape[axis];
  const padded = size + before + after;
  const shape = x.shape.with(axis, padded);
  const items = x.shape[0];
  const inner = sizeOf(x.shape.slice(axis + 1));
  const perItem = sizeOf(x.shape.slice(1, axis));
  const [inputBytes, outputBytes] = [x.bytes / items, (4 * sizeOf(shape)) / items];
  const itemWindows = (emit: ForwardEmitter) =>
    windows(emit.gpu, items, [inputBytes, outputBytes], `${name}: one item`);
  const params = ({ count }: Window) => ({
    outer: count * perItem,
    size,
    padded,
    inner,
    before,
    mode: padModes.indexOf(mode),
  });
  return apply(
    {
      name: 'pad',
      forward(emit) {
        for (const window of itemWindows(emit)) {
          const y = rows(emit.value(emit.output), outputBytes, window);
          emit.run(padForward, { ...params(window), value }, { x: rows(emit.value(x), inputBytes, window), y });
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of itemWindows(emit)) {
          const dy = rows(emit.outputGradient, outputBytes, window);
          emit.run(padBackward, params(window), { dy, dx: rows(dx, inputBytes, window) });
        }
      },
    },
    [x],
    shape,
    name,
  );
}
