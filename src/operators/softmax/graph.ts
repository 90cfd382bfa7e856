/** Softmax and its logarithm as operations of tensors; the mathematics stands in ../../kernels/softmax and log-softmax. */
import { checkArguments, NUMBERS, orNothing } from '../../arguments.ts';
import { apply, refuse, shapeText } from '../../graph/operation.ts';
import { checkTensors, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { logSoftmaxBackward, logSoftmaxForward } from '../../kernels/log-softmax/log-softmax.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax/softmax.ts';
import { expectBatch, shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** Dimensions first .. end - 1 of a tensor, taken as one. The batch, 0, cannot be among them. */
export type AxisRange = readonly [first: number, end: number];

/**
 * Probabilities of each row, [N, C]; of more dimensions over those in `axes`. ONNX Softmax.
 * @throws FrostlineError where nothing is summed over: of [N], and for axes of no dimension
 */
export function softmax(x: Tensor, name = 'softmax', axes?: AxisRange): Tensor {
  return normalised('softmax', softmaxForward, softmaxBackward, x, name, axes);
}

/** Logarithms of `softmax`, precise where the probability vanishes. ONNX LogSoftmax. */
export function logSoftmax(x: Tensor, name = 'logSoftmax', axes?: AxisRange): Tensor {
  return normalised('logSoftmax', logSoftmaxForward, logSoftmaxBackward, x, name, axes);
}

function normalised(
  operation: string,
  forward: typeof softmaxForward | typeof logSoftmaxForward,
  backward: typeof softmaxBackward | typeof logSoftmaxBackward,
  x: Tensor,
  name: string,
  axes: AxisRange | undefined,
): Tensor {
  checkTensors(name, { x });
  expectBatch(name, x);
  checkArguments(name, { axes: [axes, orNothing(NUMBERS)] });
  const [first, end] = axes ?? [1, x.shape.length];
  if (axes === undefined && x.size !== x.shape[0] * (x.shape[1] ?? 1)) {
    refuse(name, `input ${x.name} has shape ${shapeText(x.shape)}`, 'Give [N, classes], or the axes.');
  }
  const rank = x.shape.length;
  const inside = [first, end].every(Number.isInteger) && first >= 1 && first <= end && end <= rank;
  if (axes !== undefined && !(axes.length === 2 && inside)) {
    refuse(
      name,
      `axes [${axes.join(', ')}] of input ${x.name}, ${shapeText(x.shape)}`,
      `Give [first, end], from 1 on (0 is the batch), end at most ${rank}: the one behind the last.`,
    );
  }
  shapesOf(name, rule, { axes: [first - 1, end - 1] }, [x]);
  const items = x.shape[0];
  const columns = sizeOf(x.shape.slice(first, end));
  const stride = sizeOf(x.shape.slice(end));
  const itemBytes = x.bytes / items;
  const rowsOf = (count: number) => (count * x.size) / (items * columns);
  return apply(
    {
      name: operation,
      forward(emit) {
        for (const window of windows(emit.gpu, items, [itemBytes], `${name}: one item`)) {
          const views = {
            x: rows(emit.value(x), itemBytes, window),
            y: rows(emit.value(emit.output), itemBytes, window),
          };
          emit.run(forward, { rows: rowsOf(window.count), columns, stride }, views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        for (const window of windows(emit.gpu, items, [itemBytes], `${name}: one item`)) {
          const views = {
            y: rows(emit.value(emit.output), itemBytes, window),
            dy: rows(emit.outputGradient, itemBytes, window),
            dx: rows(dx, itemBytes, window),
          };
          emit.run(backward, { rows: rowsOf(window.count), columns, stride }, views);
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}
