/** The range test: rates by the same factor from step to step, an end where the loss explodes, and the rule's suggestion. */
import { describe, expect, it } from 'vitest';
import { TrainingStep } from '../../src/train/fit.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
import { type RangePoint, rangeTest, suggestRate } from '../../src/train/range-test.ts';
import { rateAt } from '../../src/train/schedule.ts';
import { useGpu } from '../support/gpu.ts';
import { experiment, plan } from '../support/narrow-experiment.ts';

const curve = (losses: readonly number[]): RangePoint[] =>
  losses.map((smoothed, step) => ({ step, learningRate: 10 ** (step / 10 - 5), loss: smoothed, smoothed }));

describe('the range test', () => {
  const gpu = useGpu();
  const masks = { freeze: 'all', newLayerFactor: 10 };
  const fit = { ...plan.fit, seed: 3 };

  it('raises the rate by one factor to the last step, and begins as any run does', async () => {
    const steps: number[] = [];
    const options = { masks, fit, from: 1e-6, to: 1e-3, steps: 22 };
    const test = await rangeTest(gpu(), experiment, options, { onStep: (_, all) => steps.push(all) });
    // Whole epochs of four steps.
    expect([test.curve.length, test.ended, steps.at(-1)]).toEqual([24, undefined, 24]);
    test.curve.forEach(({ learningRate }, i) => {
      expect(learningRate / (1e-6 * 1000 ** (i / 23))).toBeCloseTo(1, 9);
    });
    const model = createModel(experiment.network);
    setMasks(model, { ...masks, newParameters: experiment.newParameters });
    const step = await TrainingStep.compile(gpu(), model, experiment.train, fit);
    const [first] = await step.fit({ ...fit, learningRate: 1e-6, epochs: 1 });
    step.destroy();
    releaseModel(gpu(), model);
    expect(test.curve[0].loss).toBe(first.loss);
    expect(test.curve[0].smoothed).toBeCloseTo(first.loss, 12);
    const [a, b] = test.curve;
    expect(b.smoothed).toBeCloseTo((0.9 * a.loss + b.loss) / 1.9, 12);
  });

  it('ends where the loss explodes', async () => {
    const options = { masks: { ...masks, freeze: 'none' }, fit, from: 1e-4, to: 1e20, steps: 60 };
    const { curve: seen, ended } = await rangeTest(gpu(), experiment, options);
    expect(ended).toMatch(/loss/);
    expect(seen.length).toBeLessThan(60);
    expect(seen.at(-1)!.learningRate).toBeLessThan(1e20);
  });

  it('suggests a tenth of the rate at the lowest loss, and nothing where none falls', () => {
    // Falls around step 25 as a logistic curve, is lowest at 40, rises behind.
    const losses = Array.from({ length: 60 }, (_, i) => {
      return 1 / (1 + Math.exp((i - 25) / 2)) + (i > 40 ? (i - 40) / 5 : (40 - i) / 1e4);
    });
    const { rate, lowestAt } = suggestRate(curve(losses))!;
    expect(Math.log10(lowestAt)).toBeCloseTo(40 / 10 - 5, 6);
    expect(rate).toBeCloseTo(lowestAt / 10, 12);
    // Means of few losses are not judged.
    const noisy = losses.map((loss, i) => (i < 5 ? -9 : loss));
    expect(suggestRate(curve(noisy))).toEqual(suggestRate(curve(losses)));
    expect(suggestRate(curve(losses.map((_, i) => i)))).toBeUndefined();
    expect(suggestRate(curve([1, 0.5]))).toBeUndefined();
  });

  it("has the schedule's first and last rates to rounding", () => {
    const at = (step: number) => rateAt(1e-6, { kind: 'exponential', to: 10 }, { step, steps: 100, epoch: 0 });
    expect([at(0), at(99)].map((rate) => Number(rate.toPrecision(12)))).toEqual([1e-6, 10]);
  });
});
