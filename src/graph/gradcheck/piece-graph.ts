/** The function on the piece on which its inputs lie: each operation with kinks gives way to the choice that it makes there. */
import { defineKernel, elementwise } from '../../kernels/kernel.ts';
import type { Operation } from '../operation.ts';
import type { Pieces } from '../pieces.ts';
import type { Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

/** y[o] = scale[o] x[origin[o]] + shift[o], `origin` within rows of x_row elements; a row of y has y_row. */
const choose = defineKernel({
  name: 'piece/forward',
  params: { count: 'u32', x_row: 'u32', y_row: 'u32' },
  bindings: {
    x: { access: 'read' },
    origin: { access: 'read', type: 'u32' },
    scale: { access: 'read' },
    shift: { access: 'read' },
    y: { access: 'write' },
  },
  cost: ({ count }) => ({ flops: 2 * count, bytes: 20 * count }),
  variants: elementwise(
    ({ count }) => count,
    'p.count',
    /* wgsl */ `
  let at = index / p.y_row * p.x_row + origin[p.origin_base + index];
  // A factor of 0 must not turn an infinity elsewhere into NaN.
  let factor = scale[p.scale_base + index];
  y[p.y_base + index] = select(factor * x[p.x_base + at], 0.0, factor == 0.0) + shift[p.shift_base + index];`,
  ),
});

function chosen(tensor: Tensor, pieces: Pieces): Operation {
  const { operation, inputs } = tensor.source!;
  const { rows: count } = operation.pieces!;
  const [x] = inputs;
  const [xRow, yRow] = [x.size / count, tensor.size / count];
  const within = pieces.from.map((from) => from % xRow);
  return {
    name: `${operation.name} on its piece`,
    forward(emit) {
      const constants = {
        origin: emit.constant('origin', new Float32Array(within.buffer)),
        scale: emit.constant('scale', pieces.scale),
        shift: emit.constant('shift', pieces.shift),
      };
      for (const window of windows(emit.gpu, count, [4 * xRow, 4 * yRow], `${operation.name}: one row`)) {
        const of = (storage: typeof constants.origin) => rows(storage, 4 * yRow, window);
        emit.run(
          choose,
          { count: window.count * yRow, x_row: xRow, y_row: yRow },
          {
            x: rows(emit.value(x), 4 * xRow, window),
            origin: of(constants.origin),
            scale: of(constants.scale),
            shift: of(constants.shift),
            y: of(emit.value(tensor)),
          },
        );
      }
    },
    backward: null,
  };
}

/**
 * Calls `compile` while each of the tensors is made by the choice of its piece. Operations hold the tensors that they read
 * (emit.value(x)), so a tape cannot be copied with other operations: the sources are exchanged instead, for as long as
 * `compile` runs until it first waits; by then everything is emitted.
 */
export function onPieces<T>(pieces: ReadonlyMap<Tensor, Pieces>, compile: () => Promise<T>): Promise<T> {
  const sources = [...pieces.keys()].map((tensor) => [tensor, tensor.source] as const);
  try {
    for (const [tensor, source] of sources) {
      Object.assign(tensor, { source: { operation: chosen(tensor, pieces.get(tensor)!), inputs: source!.inputs } });
    }
    return compile();
  } finally {
    for (const [tensor, source] of sources) Object.assign(tensor, { source });
  }
}
