/** Where the values of each tensor lie, before anything computes them. */
import type { Gpu } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import type { Analysis } from './analysis.ts';
import type { Wanted } from './compile-options.ts';
import type { Copies } from './copies.ts';
import type { Storages } from './storages.ts';
import { Parameter, type Tensor } from './tensor.ts';

export interface Placement {
  readonly values: ReadonlyMap<Tensor, Storage>;
  /** what operations read: the same, but halves of weights where there are any */
  readonly operands: ReadonlyMap<Tensor, Storage>;
}

/**
 * Parameters have their own storage, which graphs share; what the host writes or reads is pinned; what no kernel of its own
 * writes lies where its argument does; all else is an activation.
 */
export function placeValues(
  gpu: Gpu,
  analysis: Analysis,
  { outputs, loss }: Pick<Wanted, 'outputs' | 'loss'>,
  storages: Storages,
  copies: Copies,
): Placement {
  const values = new Map<Tensor, Storage>();
  const halves = new Map<Tensor, Storage>();
  const read = new Set([...outputs, ...(loss === undefined ? [] : [loss])].map((tensor) => analysis.holderOf(tensor)));
  for (const tensor of analysis.tape) {
    if (tensor instanceof Parameter) {
      values.set(tensor, tensor.reserve(gpu));
      if (gpu.precision === 'f16' && tensor.shape.length > 1) halves.set(tensor, copies.halvesOf(tensor));
    } else if (analysis.hasNoKernel(tensor)) {
      values.set(tensor, values.get(analysis.argumentOf(tensor))!);
    } else if (tensor.source === undefined || read.has(tensor)) {
      values.set(tensor, storages.pin(tensor.name, tensor.bytes));
    } else {
      const precision = tensor.type === 'f32' ? gpu.precision : 'f32';
      values.set(tensor, storages.activation(tensor.name, tensor.bytes, precision));
    }
  }
  const operands = new Map(
    [...values].map(([tensor, storage]) => [tensor, halves.get(analysis.holderOf(tensor)) ?? storage]),
  );
  return { values, operands };
}
