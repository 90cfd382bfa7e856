/** Operations that map single values: forward and backward are one kernel each, over windows of a flat array. */
import { checkArguments, FUNCTION, OBJECT, orNothing, TEXT, withMembers } from '../arguments.ts';
import type { Epilogue } from '../kernels/epilogue.ts';
import type { Kernel, ParamSchema, Params } from '../kernels/kernel.ts';
import { apply } from './operation.ts';
import type { PieceWise } from './pieces.ts';
import { checkTensors, type Tensor } from './tensor.ts';
import { flatWindows, rows } from './windows.ts';

/** A binding that is read, or one that is written. */
export type Access<T extends 'read' | 'write'> = { readonly access: T };

/** What `mapValues` takes: two kernels, as `defineMap` makes them, and what they are told. */
export interface ValueMap<P extends ParamSchema> {
  /** what is applied, as errors and profiles name it */
  readonly operation: string;
  /** of the tensor */
  readonly name: string;
  /** what both kernels take besides `count` */
  readonly params: Omit<Params<P>, 'count'>;
  readonly forward: Kernel<P, { x: Access<'read'>; y: Access<'write'> }>;
  /** from y where the epilogue's `derivativeOf` is 'output', else from x */
  readonly backward:
    | Kernel<P, { y: Access<'read'>; dy: Access<'read'>; dx: Access<'write'> }>
    | Kernel<P, { x: Access<'read'>; dy: Access<'read'>; dx: Access<'write'> }>;
  /** Where the same map can be applied by whoever writes its argument; not of what reads x back. */
  readonly epilogue?: Epilogue;
  /** of a map that is smooth only piece by piece */
  readonly pieces?: PieceWise;
}

const KERNEL = withMembers('a kernel, of defineMap', { name: TEXT.is, dispatch: FUNCTION.is });

/**
 * y = the map of each value of x, of any shape: forward and backward by one kernel each, in windows that bindings hold.
 * With `epilogue`, convolutions and products before it apply the map to what they write.
 *
 * @example
 * const softsign = (x: Tensor) => mapValues(x, { operation: 'softsign', name: 'softsign', params: {}, ...softsignMap });
 */
export function mapValues<P extends ParamSchema>(x: Tensor, map: ValueMap<P>): Tensor {
  checkArguments('mapValues', { 'the map': [map, OBJECT] });
  const { operation, name, params, forward, backward, epilogue, pieces } = map;
  checkArguments('mapValues', {
    operation: [operation, TEXT],
    name: [name, TEXT],
    params: [params, OBJECT],
    forward: [forward, KERNEL],
    backward: [backward, KERNEL],
    epilogue: [epilogue, orNothing(OBJECT)],
    pieces: [pieces, orNothing(OBJECT)],
  });
  checkTensors(name, { x });
  const all = (count: number) => ({ ...params, count }) as unknown as Params<P>;
  return apply(
    {
      name: operation,
      ...(epilogue && { epilogue }),
      ...(pieces && { pieces }),
      forward(emit) {
        for (const window of flatWindows(emit.gpu, x.size)) {
          const views = { x: rows(emit.value(x), 4, window), y: rows(emit.value(emit.output), 4, window) };
          emit.run(forward, all(window.count), views);
        }
      },
      backward(emit) {
        const dx = emit.gradient(0);
        if (dx === undefined) return;
        const from = emit.value(epilogue?.derivativeOf === 'output' ? emit.output : x);
        for (const window of flatWindows(emit.gpu, x.size)) {
          const at = rows(from, 4, window);
          const views = { x: at, y: at, dy: rows(emit.outputGradient, 4, window), dx: rows(dx, 4, window) };
          emit.run(backward as Kernel<P>, all(window.count), views);
        }
      },
    },
    [x],
    x.shape,
    name,
  );
}
