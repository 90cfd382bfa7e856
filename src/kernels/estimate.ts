import { machineOf } from '../gpu/machine.ts';
import type { Capabilities } from './kernel.ts';

/** Threads that an adapter runs at once, by order of magnitude: enough to rank variants, not to predict times. */
const LANES = { software: 16, embedded: 8 } as const;

/** Time in memory accesses, where each of `threads` makes `accesses` one after another. */
export function serialAccesses(
  threads: number,
  accesses: number,
  { kind, machine }: Pick<Capabilities, 'kind' | 'machine'>,
): number {
  const { multiprocessors, resident } = machineOf({ machine });
  return accesses * Math.max(1, threads / (kind === 'hardware' ? multiprocessors * resident : LANES[kind]));
}
