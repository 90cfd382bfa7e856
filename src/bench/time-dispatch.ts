/** The time of dispatches: by the device's timestamps where it has them, else by the host's clock. */
import type { Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import { PassTimer } from '../gpu/timer.ts';
import { LONG_ENOUGH, type Sampling, sample } from './sample.ts';
import { type Timing, timingOf } from './statistics.ts';

const MOST_REPEATS = 500;

/** Dispatches that are run one after another, ready to be timed as often as wanted. */
export class Stopwatch {
  /** milliseconds of one run: of the second, for the first compiles */
  readonly first: number;
  private readonly gpu: Gpu;
  private readonly timer: PassTimer | undefined;
  private readonly program: Program;
  /** so many runs in one pass, so that it is long enough */
  private readonly repeats: number;

  private constructor(
    gpu: Gpu,
    timer: PassTimer | undefined,
    { first, program, repeats }: { first: number; program: Program; repeats: number },
  ) {
    this.gpu = gpu;
    this.timer = timer;
    this.first = first;
    this.program = program;
    this.repeats = repeats;
  }

  /** Runs them twice. Every storage must have its buffer. */
  static async of(gpu: Gpu, dispatches: readonly Dispatch[]): Promise<Stopwatch> {
    const timer = PassTimer.on(gpu);
    try {
      const program = await Program.prepare(gpu, dispatches);
      const once = new Stopwatch(gpu, timer, { first: 0, program, repeats: 1 });
      await once.sample();
      const first = Math.max(0.005, await once.sample());
      const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(LONG_ENOUGH / first)));
      if (repeats === 1) return new Stopwatch(gpu, timer, { first, program, repeats });
      program.destroy();
      const several = await Program.prepare(gpu, Array(repeats).fill(dispatches).flat());
      return new Stopwatch(gpu, timer, { first, program: several, repeats });
    } catch (error) {
      timer?.destroy();
      throw error;
    }
  }

  /** Milliseconds of one run. */
  async sample(): Promise<number> {
    const start = performance.now();
    const own = await this.pass();
    return (own ?? performance.now() - start) / this.repeats;
  }

  /** Milliseconds of one run each, as many as `sampling` wants. */
  async samples(sampling: Sampling): Promise<number[]> {
    const times = await sample(() => this.pass(), sampling);
    this.gpu.check();
    return times.map((time) => time / this.repeats);
  }

  destroy(): void {
    this.program.destroy();
    this.timer?.destroy();
  }

  /** Milliseconds of a pass, where the device has a clock. */
  private async pass(): Promise<number | undefined> {
    this.program.submit(this.timer);
    if (this.timer !== undefined) return this.timer.milliseconds();
    await this.gpu.idle();
    return undefined;
  }
}

/**
 * The time of one dispatch. The first run compiles and does not count.
 * @param hopeless milliseconds: a dispatch that takes longer is timed by one run alone
 */
export async function timeDispatch(
  gpu: Gpu,
  dispatch: Dispatch,
  sampling: Sampling,
  hopeless = Number.POSITIVE_INFINITY,
): Promise<Timing> {
  const watch = await Stopwatch.of(gpu, [dispatch]);
  try {
    return timingOf(watch.first > hopeless ? [watch.first] : await watch.samples(sampling));
  } finally {
    watch.destroy();
  }
}
