import { type Machine, profileOf } from '../gpu/machine.ts';
import type { Capabilities } from './kernel.ts';

/** Time in memory accesses, where each of `threads` makes `accesses` one after another. */
export const serialAccesses = (
  threads: number,
  accesses: number,
  adapter: Pick<Capabilities, 'kind' | 'machine'>,
): number => accesses * Math.max(1, threads / profileOf(adapter).threadsAtOnce);

/** Bytes that a thread of most kernels has on its way from memory: a few values of four. */
const IN_FLIGHT = 16;

/**
 * The share of memory's rate that so many threads reach. By Little's law bytes on their way are rate times latency, and a
 * thread has a few on its way: `resident` threads of most kernels on each multiprocessor reach the whole rate.
 */
const memoryShare = (threads: number, inFlight: number, { multiprocessors, resident }: Machine): number =>
  Math.min(1, (Math.min(threads / multiprocessors, resident) * inFlight) / (resident * IN_FLIGHT));

/** What threads read and write, and what each of them has on its way at a time. */
export interface Traffic {
  readonly bytes: number;
  readonly threads: number;
  readonly inFlight?: number;
}

/** Milliseconds that a GPU's memory takes. */
export const memoryTime = ({ bytes, threads, inFlight = IN_FLIGHT }: Traffic, machine: Machine): number =>
  bytes / machine.bytes / memoryShare(threads, inFlight, machine);
