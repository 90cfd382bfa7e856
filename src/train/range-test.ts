/**
 * The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", WACV 2017): one short run in
 * which the rate grows with every step, by the same factor as fastai's and Lightning's lr_find have it, from far too small
 * to far too large. The loss falls where the rate begins to do something, and rises where it is too much.
 */
import type { Gpu } from '../gpu/device.ts';
import { DivergedError } from './diverged.ts';
import type { Experiment } from './experiment.ts';
import { type FitSettings, TrainingStep } from './fit.ts';
import { createModel, type MaskOptions, releaseModel, setMasks } from './model.ts';

export interface RangeTestOptions {
  /** what is trained; the new layer's parameters are the experiment's */
  readonly masks: Omit<MaskOptions, 'newParameters'>;
  /** its epochs and schedule are the test's own */
  readonly fit: Omit<FitSettings, 'learningRate' | 'epochs' | 'schedule' | 'earlyStopping'>;
  readonly from: number;
  readonly to: number;
  /** at least; whole epochs are run */
  readonly steps: number;
}

export interface RangePoint {
  /** from 0 */
  readonly step: number;
  readonly learningRate: number;
  /** of the mini-batch, before the update at this rate */
  readonly loss: number;
  /** exponential mean of the losses so far, freed of its start (Kingma and Ba 2015) */
  readonly smoothed: number;
}

export interface RangeTest {
  readonly curve: readonly RangePoint[];
  /** why it ended before its largest rate */
  readonly ended?: 'loss four times its lowest' | 'loss not finite';
  /** nothing where the loss does not fall */
  readonly suggestion?: Suggestion;
}

export interface Suggestion {
  /** a tenth of the rate at the lowest smoothed loss: below what is too much, above what does nothing (fastai's "minimum") */
  readonly rate: number;
  /** where the smoothed loss is lowest */
  readonly lowestAt: number;
}

const SMOOTHING = 0.9;
/** Steps at the beginning whose mean is of too few losses to be judged. */
const FIRST = 10;
/** A loss so many times the lowest ends the test (fastai). */
const TOO_HIGH = 4;

class EndedError extends Error {}

export async function rangeTest(
  gpu: Gpu,
  experiment: Experiment,
  { masks, fit, from, to, steps }: RangeTestOptions,
  { signal, onStep }: { signal?: AbortSignal; onStep?(point: RangePoint, steps: number): void } = {},
): Promise<RangeTest> {
  const { network, newParameters, train } = experiment;
  const model = createModel(network);
  setMasks(model, { ...masks, newParameters });
  const curve: RangePoint[] = [];
  let step: TrainingStep | undefined;
  let ended: RangeTest['ended'];
  let [mean, lowest] = [0, Number.POSITIVE_INFINITY];
  try {
    step = await TrainingStep.compile(gpu, model, train, fit);
    const epochs = Math.ceil(steps / step.stepsAnEpoch());
    const schedule = { kind: 'exponential', to } as const;
    await step.fit(
      { ...fit, learningRate: from, epochs, schedule },
      {
        signal,
        onStep({ step: at, learningRate, loss }, all) {
          mean = SMOOTHING * mean + (1 - SMOOTHING) * loss;
          const point = { step: at, learningRate, loss, smoothed: mean / (1 - SMOOTHING ** (at + 1)) };
          curve.push(point);
          onStep?.(point, all);
          lowest = Math.min(lowest, point.smoothed);
          if (at >= FIRST && point.smoothed > TOO_HIGH * lowest) throw new EndedError();
        },
      },
    );
  } catch (error) {
    if (error instanceof EndedError) ended = 'loss four times its lowest';
    else if (error instanceof DivergedError && curve.length > 0) ended = 'loss not finite';
    else throw error;
  } finally {
    step?.destroy();
    releaseModel(gpu, model);
  }
  return { curve, ...(ended && { ended }), suggestion: suggestRate(curve) };
}

/** By the rule that `Suggestion` names; nothing where the loss is lowest as the judged steps begin: it does not fall. */
export function suggestRate(curve: readonly RangePoint[]): Suggestion | undefined {
  const judged = curve.slice(FIRST);
  const losses = judged.map(({ smoothed }) => smoothed);
  const lowest = losses.indexOf(Math.min(...losses));
  if (lowest <= 0) return undefined;
  const { learningRate } = judged[lowest];
  return { rate: learningRate / 10, lowestAt: learningRate };
}
