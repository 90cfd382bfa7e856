/**
 * What would be of no one state of the parameters, since they are trained meanwhile: refused, or taken in turns that are
 * told of.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { createModel, exportModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const data: TrainingData = {
  kind: 'tensors',
  values: Float32Array.from({ length: 8 * 3 * 64 * 64 }, (_, i) => ((i * 7) % 13) / 13),
  shape: [3, 64, 64],
  labels: Uint32Array.from({ length: 8 }, (_, i) => i % 2),
};
const settings: FitSettings = {
  batchSize: 2,
  epochs: 2,
  learningRate: 0.01,
  momentum: 0.9,
  weightDecay: 0,
  shuffle: 'never',
  seed: 1,
  dropout: false,
  augment: augmentPresets.none,
};

let model: Model;
let step: TrainingStep;
let evaluator: Evaluator;
beforeAll(async () => {
  const network = alexnetSmall({ classes: 2, filters: [4, 4, 4, 4, 4], hidden: 8 });
  model = createModel(network);
  setMasks(model, { freeze: 'none', newParameters: [], newLayerFactor: 1, rules: [] });
  step = await TrainingStep.compile(gpu(), model, data, settings);
  evaluator = await Evaluator.compile(gpu(), model, data, 2);
});
afterAll(() => {
  step.destroy();
  evaluator.destroy();
  releaseModel(gpu(), model);
});

it('another step that trains the same parameters waits for its turn', async () => {
  const other = await TrainingStep.compile(gpu(), model, data, settings);
  const first = step.fit(settings);
  await expect(other.fit(settings)).rejects.toThrow(
    /another fit is under way that changes .*, too, and each would train what the other left. Await it first/,
  );
  expect((await first).length).toBe(8);
  expect((await other.fit(settings)).length).toBe(8);
  other.destroy();
});

it('one that was aborted, too, gives way', async () => {
  await expect(step.fit(settings, { signal: AbortSignal.abort() })).rejects.toThrow();
  expect((await step.fit(settings)).length).toBe(8);
});

const CHANGED = /was changed meanwhile, by a step of training or values that were written.*Await the fit first/;

it('an evaluation is of one state, or refused', async () => {
  let evaluation: Promise<unknown> | undefined;
  const onStep = ({ step: at }: { step: number }) => {
    if (at === 1) evaluation = evaluator.run().catch((error) => error);
  };
  await step.fit(settings, { onStep });
  expect(String(await evaluation)).toMatch(CHANGED);
  // Between epochs nothing is trained.
  const validate = async () => {
    const { predictions } = await evaluator.run();
    return { loss: predictions.length, accuracy: 0 } as never;
  };
  expect((await step.fit(settings, { validate })).length).toBe(8);
});

it('an export is of one state, or refused', async () => {
  let exported: Promise<unknown> | undefined;
  const onStep = ({ step: at }: { step: number }) => {
    if (at === 1) exported = exportModel(gpu(), model).catch((error) => error);
  };
  await step.fit(settings, { onStep });
  expect(String(await exported)).toMatch(CHANGED);
  await exportModel(gpu(), model);
});

async function training(weight: Parameter) {
  const [x, labels] = [input('x', [2, 3]), input('labels', [2], 'u32')];
  const graph = await compile(gpu(), { loss: softmaxCrossEntropy(linear(x, weight), labels), update: true });
  graph.write(x, Float32Array.of(1, -2, 3, -1, 2, 0.5));
  graph.write(labels, Uint32Array.of(0, 1));
  graph.setStep({ learningRate: 0.1, momentum: 0, weightDecay: 0, step: 0, seed: 1 });
  return graph;
}

it('the state of a graph is of one time, or refused', async () => {
  const weights = () => new Parameter('weight', [2, 3], new Float32Array(6).fill(0.1));
  const weight = weights();
  const graph = await training(weight);
  for (const read of [() => graph.readState(), () => graph.readValues()]) {
    const reading = read();
    await graph.run();
    await expect(reading).rejects.toThrow(CHANGED);
    expect((await read())[0].byteLength).toBe(24);
  }
  graph.destroy();
  weight.release(gpu());
});

it('graphs that train the same parameters take turns, in the order of their runs', async () => {
  const weights = () => new Parameter('weight', [2, 3], new Float32Array(6).fill(0.1));
  const [shared, alone] = [weights(), weights()];
  const [a, b, one] = [await training(shared), await training(shared), await training(alone)];
  // None is awaited before the next is submitted.
  await Promise.all([a.run(), b.run(), a.run(), b.run()]);
  for (let i = 0; i < 4; i++) await one.run();
  expect(await shared.read(gpu())).toEqual(await alone.read(gpu()));
  for (const graph of [a, b, one]) graph.destroy();
  for (const parameter of [shared, alone]) parameter.release(gpu());
});
