/**
 * No binding may pass the adapter's limit, and AlexNet's and VGG16's largest matrices do. Matrices and activations are
 * therefore worked on in windows of whole rows: images of a batch, filters of a weight, ranges of a flat array.
 */
import { FrostlineError } from '../errors.ts';
import type { Storage, View } from '../gpu/storage.ts';

/** What windows depend on. `Gpu` and `Capabilities` satisfy it. */
export interface Limited {
  readonly name?: string;
  readonly limits: { readonly maxBinding: number; readonly offsetAlignment: number };
}

/** So many rows, from one on. */
export interface Window {
  readonly first: number;
  readonly count: number;
}

/** The most rows of `rowBytes` bytes that one binding holds; what alignment may add to a binding is left free. */
function rowsThatFit(gpu: Limited, rowBytes: number): number {
  return Math.floor((gpu.limits.maxBinding - gpu.limits.offsetAlignment) / rowBytes);
}

/**
 * Windows over `count` rows such that each of the tensors with these bytes a row fits a binding.
 * @param what the operation and what a row is, for the error when a single row does not fit
 */
export function windows(gpu: Limited, count: number, rowBytes: readonly number[], what: string): Window[] {
  const widest = Math.max(...rowBytes);
  const size = Math.min(count, rowsThatFit(gpu, widest));
  if (size < 1) {
    throw new FrostlineError(
      `${what} takes ${widest} bytes; one binding of ${gpu.name ?? 'the adapter'} holds ${gpu.limits.maxBinding}. ` +
        'Use a smaller image, or an adapter with a larger maxStorageBufferBindingSize.',
    );
  }
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    first: i * size,
    count: Math.min(size, count - i * size),
  }));
}

/** Windows over the elements of a flat array. */
export function flatWindows(gpu: Limited, count: number): Window[] {
  return windows(gpu, count, [4], 'One element');
}

/** Rows `first` to `first + count` of a tensor with `rowBytes` bytes a row. */
export function rows(storage: Storage, rowBytes: number, { first, count }: Window): View {
  return storage.view(first * rowBytes, count * rowBytes);
}
