/** The race: right, early and within its budget, on a clock of its own with noise that was planted. */
import { describe, expect, it } from 'vitest';
import { race } from '../../src/bench/race.ts';
import { Random } from '../../src/random.ts';
import { testSeed } from '../support/gpu.ts';

/** Candidates of these milliseconds, on a clock that only they move on. */
function planted(
  milliseconds: readonly number[],
  random: Random,
  { noise = 0, drift = 0, disturbed = 0 }: { noise?: number; drift?: number; disturbed?: number } = {},
) {
  let clock = 0;
  let speed = 1;
  const runs = milliseconds.map(() => 0);
  const racers = milliseconds.map((time, index) => async () => {
    runs[index]++;
    speed *= Math.exp(drift * random.normal());
    const hit = random.uniform() < disturbed ? 2 : 1;
    const taken = time * speed * hit * Math.exp(noise * random.normal());
    clock += taken;
    return taken;
  });
  return { racers, runs, now: () => clock };
}

describe('a race', () => {
  it('places candidates in their order, however noisy the clock is and however it drifts', async () => {
    const random = new Random(testSeed);
    let [first, order] = [0, 0];
    const races = 100;
    for (let i = 0; i < races; i++) {
      const times = [11, 10, 13, 20, 16];
      const { racers, now } = planted(times, random, { noise: 0.05, drift: 0.05, disturbed: 0.05 });
      const result = await race(racers, { seconds: 10, now });
      if (result.order[0].index === 1) first++;
      const [lead, ...rest] = result.order;
      expect(lead.verdict).toBe('leads');
      // Who is out is slower than the leader for sure; nobody is called so without reason.
      for (const { verdict, ratio } of rest) if (verdict === 'slower') expect(ratio).toBeGreaterThan(1.03);
      if (result.order.map(({ index }) => index).join() === '1,0,2,4,3') order++;
    }
    expect(first, `seed ${testSeed}`).toBeGreaterThanOrEqual(0.95 * races);
    expect(order, `seed ${testSeed}`).toBeGreaterThanOrEqual(0.85 * races);
  });

  it('ends early where all is clear, and spends its time on those that are hard to tell apart', async () => {
    const { racers, runs, now } = planted([10, 12, 10.6, 100], new Random(testSeed), { noise: 0.02 });
    const { order, settled, rounds } = await race(racers, { seconds: 60, now });
    expect(order.map(({ index }) => index)).toEqual([0, 2, 1, 3]);
    expect(settled).toBe(true);
    expect(now()).toBeLessThan(5000);
    // Hopeless from the first run on.
    expect(runs[3]).toBe(1);
    expect(runs[1]).toBeLessThanOrEqual(runs[2]);
    expect(rounds).toBe(runs[0]);
  });

  it('calls the same what is the same, and does not replace what was chosen before', async () => {
    const { racers, now } = planted([10, 10], new Random(testSeed), { noise: 0.01 });
    const { order, settled } = await race(racers, { seconds: 60, now });
    expect(order.map(({ verdict }) => verdict)).toEqual(['leads', 'same']);
    expect(settled).toBe(true);
  });

  it.each([0.2, 1, 3])('keeps to a budget of %d s, and says that the rest is open', async (seconds) => {
    // Two that cannot be told apart: each round takes 20 ms.
    const { racers, now, runs } = planted([10, 10], new Random(testSeed), { noise: 0.2 });
    const { order, settled } = await race(racers, { seconds, now });
    // The last round may take a little longer than the one before.
    expect(now()).toBeLessThan(1000 * seconds + 20);
    expect(now()).toBeGreaterThan(1000 * seconds - 80);
    expect(runs[0]).toBe(runs[1]);
    expect([order[1].verdict, settled]).toEqual(['open', false]);
  });

  it('runs everybody once, whatever the budget, and one alone but once', async () => {
    const { racers, runs, now } = planted([10, 11], new Random(testSeed));
    expect((await race(racers, { seconds: 0.001, now })).settled).toBe(false);
    expect(runs).toEqual([1, 1]);
    const alone = planted([10], new Random(testSeed));
    expect(await race(alone.racers, { seconds: 9, now: alone.now })).toMatchObject({ rounds: 1, settled: true });
  });
});
