/** The time of one dispatch: by the device's timestamps where it has them, else by the host's clock. */
import type { Gpu } from '../gpu/device.ts';
import { type Dispatch, Program } from '../gpu/program.ts';
import { PassTimer } from '../gpu/timer.ts';
import { LONG_ENOUGH, type Sampling, sample } from './sample.ts';
import { type Timing, timingOf } from './statistics.ts';

const MOST_REPEATS = 500;

/**
 * The first run compiles and does not count. A short dispatch is repeated within one pass until that is long enough.
 * @param hopeless milliseconds: a dispatch that takes longer is timed by one run alone
 */
export async function timeDispatch(
  gpu: Gpu,
  dispatch: Dispatch,
  sampling: Sampling,
  hopeless = Number.POSITIVE_INFINITY,
): Promise<Timing> {
  const timer = PassTimer.on(gpu);
  const runOf = (program: Program) => async () => {
    program.submit(timer);
    if (timer !== undefined) return timer.milliseconds();
    await gpu.idle();
    return undefined;
  };
  const once = await Program.prepare(gpu, [dispatch]);
  try {
    await runOf(once)();
    const start = performance.now();
    const own = await runOf(once)();
    const first = Math.max(0.005, own ?? performance.now() - start);
    if (first > hopeless) return timingOf([first]);
    const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(LONG_ENOUGH / first)));
    const program = repeats === 1 ? once : await Program.prepare(gpu, Array(repeats).fill(dispatch));
    try {
      const times = await sample(runOf(program), sampling);
      gpu.check();
      return timingOf(times.map((time) => time / repeats));
    } finally {
      if (program !== once) program.destroy();
    }
  } finally {
    once.destroy();
    timer?.destroy();
  }
}
