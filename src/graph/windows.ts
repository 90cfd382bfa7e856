/**
 * No binding may pass the adapter's limit, and AlexNet's and VGG16's largest matrices do. Matrices and activations are
 * therefore worked on in windows of whole rows: images of a batch, filters of a weight, ranges of a flat array.
 */
import { checkArguments, type Expectation, listOf, NOT_NEGATIVE, TEXT, wholeFrom, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Storage, View } from '../gpu/storage.ts';

/** What windows depend on, in bytes. `Gpu` and `Capabilities` satisfy it. */
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

const limits = withMembers('', { maxBinding: Number.isFinite, offsetAlignment: Number.isFinite });
const LIMITED = withMembers('the `gpu` that forward and backward are called with', { limits: limits.is });
const ROW_BYTES: Expectation = {
  is: (value) => listOf(NOT_NEGATIVE, '').is(value) && (value as number[]).length > 0,
  words: 'a list of bytes a row, one of each tensor, 0 or more',
};

/**
 * Windows over `count` rows, in order and without gaps, such that each of the tensors with these bytes a row fits a binding:
 * one kernel run a window, on `rows` of each tensor.
 *
 * @param rowBytes of each tensor, four bytes a value whatever it is stored as
 * @param what the operation and what a row is, for the error when a single row does not fit
 * @throws FrostlineError where one row is more than a binding of the adapter holds
 * @example
 * // y [N, 3 K] of x [N, K], image by image
 * for (const window of windows(gpu, n, [4 * k, 12 * k], 'triple: an image')) {
 *   run(triple, { rows: window.count, k }, { x: rows(value(x), 4 * k, window), y: rows(value(output), 12 * k, window) });
 * }
 */
export function windows(gpu: Limited, count: number, rowBytes: readonly number[], what: string): Window[] {
  checkArguments('windows', {
    gpu: [gpu, LIMITED],
    count: [count, wholeFrom(1)],
    rowBytes: [rowBytes, ROW_BYTES],
    what: [what, TEXT],
  });
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

/**
 * Windows over the elements of a flat array: for what computes each value alone, of any shape.
 * @example
 * for (const window of flatWindows(gpu, x.size)) {
 *   run(forward, { count: window.count }, { x: rows(value(x), 4, window), y: rows(value(output), 4, window) });
 * }
 */
export function flatWindows(gpu: Limited, count: number): Window[] {
  checkArguments('flatWindows', { gpu: [gpu, LIMITED], count: [count, wholeFrom(1)] });
  return windows(gpu, count, [4], 'One element');
}

const STORAGE = withMembers('a storage, as `emit.value(tensor)` gives', {
  view: (value) => typeof value === 'function',
});
const WINDOW = withMembers('a window, { first, count }', { first: wholeFrom(0).is, count: wholeFrom(0).is });

/**
 * Rows `first` to `first + count` of a tensor with `rowBytes` bytes a row, four bytes a value whatever it is stored as: what
 * a kernel's binding is given.
 */
export function rows(storage: Storage, rowBytes: number, window: Window): View {
  checkArguments('rows', { storage: [storage, STORAGE], rowBytes: [rowBytes, NOT_NEGATIVE], window: [window, WINDOW] });
  const { first, count } = window;
  return storage.view(first * rowBytes, count * rowBytes);
}
