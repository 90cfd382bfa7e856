/** Runs of several phases: what goes over from one to the next, and that a run that was stopped ends in the same bits. */
import { expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { freezePoints } from '../../src/models/layers.ts';
import type { Network } from '../../src/models/network.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { createModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { type PhaseMasks, PhaseSteps, type RunHooks, type RunProgress, trainPhases } from '../../src/train/phases.ts';
import { phasesOf, type Training } from '../../src/train/strategy.ts';
import { useGpu } from '../support/gpu.ts';
import { narrowResnet } from '../support/resnet.ts';
import { stripedTensors as data } from '../support/striped-tensors.ts';

const gpu = useGpu();
const network = alexnetSmall({ classes: 2, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 });
const masks: PhaseMasks = { newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 };
const settings: FitSettings = {
  optimizer: 'adam',
  batchSize: 2,
  dropout: true,
  augment: augmentPresets.none,
  learningRate: 0.001,
  momentum: 0.9,
  weightDecay: 1e-3,
  epochs: 2,
  shuffle: 'every-epoch',
  seed: 1,
  schedule: { kind: 'cosine' },
};
const plain = { network, data, masks };
/** Trains conv1, leaves it as it has become, comes back to it: every kind of going over. */
const phased: Training = {
  freeze: 'none',
  strategy: {
    kind: 'phases',
    name: 'mine',
    phases: [
      { train: ['new', 'conv1'], epochs: 1 },
      { train: ['conv4..conv5', 'new'], rate: 0.5 },
      { train: ['conv1'], epochs: 2 },
    ],
  },
};

async function valuesOf(model: Model): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, parameter] of model.parameters) values.set(name, await parameter.read(gpu()));
  return values;
}

async function train(
  training: Training,
  hooks: RunHooks = {},
  from?: RunProgress,
  own: Partial<FitSettings> = {},
  { network, data, masks }: typeof plain = plain,
) {
  const model = createModel(network);
  const fit = { ...settings, ...own };
  const steps = new PhaseSteps(gpu(), model, data, masks, fit);
  try {
    const phases = phasesOf(network, training, fit);
    await steps.first(phases[0]);
    const run = await trainPhases(gpu(), model, steps, phases, masks, fit, hooks, from);
    return { ...run, losses: run.records.map(({ loss }) => loss), values: await valuesOf(model) };
  } finally {
    steps.destroy();
    releaseModel(gpu(), model);
  }
}

/** The network with other values. */
const withValues = (values: ReadonlyMap<string, Float32Array>): Network => ({
  ...network,
  parameters: new Map(
    [...network.parameters].map(([name, { shape }]) => [name, { shape, data: values.get(name)! as never }]),
  ),
});

it.each([
  ['whose draws go on', {}, true],
  ['that knows nothing of it, where nothing is drawn', { shuffle: 'never', dropout: false }, false],
] as const)('is what two runs are, the second from where the first ended: a run %s', async (_, own, goesOn) => {
  const { losses, values, records, phases } = await train(
    { freeze: 6, strategy: { kind: 'head-first', epochs: 1 } },
    {},
    undefined,
    own,
  );
  expect(phases).toEqual([
    { name: 'the new layer', from: 0, epochs: 1 },
    { name: 'all that is not frozen', from: 1, epochs: 2 },
  ]);
  expect(records.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(records.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);

  let before = new Map([...network.parameters].map(([name, { data }]) => [name, Float32Array.from(data)]));
  const expected: number[] = [];
  for (const [freeze, epochs, start] of [
    ['all', 1, { step: 0, epoch: 0 }],
    [6, 2, { step: 4, epoch: 1 }],
  ] as const) {
    const model = createModel(withValues(before));
    setMasks(model, { freeze, ...masks });
    const step = await TrainingStep.compile(gpu(), model, data, { ...settings, ...own });
    expected.push(
      ...(await step.fit({ ...settings, ...own, epochs }, {}, goesOn ? { start } : {})).map(({ loss }) => loss),
    );
    before = (await valuesOf(model)) as typeof before;
    step.destroy();
    releaseModel(gpu(), model);
  }
  expect(losses).toEqual(expected);
  expect(values).toEqual(before);
});

it('goes on from any checkpoint to the same bits, within a phase and between two', async () => {
  const saved: RunProgress[] = [];
  const onCheckpoint = async (progress: RunProgress) => {
    saved.push(progress);
  };
  const whole = await train(phased, { onCheckpoint });
  expect(whole.phases.map(({ epochs }) => epochs)).toEqual([1, 2, 2]);
  expect(saved.map(({ done, records, state }) => [done.length, records.length, state.length > 0])).toEqual([
    [1, 4, false],
    [1, 8, true],
    [2, 12, false],
    [2, 16, true],
  ]);
  // The half of the rate, down its own half cosine.
  expect(whole.records[4].learningRate).toBe(0.0005);
  expect(whole.records[12].learningRate).toBe(0.001);
  for (const from of saved) {
    const { losses, values, phases } = await train(phased, {}, from);
    expect(losses).toEqual(whole.losses);
    expect(values).toEqual(whole.values);
    expect(phases).toEqual(whole.phases);
  }
});

it('running statistics that an earlier phase moved go over, and through a checkpoint', async () => {
  const resnet = narrowResnet(8);
  const small: TrainingData = {
    kind: 'tensors',
    values: Float32Array.from({ length: 8 * 216 }, (_, i) => ((i * 31) % 17) / 17 - 0.4),
    shape: [3, 9, 8],
    labels: Uint32Array.from({ length: 8 }, (_, i) => i % 4),
  };
  const [first, head] = [freezePoints(resnet)[0].name, freezePoints(resnet).at(-1)!];
  const own = { network: resnet, data: small, masks: { newParameters: head.parameters, newLayerFactor: 10 } };
  const phases = [{ train: [first], epochs: 1 }, { train: ['new'] }];
  const training: Training = { freeze: 'none', strategy: { kind: 'phases', name: 'x', phases } };
  const saved: RunProgress[] = [];
  const onCheckpoint = async (progress: RunProgress) => {
    saved.push(progress);
  };
  const settings = { batchStatistics: true };
  const whole = await train(training, { onCheckpoint }, undefined, settings, own);
  const moved = [...whole.values].filter(([name, values]) =>
    values.some((value, i) => value !== resnet.parameters.get(name)!.data[i]),
  );
  expect(moved.some(([name]) => /running/.test(name))).toBe(true);
  expect(saved.length).toBe(2);
  for (const from of saved) expect((await train(training, {}, from, settings, own)).values).toEqual(whole.values);
});

it('a phase that stops early hands on its best epoch, and the next begins to watch anew', async () => {
  const training: Training = {
    freeze: 6,
    strategy: {
      kind: 'phases',
      name: 'x',
      phases: [{ train: ['new'], 'early-stopping': 1, epochs: 4 }, { train: ['fc7'] }],
    },
  };
  const answers = [1, 2, 3, 4];
  const validate = async () => ({ validationLoss: answers.shift()!, accuracy: 0, f1: 0 });
  const stopped = await train(training, { validate });
  expect(stopped.phases).toEqual([
    { name: 'new', from: 0, epochs: 2 },
    { name: 'fc7', from: 2, epochs: 2 },
  ]);
  expect(stopped.epochs.map(({ epoch, best }) => [epoch, best])).toEqual([
    [0, true],
    [1, false],
    [2, true],
    [3, false],
  ]);
  // The head is that of its first epoch: the schedule is not the shorter run's, so the rate is constant.
  const constant = { schedule: undefined };
  answers.push(1, 2, 3, 4);
  const early = await train(training, { validate }, undefined, constant);
  const short = await train(
    { freeze: 'none', strategy: { kind: 'phases', name: 'x', phases: [{ train: ['new'], epochs: 1 }] } },
    {},
    undefined,
    constant,
  );
  expect(early.values.get('fc8.weight')).toEqual(short.values.get('fc8.weight'));
  expect(early.values.get('fc7.weight')).not.toEqual(short.values.get('fc7.weight'));
});
