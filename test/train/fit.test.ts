/** How the host drives training: what is under way at a time, and when a loss is read. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { FrostlineError } from '../../src/errors.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { createModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

it('submits a step once, keeps up to three in flight, and reads the losses late and in order', async () => {
  const model = createModel(alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 }));
  setMasks(model, { freeze: 'none', newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
  const values = Float32Array.from({ length: 12 * 3 * 64 * 64 }, (_, i) => (i % 17) / 17);
  const labels = Uint32Array.from({ length: 12 }, (_, i) => i % 2);
  const data: TrainingData = { kind: 'tensors', values, shape: [3, 64, 64], labels };
  const settings = { batchSize: 2, dropout: false, augment: augmentPresets.none };
  const step = await TrainingStep.compile(gpu(), model, data, settings);
  const submit = vi.spyOn(gpu().device.queue, 'submit');
  const run = vi.spyOn(step.graph, 'run');
  /** how many steps had been submitted when the loss of each was read */
  const begun: number[] = [];
  const records = await step.fit(
    { ...settings, learningRate: 0.001, momentum: 0.9, weightDecay: 0, epochs: 1, shuffle: 'never', seed: 1 },
    { onStep: () => begun.push(run.mock.calls.length) },
  );
  // Momentum is zeroed by a submit of its own.
  expect(submit).toHaveBeenCalledTimes(1 + 6);
  expect(begun).toEqual([3, 4, 5, 6, 6, 6]);
  expect(records.map((record) => record.step)).toEqual([0, 1, 2, 3, 4, 5]);
  vi.restoreAllMocks();
  step.destroy();
  releaseModel(gpu(), model);
});

describe('a fit refuses by name', () => {
  const values = Float32Array.from({ length: 8 * 3 * 64 * 64 }, (_, i) => (i % 17) / 17);
  const data: TrainingData = { kind: 'tensors', values, shape: [3, 64, 64], labels: new Uint32Array(8) };
  const compiled = { batchSize: 2, dropout: false, augment: augmentPresets.none };
  const free = { learningRate: 0.001, momentum: 0.9, weightDecay: 0, epochs: 1, shuffle: 'never', seed: 1 } as const;
  const right: FitSettings = { ...compiled, ...free };
  let model: Model;
  let step: TrainingStep;
  beforeAll(async () => {
    model = createModel(alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 }));
    setMasks(model, { freeze: 'all', newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
    step = await TrainingStep.compile(gpu(), model, data, compiled);
  });
  afterAll(() => {
    step.destroy();
    releaseModel(gpu(), model);
  });

  it.each([
    [{ epochs: Number.NaN }, 'epochs is NaN. Give a whole number of 1 or more.'],
    [{ epochs: -1 }, 'epochs is -1. Give a whole number of 1 or more.'],
    [{ epochs: 1.5 }, 'epochs is 1.5. Give a whole number of 1 or more.'],
    [{ epochs: undefined }, 'epochs is undefined. Give a whole number of 1 or more.'],
    [{ learningRate: Number.NaN }, 'learningRate is NaN. Give a number of 0 or more.'],
    [{ momentum: 1 }, 'momentum is 1. Give a number from 0 to below 1.'],
    [{ weightDecay: undefined }, 'weightDecay is undefined. Give a number of 0 or more.'],
    [{ seed: undefined }, 'seed is undefined. Give a whole number.'],
    [{ shuffle: 'evry' }, "shuffle is 'evry'. Give 'every-epoch' or 'once' or 'never'."],
    [{ earlyStopping: 0 }, 'earlyStopping is 0. Give a whole number of 1 or more.'],
    [{ lerningRate: 1 }, "TrainingStep.fit has no option 'lerningRate'. It has learningRate, momentum"],
    [{ schedule: { kind: 'cosin' } }, "kind is 'cosin'. Give 'constant' or 'step' or 'cosine' or 'exponential'."],
    [{ schedule: { kind: 'step', evry: 2 } }, "a schedule has no option 'evry'. It has kind, warmup, every"],
    [{ schedule: { kind: 'step', every: 0 } }, 'a schedule: every is 0. Give a whole number of 1 or more.'],
    [{ schedule: {} }, 'a schedule: kind is undefined.'],
    [{ optimizer: 'adam' }, 'optimizer is "adam", and the step was compiled with "sgdm". Compile a step with these'],
    [{ labelSmoothing: 0.1 }, 'labelSmoothing is 0.1, and the step was compiled with 0.'],
    [{ classWeights: [1, 2] }, 'classWeights is [1,2], and the step was compiled with left out.'],
    [{ batchSize: 4 }, 'batchSize is 4, and the step was compiled with 2.'],
    [{ dropout: true }, 'dropout is true, and the step was compiled with false.'],
    [{ augment: { ...augmentPresets.none, fill: 9 } }, 'augment.fill is 9, and the step was compiled with 0.'],
  ])('%o', async (own, words) => {
    const error = await step.fit({ ...right, ...own } as FitSettings).catch((reason) => reason);
    expect(error).toBeInstanceOf(FrostlineError);
    expect(error.message).toContain(words);
  });

  it('no settings at all, and compiling for some that there are not', async () => {
    await expect(step.fit(undefined as never)).rejects.toThrow(
      'TrainingStep.fit: settings is undefined. Give an object.',
    );
    const wrong = { ...compiled, optimiser: 'adam' };
    await expect(TrainingStep.compile(gpu(), model, data, wrong)).rejects.toThrow("has no option 'optimiser'");
  });

  it.each([
    [{ values: new Float32Array(5) }, 'there are 5 values for 8 labels; items of [3, 64, 64] have 98304.'],
    [{ values: new Float64Array(values) }, 'values is Float64Array of length 98304. Give a Float32Array.'],
    [{ shape: undefined }, 'shape is undefined. Give the lengths of an item, such as [3, 64, 64].'],
    [{ kind: 'images', pixels: new Uint8Array(4), height: 64, width: 64 }, 'there are 4 values for 8 labels'],
    [{ kind: 'images', pixels: new Uint8Array(4), height: 64, width: 0 }, 'width is 0.'],
    [{ kind: 'images', pixels: new Uint16Array(4), height: 64, width: 64 }, 'Give a Uint8Array of RGBA.'],
  ])('data of %o', async (own, words) => {
    const wrong = { ...data, ...own } as TrainingData;
    for (const reuse of [true, false]) {
      const refused = TrainingStep.compile(gpu(), model, wrong, compiled, { reuse });
      const error = await refused.catch((reason) => reason);
      expect(error).toBeInstanceOf(FrostlineError);
      expect(error.message).toContain(words);
    }
  });

  it('what is at its default on both sides, it does not', async () => {
    const same = { ...right, optimizer: 'sgdm', labelSmoothing: 0, precision: 'f32', batchStatistics: false } as const;
    expect((await step.fit(same)).length).toBe(4);
  });

  it('a second one while the first is under way, and takes it afterwards', async () => {
    const first = step.fit(right);
    await expect(step.fit(right)).rejects.toThrow('a fit of this step is under way');
    expect((await first).length).toBe(4);
    expect((await step.fit(right)).length).toBe(4);
  });
});
