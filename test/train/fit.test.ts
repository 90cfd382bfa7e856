/** How the host drives training: what is under way at a time, and when a loss is read. */
import { expect, it, vi } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { TrainingStep } from '../../src/train/fit.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
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
