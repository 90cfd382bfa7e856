/** One device a test file, opened when first asked for and destroyed at the end. */
import { afterAll, beforeAll } from 'vitest';
import { Gpu, type OpenOptions } from '../../src/gpu/device.ts';

export function useGpu(options: OpenOptions = {}): () => Gpu {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.open(options);
  });
  afterAll(() => {
    gpu.check();
    gpu.destroy();
  });
  return () => gpu;
}

/** The seed of this run's random shapes: FROSTLINE_TEST_SEED repeats a failure, else a fixed one. */
export const testSeed = Number(process.env['FROSTLINE_TEST_SEED'] ?? 20250717);

/** How many times as many random cases as usual: FROSTLINE_TEST_RUNS, for the long tests. */
export const testRuns = Number(process.env['FROSTLINE_TEST_RUNS'] ?? 1);
