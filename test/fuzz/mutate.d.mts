import type { Target } from './targets.mjs';

/** One to eight changes of one of the seeds. */
export function mutated(
  random: { integer(below: number): number },
  seeds: readonly Buffer[],
  target: Pick<Target, 'words' | 'protobuf'>,
): Buffer;
