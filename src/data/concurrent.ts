import { availableParallelism } from 'node:os';

export interface Failure {
  readonly index: number;
  readonly error: unknown;
}

/**
 * Runs a task for each of 0..count-1, several at a time, and returns those that fail, in order. A task that fails is
 * run again by itself: libvips keeps one error message for all its threads, so that an image may otherwise be reported
 * with the reason of its neighbour.
 */
export async function attemptAll(
  count: number,
  task: (index: number) => Promise<void>,
  options: { concurrency?: number; onProgress?: (done: number, total: number) => void } = {},
): Promise<Failure[]> {
  const limit = Math.max(1, Math.min(options.concurrency ?? availableParallelism(), count));
  const again: number[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      await task(index).catch(() => again.push(index));
      options.onProgress?.(++done, count);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));

  const failures: Failure[] = [];
  for (const index of again.sort((a, b) => a - b)) {
    await task(index).catch((error: unknown) => failures.push({ index, error }));
  }
  return failures;
}
