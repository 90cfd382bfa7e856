/** Early stopping on a narrow network: when it ends, what it restores, and that looking changes nothing. */
import { expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { checkEarlyStopping, type EpochRecord, meanLoss } from '../../src/train/early-stopping.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { type FitHooks, type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { frozenHash, frozenRecord } from '../../src/train/frozen.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const data: TrainingData = {
  kind: 'tensors',
  values: Float32Array.from({ length: 6 * 3 * 64 * 64 }, (_, i) => (i % 17) / 17),
  shape: [3, 64, 64],
  labels: Uint32Array.from({ length: 6 }, (_, i) => i % 2),
};

/** Trains anew; looks at the data behind every epoch where losses are given, and answers with those. */
async function train(settings: Partial<FitSettings>, losses?: readonly number[]) {
  const model = createModel(alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 }));
  setMasks(model, { freeze: 6, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
  const all: FitSettings = {
    batchSize: 2,
    dropout: false,
    augment: augmentPresets.none,
    learningRate: 0.01,
    momentum: 0.9,
    weightDecay: 1e-3,
    epochs: 8,
    shuffle: 'every-epoch',
    seed: 1,
    ...settings,
  };
  const step = await TrainingStep.compile(gpu(), model, data, all);
  const evaluator = await Evaluator.compile(gpu(), model, data, 2);
  const epochs: EpochRecord[] = [];
  const answers = [...(losses ?? [])];
  const hooks: FitHooks = {
    onValidation: (record) => epochs.push(record),
    ...(losses && {
      async validate() {
        await evaluator.run();
        return { validationLoss: answers.shift()!, accuracy: 0, f1: 0 };
      },
    }),
  };
  try {
    const still = [...model.parameters].flatMap(([name, { trainable }]) => (trainable ? [] : [name]));
    const before = await frozenHash(gpu(), model, still);
    const records = await step.fit(all, hooks);
    const weights = await Promise.all([...model.parameters.values()].map((parameter) => parameter.read(gpu())));
    return { records, epochs, weights, frozen: await frozenRecord(gpu(), model, still, before) };
  } finally {
    evaluator.destroy();
    step.destroy();
    releaseModel(gpu(), model);
  }
}

it('ends when the loss has not fallen for the patience, with the bits of a run as long as the best epoch', async () => {
  const stopped = await train({ earlyStopping: 2 }, [3, 1, 1, 2]);
  expect(stopped.epochs.map(({ best }) => best)).toEqual([true, true, false, false]);
  expect(stopped.records.length).toBe(4 * 3);
  const short = await train({ epochs: 2 });
  expect(stopped.weights).toEqual(short.weights);
  const longer = await train({ epochs: 4 });
  expect(stopped.weights).not.toEqual(longer.weights);
  // Looking at the validation part leaves the steps as they are.
  expect(stopped.records.map(({ loss }) => loss)).toEqual(longer.records.map(({ loss }) => loss));
});

it('the rate of each step is the schedule’s, and what is frozen stands still by its hash', async () => {
  const { records, frozen } = await train({ epochs: 3, schedule: { kind: 'step', every: 1, factor: 0.5 } });
  expect(records.map(({ learningRate }) => learningRate)).toEqual([
    0.01, 0.01, 0.01, 0.005, 0.005, 0.005, 0.0025, 0.0025, 0.0025,
  ]);
  const { frozen: other, weights } = await train({ epochs: 3 });
  expect(weights).not.toEqual((await train({ epochs: 3, schedule: { kind: 'cosine' } })).weights);
  expect(frozen).toEqual(other);
  expect(frozen).toMatchObject({ parameters: 4, before: frozen!.after });
});

it('a frozen parameter that changed is told as a defect', async () => {
  const model = createModel(alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 }));
  setMasks(model, { freeze: 2, newParameters: [], newLayerFactor: 10 });
  const still = ['conv1.weight', 'conv1.bias'];
  const before = await frozenHash(gpu(), model, still);
  model.parameters.get('conv1.bias')!.reset(gpu(), Float32Array.of(0, 0, 0, 1e-7));
  await expect(frozenRecord(gpu(), model, still, before)).rejects.toThrow(/frozen parameters changed/);
  releaseModel(gpu(), model);
});

it('the loss is the mean of -log p, finite where a probability is 0; nothing to stop by is refused', () => {
  const evaluation = { predictions: new Uint32Array(2), probabilities: Float32Array.of(0.25, 0.75, 1, 0), classes: 2 };
  expect(meanLoss(evaluation, Uint32Array.of(0, 0))).toBeCloseTo(Math.log(4) / 2, 12);
  expect(meanLoss(evaluation, Uint32Array.of(0, 1))).toBeCloseTo((Math.log(4) + 126 * Math.log(2)) / 2, 12);
  expect(() => checkEarlyStopping({ earlyStopping: 2 }, undefined)).toThrow(/no validation part/);
});
