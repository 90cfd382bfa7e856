import { FrostlineError } from '../errors.ts';
import { Random } from '../random.ts';

/** The order of samples in an epoch. */
export type Shuffle = 'every-epoch' | 'once' | 'never';

/** Separates this use of a seed from others. */
const SHUFFLE_STREAM = 0x73687566;

/**
 * The order in which an epoch visits samples 0..count-1: drawn anew for each epoch, drawn once for all, or as they are
 * (MATLAB's Shuffle 'every-epoch', 'once', 'never'). Depends on the seed and the epoch alone.
 *
 * @param epoch from 0 on
 */
export function epochOrder(count: number, options: { shuffle: Shuffle; seed: number; epoch: number }): Uint32Array {
  const { shuffle, seed, epoch } = options;
  if (shuffle === 'never') return Uint32Array.from({ length: count }, (_, i) => i);
  return new Random(seed, SHUFFLE_STREAM + (shuffle === 'once' ? 0 : epoch)).permutation(count);
}

export interface BatchOptions {
  batchSize: number;
  /** The incomplete batch at the end of an epoch: 'discard' as MATLAB does (default), or 'keep'. */
  lastBatch?: 'discard' | 'keep';
}

/**
 * Cuts an order into batches. Views, not copies.
 *
 * @throws FrostlineError where not one batch comes of it
 */
export function batchesOf(order: Uint32Array, { batchSize, lastBatch = 'discard' }: BatchOptions): Uint32Array[] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new FrostlineError(`batch size is ${batchSize}; expected a whole number from 1 on`);
  }
  const whole = lastBatch === 'discard' ? Math.floor(order.length / batchSize) : Math.ceil(order.length / batchSize);
  if (whole === 0) {
    throw new FrostlineError(
      `${order.length} samples give no batch of ${batchSize}; choose a smaller batch, or keep the incomplete last one`,
    );
  }
  return Array.from({ length: whole }, (_, i) => order.subarray(i * batchSize, (i + 1) * batchSize));
}
