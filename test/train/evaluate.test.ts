import { expect, it } from 'vitest';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { DivergedError } from '../../src/train/diverged.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { createModel, releaseModel } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

it('a network of two inputs is refused: only one is fed', async () => {
  const network = alexnetSmall({ classes: 2, filters: [4, 4, 4, 4, 4], hidden: 8 });
  const model = createModel({ ...network, inputs: [...network.inputs, { name: 'age', shape: [1] }] });
  const data: TrainingData = {
    kind: 'tensors',
    values: new Float32Array(2 * 3 * 64 * 64),
    shape: [3, 64, 64],
    labels: Uint32Array.of(0, 1),
  };
  await expect(Evaluator.compile(gpu(), model, data, 2)).rejects.toThrow(/has 2 inputs, data, age; one is expected/);
});

it('weights that the last update overflowed are a divergence, not a class', async () => {
  const model = createModel(alexnetSmall({ classes: 2, filters: [4, 4, 4, 4, 4], hidden: 8 }));
  const images = 3 * 64 * 64;
  const data: TrainingData = {
    kind: 'tensors',
    // The first sample is finite with any finite weights: only the second shows what is wrong.
    values: new Float32Array(3 * images).fill(Number.NaN, images, images + 1),
    shape: [3, 64, 64],
    labels: new Uint32Array(3),
  };
  const evaluator = await Evaluator.compile(gpu(), model, data, 2);
  await expect(evaluator.run()).rejects.toThrow(/probabilities for sample 1 are not finite.*smaller learning rate/);
  await expect(evaluator.run()).rejects.toBeInstanceOf(DivergedError);
  evaluator.destroy();
  releaseModel(gpu(), model);
});
