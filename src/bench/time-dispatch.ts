/** The time of dispatches: by the device's timestamps where it has them, else by the host's clock. */
import type { Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import { PassTimer } from '../gpu/timer.ts';
import type { OperandSets } from './operand-sets.ts';
import { LONG_ENOUGH, type Sampling, sample } from './sample.ts';
import { type Timing, timingOf } from './statistics.ts';

const MOST_REPEATS = 500;

/** Dispatches that are run one after another, ready to be timed as often as wanted. */
export class Stopwatch {
  /** milliseconds of one run: of the second, for the first compiles */
  readonly first: number;
  private readonly gpu: Gpu;
  private readonly timer: PassTimer | undefined;
  /** each a pass that is long enough; one after another, they go round over all sets of operands */
  private readonly programs: readonly Program[];
  /** so many runs in one pass */
  private readonly repeats: number;
  private turn = 0;

  private constructor(
    gpu: Gpu,
    timer: PassTimer | undefined,
    { first, programs, repeats }: { first: number; programs: readonly Program[]; repeats: number },
  ) {
    this.gpu = gpu;
    this.timer = timer;
    this.first = first;
    this.programs = programs;
    this.repeats = repeats;
  }

  /**
   * Runs them twice. Every storage must have its buffer.
   * @param sets where repeated runs are not to find their operands in a cache
   */
  static async of(gpu: Gpu, dispatches: readonly Dispatch[], sets?: OperandSets): Promise<Stopwatch> {
    const timer = PassTimer.on(gpu);
    const programs: Program[] = [];
    try {
      const program = await Program.prepare(gpu, dispatches);
      programs.push(program);
      const once = new Stopwatch(gpu, timer, { first: 0, programs, repeats: 1 });
      await once.sample();
      const first = Math.max(0.005, await once.sample());
      const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(LONG_ENOUGH / first)));
      const rounds = sets?.of(dispatches) ?? [dispatches];
      if (repeats === 1 && rounds.length === 1) return new Stopwatch(gpu, timer, { first, programs, repeats });
      programs.splice(0);
      program.destroy();
      for (let done = 0; done < rounds.length; done += repeats) {
        const runs = Array.from({ length: repeats }, (_, i) => rounds[(done + i) % rounds.length]);
        programs.push(await Program.prepare(gpu, runs.flat()));
      }
      return new Stopwatch(gpu, timer, { first, programs, repeats });
    } catch (error) {
      for (const program of programs) program.destroy();
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
    for (const program of this.programs) program.destroy();
    this.timer?.destroy();
  }

  /** Milliseconds of a pass, where the device has a clock. */
  private async pass(): Promise<number | undefined> {
    this.programs[this.turn++ % this.programs.length].submit(this.timer);
    if (this.timer !== undefined) return this.timer.milliseconds();
    await this.gpu.idle();
    return undefined;
  }
}

/**
 * The time of one dispatch. The first run compiles and does not count.
 * @param options `hopeless`, milliseconds: a dispatch that takes longer is timed by one run alone; `sets`: see `Stopwatch.of`
 */
export async function timeDispatch(
  gpu: Gpu,
  dispatch: Dispatch,
  sampling: Sampling,
  { hopeless = Number.POSITIVE_INFINITY, sets }: { readonly hopeless?: number; readonly sets?: OperandSets } = {},
): Promise<Timing> {
  const watch = await Stopwatch.of(gpu, [dispatch], sets);
  try {
    return timingOf(watch.first > hopeless ? [watch.first] : await watch.samples(sampling));
  } finally {
    watch.destroy();
  }
}
