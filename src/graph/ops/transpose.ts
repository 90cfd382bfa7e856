/** Reordering the dimensions of an item; the mathematics stands in ../../kernels/transpose/transpose.ts. */
import type { Storage } from '../../gpu/storage.ts';
import { AXES, sixExtents } from '../../kernels/strided.ts';
import { transposeForward, transposeParams } from '../../kernels/transpose/transpose.ts';
import { apply, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/** Axis i of the result is axis perm[i] of x. The batch stays first: perm[0] is 0. ONNX Transpose. */
export function transpose(x: Tensor, perm: readonly number[], name = 'transpose'): Tensor {
  const rank = x.shape.length;
  if (perm.length !== rank || perm[0] !== 0 || perm.toSorted((a, b) => a - b).some((axis, i) => axis !== i)) {
    refuse(name, `order ${shapeText(perm)} for ${x.name} ${shapeText(x.shape)}`, 'Give every axis once, 0 first.');
  }
  sixExtents(name, x.shape);
  const shape = perm.map((axis) => x.shape[axis]);
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
