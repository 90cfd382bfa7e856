/** Sampling of asynchronous work, driven by the package `benchmark`: how often, until when, and its high-resolution clock. */
import Benchmark from 'benchmark';

export interface Sampling {
  /** at least this many samples */
  readonly samples: number;
  /** and no more once this much time has passed */
  readonly seconds: number;
}

/** A sample is long enough to be trusted from this many milliseconds on. */
export const LONG_ENOUGH = 10;

/**
 * Runs `work` again and again. Where it resolves with a number, that is its time by a better clock (the device's); else
 * the host's clock counts, several runs to a sample where one is shorter than `LONG_ENOUGH`.
 * @returns milliseconds of one run, one number a sample
 */
export function sample(work: () => Promise<number | undefined>, { samples, seconds }: Sampling): Promise<number[]> {
  const own: number[] = [];
  return new Promise((resolve, reject) => {
    const benchmark = new Benchmark({
      defer: true,
      async: true,
      delay: 0.001,
      minSamples: samples,
      maxTime: seconds,
      minTime: LONG_ENOUGH / 1000,
      fn(deferred: Benchmark.Deferred) {
        work().then(
          (milliseconds) => {
            if (milliseconds !== undefined) own.push(milliseconds);
            deferred.resolve();
          },
          (error: unknown) => {
            reject(error);
            benchmark.abort();
          },
        );
      },
      onComplete() {
        const sampled = (benchmark.stats.sample as number[]).map((time) => 1000 * time);
        resolve(own.length > 0 ? own : sampled);
      },
    });
    benchmark.run({ async: true });
  });
}
