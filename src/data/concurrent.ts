import { availableParallelism } from 'node:os';

/** Runs a task for each of 0..count-1, at most `limit` at a time (default: as many as the machine has cores). */
export async function concurrently(
  count: number,
  task: (index: number) => Promise<void>,
  limit = availableParallelism(),
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, count)) }, worker));
}
