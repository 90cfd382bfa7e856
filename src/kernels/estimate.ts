import { profileOf } from '../gpu/machine.ts';
import type { Capabilities } from './kernel.ts';

/** Time in memory accesses, where each of `threads` makes `accesses` one after another. */
export const serialAccesses = (
  threads: number,
  accesses: number,
  adapter: Pick<Capabilities, 'kind' | 'machine'>,
): number => accesses * Math.max(1, threads / profileOf(adapter).threadsAtOnce);
