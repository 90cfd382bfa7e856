/** Rates over a run, against values worked out by hand. */
import { describe, expect, it } from 'vitest';
import { checkSchedule, rateAt, type Schedule } from '../../src/train/schedule.ts';

/** The rates of 4 epochs of 2 steps, from a rate of 1. */
const rates = (schedule?: Schedule) =>
  Array.from({ length: 8 }, (_, step) => rateAt(1, schedule, { step, steps: 8, epoch: Math.floor(step / 2) }));

describe('schedules of the rate', () => {
  it('without one, and constant: the rate', () => {
    expect(rates()).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect(rates({ kind: 'constant' })).toEqual(rates());
  });

  it('step: times the factor every so many epochs', () => {
    expect(rates({ kind: 'step', every: 1, factor: 0.5 })).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]);
    expect(rates({ kind: 'step', every: 3 })).toEqual([1, 1, 1, 1, 1, 1, 0.1, 0.1]);
  });

  it('cosine: all of it first, half of it in the middle, next to nothing last', () => {
    const cosine = rates({ kind: 'cosine' });
    const half = Math.SQRT1_2 / 2;
    for (const [step, expected] of [
      [0, 1],
      [2, 0.5 + half],
      [4, 0.5],
      [6, 0.5 - half],
    ]) {
      expect(cosine[step]).toBeCloseTo(expected, 12);
    }
    expect(cosine[7]).toBeCloseTo(0.03806023374435663, 12); // sin(pi / 16)^2
  });

  it('warm-up: rises to the rate, and the cosine begins behind it', () => {
    expect(rates({ kind: 'constant', warmup: 4 })).toEqual([0.25, 0.5, 0.75, 1, 1, 1, 1, 1]);
    const cosine = rates({ kind: 'cosine', warmup: 4 });
    expect(cosine.slice(0, 5)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(cosine[6]).toBeCloseTo(0.5, 12);
  });

  it('refuses a warm-up that the run does not outlast', () => {
    expect(() => checkSchedule({ kind: 'cosine', warmup: 8 }, 8)).toThrow(/--warmup-steps 8: the run has 8 steps/);
    expect(() => checkSchedule({ kind: 'cosine', warmup: 7 }, 8)).not.toThrow();
  });
});
