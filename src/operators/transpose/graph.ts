/** Reordering the dimensions of an item; the mathematics stands in ../../kernels/transpose/transpose.ts. */
import { checkArguments, NUMBERS } from '../../arguments.ts';
import type { Storage } from '../../gpu/storage.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../../graph/operation.ts';
import { checkTensors, type Shape, type Tensor } from '../../graph/tensor.ts';
import { rows, windows } from '../../graph/windows.ts';
import { AXES, sixExtents } from '../../kernels/strided.ts';
import { transposeForward, transposeParams } from '../../kernels/transpose/transpose.ts';
import { shapesOf } from '../operator.ts';
import { rule } from './rule.ts';

/** What a transposed tensor was made of, so that turning it back moves nothing. */
const turned = new WeakMap<Tensor, { readonly from: Tensor; readonly perm: readonly number[] }>();

/** Axis i of the result is axis perm[i] of x. The batch stays first: perm[0] is 0. ONNX Transpose. */
export function transpose(x: Tensor, perm: readonly number[], name = 'transpose'): Tensor {
  checkTensors(name, { x });
  checkArguments(name, { perm: [perm, NUMBERS] });
  const before = turned.get(x);
  if (before?.perm.length === perm.length && perm.every((axis, i) => before.perm[axis] === i)) return before.from;
  const made = moved(x, perm, name);
  turned.set(made, { from: x, perm });
  return made;
}

function moved(x: Tensor, perm: readonly number[], name: string): Tensor {
  const rank = x.shape.length;
  if (perm[0] !== 0) refuse(name, `order ${shapeText(perm)}`, 'The batch, 0, must stay first.');
  if (String(perm.toSorted((a, b) => a - b)) !== String([...x.shape.keys()])) {
    refuse(name, `order ${shapeText(perm)} of ${shapeText(x.shape)}`, `Give each of 0 to ${rank - 1} once.`);
  }
  const [shape] = shapesOf(name, rule, { perm: perm.slice(1).map((axis) => axis - 1) }, [x]);
  sixExtents(name, x.shape);
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  const itemBytes = x.bytes / x.shape[0];

  function run(emit: ForwardEmitter, order: readonly number[], fromShape: Shape, from: Storage, to: Storage): void {
    const lead = AXES - rank;
    const all = [...Array(lead).keys(), ...order.map((axis) => axis + lead)];
    for (const window of windows(emit.gpu, x.shape[0], [itemBytes], `${name}: one item`)) {
      const extents = sixExtents(name, [window.count, ...fromShape.slice(1)]);
      const views = { x: rows(from, itemBytes, window), y: rows(to, itemBytes, window) };
      emit.run(transposeForward, transposeParams(extents, all), views);
    }
  }

  return apply(
    {
      name: 'transpose',
      forward: (emit) => run(emit, perm, x.shape, emit.value(x), emit.value(emit.output)),
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx !== undefined) run(emit, inverse, shape, emit.outputGradient, dx);
      },
    },
    [x],
    shape,
    name,
  );
}
