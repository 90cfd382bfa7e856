/** Loss scaling in a whole training run: gradients that overflow, the steps that they cost, and a run that goes on. */
import { expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { FIRST_SCALE } from '../../src/kernels/loss-scale/state.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { type FitSettings, type Progress, TrainingStep } from '../../src/train/fit.ts';
import { createModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';
import { stripedTensors as data } from '../support/striped-tensors.ts';

const gpu = useGpu({ precision: 'f16' });

const settings: FitSettings = {
  batchSize: 8,
  dropout: false,
  augment: augmentPresets.none,
  learningRate: 1e-7,
  momentum: 0.9,
  weightDecay: 0,
  epochs: 10,
  shuffle: 'every-epoch',
  seed: 1,
  schedule: { kind: 'constant' },
  precision: 'f16',
};

/** Its last layer multiplies the loss's gradient until no half holds it any more. */
function largeNetwork() {
  const network = alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 });
  const { shape, data: drawn } = network.parameters.get('fc8.weight')!;
  const large = { shape, data: drawn.map((value) => (value < 0 ? -1000 : 1000)) };
  return { ...network, parameters: new Map([...network.parameters, ['fc8.weight', large]]) };
}

async function valuesOf(model: Model): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, parameter] of model.parameters) values.set(name, await parameter.read(gpu()));
  return values;
}

async function run(from: Partial<Progress> = {}) {
  const model = createModel(largeNetwork());
  setMasks(model, { freeze: 'none', newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 1 });
  const before = await valuesOf(model);
  const step = await TrainingStep.compile(gpu(), model, data, settings);
  const checkpoints: { progress: Progress; values: Map<string, Float32Array> }[] = [];
  try {
    const onCheckpoint = async (_: number, progress: Progress) => {
      checkpoints.push({ progress, values: await valuesOf(model) });
    };
    const records = await step.fit(settings, { onCheckpoint }, from);
    return { records, checkpoints, before, after: await valuesOf(model) };
  } finally {
    step.destroy();
    releaseModel(gpu(), model);
  }
}

const known = (records: Progress['records']) =>
  records.map(({ step, loss, lossScale, skipped }) => ({ step, loss, lossScale, skipped }));

it('halves the scale and skips the step at each overflow, then trains; and goes on in the same bits', async () => {
  const whole = await run();
  const { records, checkpoints, before, after } = whole;
  expect(records[0]).toMatchObject({ lossScale: FIRST_SCALE, skipped: true });
  let scale = FIRST_SCALE;
  for (const { lossScale, skipped } of records) {
    expect(lossScale).toBe(scale);
    if (skipped) scale /= 2;
  }
  // Skipped steps leave every bit; the others train.
  const skippedAt = checkpoints.findLastIndex(({ progress }) => progress.records.every(({ skipped }) => skipped));
  expect(skippedAt).toBeGreaterThanOrEqual(0);
  expect(checkpoints[skippedAt].values).toEqual(before);
  expect(records.at(-1)!.skipped).toBe(false);
  expect(after).not.toEqual(before);

  // Once while the scale is still falling, once where it has been found.
  for (const { progress } of [checkpoints[skippedAt], checkpoints.at(-1)!]) {
    const rest = await run(progress);
    expect(known(rest.records)).toEqual(known(records));
    expect(rest.after).toEqual(after);
  }
});
