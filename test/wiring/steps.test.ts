/**
 * What every step of a run is sent, beside the pure draws: which samples in which order, their labels, transforms, rates,
 * the step's number and seed; and what a step does with rates, masks and decay, beside the gradients.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { augmentPresets, drawTransforms } from '../../src/data/augment.ts';
import { epochOrder, type Shuffle } from '../../src/data/batches.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input } from '../../src/graph/tensor.ts';
import { IDENTITY_TRANSFORM } from '../../src/kernels/augment/augment.ts';
import { buildNetwork } from '../../src/models/build.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { ImageData, TensorData, TrainingData } from '../../src/train/data.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { type FitSettings, type Progress, TrainingStep } from '../../src/train/fit.ts';
import { createModel, type MaskOptions, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { recordRuns, type SentRun } from '../support/record.ts';

const gpu = useGpu();
const side = 64;
const random = new Random(testSeed);
const drawnNetwork = alexnetSmall({ classes: 3, seed: 3, filters: [4, 4, 4, 4, 4], hidden: 8 });
/** Biases of 0 would show nothing of their decay. */
const network = {
  ...drawnNetwork,
  parameters: new Map(
    [...drawnNetwork.parameters].map(([name, { shape, data }]) => [
      name,
      { shape, data: name.endsWith('.bias') ? data.map(() => 0.1 * random.normal()) : data },
    ]),
  ),
};
const newParameters = ['fc8.weight', 'fc8.bias'];
/** 11 samples in batches of 3: two are left over in every epoch. */
const labels = Uint32Array.from({ length: 11 }, () => random.integer(3));
const images: ImageData = {
  kind: 'images',
  pixels: Uint8Array.from({ length: 11 * side * side * 4 }, () => random.integer(256)),
  height: side,
  width: side,
  labels,
};
const tensors: TensorData = {
  kind: 'tensors',
  values: Float32Array.from({ length: 11 * 3 * side * side }, () => random.normal()),
  shape: [3, side, side],
  labels,
};
const settings: FitSettings = {
  learningRate: 0.002,
  momentum: 0.9,
  weightDecay: 0.001,
  batchSize: 3,
  epochs: 3,
  shuffle: 'every-epoch',
  augment: augmentPresets.paper,
  dropout: true,
  seed: 7,
};

let recording: ReturnType<typeof recordRuns> | undefined;
afterEach(() => {
  recording?.stop();
  recording = undefined;
});

interface Trained {
  /** of the training step alone */
  readonly sent: readonly SentRun[];
  readonly losses: readonly number[];
  readonly model: Model;
}

async function train(
  device: Gpu,
  data: TrainingData,
  own: Partial<FitSettings> = {},
  masks: Partial<MaskOptions> = {},
  from?: Progress,
): Promise<Trained> {
  const model = createModel(network);
  setMasks(model, { freeze: 'none', newParameters, newLayerFactor: 10, ...masks });
  const all = { ...settings, ...own };
  const step = await TrainingStep.compile(device, model, data, all);
  recording = recordRuns();
  const records = await step.fit(all, {}, from).finally(() => recording!.stop());
  const sent = recording.runs.filter(({ graph }) => graph === step.graph);
  step.destroy();
  return { sent, losses: records.map(({ loss }) => loss), model };
}

/** The samples of every step by the pure draw, incomplete batches left out. */
const drawn = ({ epochs, shuffle, seed, batchSize }: FitSettings) =>
  Array.from({ length: epochs }, (_, epoch) => {
    const order = Array.from(epochOrder(labels.length, { shuffle, seed, epoch }));
    return Array.from({ length: Math.floor(labels.length / batchSize) }, (_, i) => ({
      epoch,
      samples: order.slice(i * batchSize, (i + 1) * batchSize),
    }));
  }).flat();

const pixelsOf = (samples: readonly number[]) => {
  const all = new Uint32Array(images.pixels.buffer);
  return samples.flatMap((i) => Array.from(all.subarray(i * side * side, (i + 1) * side * side)));
};

describe('every step is sent what is drawn for it', () => {
  /** A binding that holds a batch of the network's input, and not all images. */
  const small = useGpu({ limits: { maxBinding: 160 * 1024 } });

  it.each(['every-epoch', 'once', 'never'] as Shuffle[])('of images on the device, shuffled %s', async (shuffle) => {
    const { sent, model } = await train(gpu(), images, { shuffle });
    const steps = drawn({ ...settings, shuffle });
    expect(sent.length).toBe(9);
    for (const [i, { epoch, samples }] of steps.entries()) {
      const { step, values } = sent[i];
      const { learningRate, momentum, weightDecay, seed } = settings;
      expect(step, `step ${i}`).toMatchObject({ learningRate, momentum, weightDecay, seed, step: i });
      const transforms = drawTransforms(settings.augment, { seed, epoch, samples, height: side, width: side });
      expect(values['source'], `step ${i}`).toEqual(samples);
      expect(values['labels'], `step ${i}`).toEqual(samples.map((at) => labels[at]));
      expect(values['transforms'], `step ${i}`).toEqual(Array.from(transforms));
    }
    releaseModel(gpu(), model);
  });

  it('of images that the device does not hold, in the same bits', async () => {
    const resident = await train(gpu(), images);
    const sentByBatch = await train(small(), images);
    for (const [i, { samples }] of drawn(settings).entries()) {
      const { values } = sentByBatch.sent[i];
      expect(values['images'].length).toBe(3 * side * side);
      expect(values['images'], `step ${i}`).toEqual(pixelsOf(samples));
      expect(values['transforms'], `step ${i}`).toEqual(resident.sent[i].values['transforms']);
      expect(values['labels'], `step ${i}`).toEqual(resident.sent[i].values['labels']);
    }
    // Written once: which of the images sent each place of the batch shows.
    expect(sentByBatch.losses).toEqual(resident.losses);
    releaseModel(gpu(), resident.model);
    releaseModel(small(), sentByBatch.model);
  });

  it('of tensors', async () => {
    const { sent, model } = await train(gpu(), tensors, { epochs: 1 });
    const item = 3 * side * side;
    for (const [i, { samples }] of drawn({ ...settings, epochs: 1 }).entries()) {
      const expected = samples.flatMap((at) => Array.from(tensors.values.subarray(at * item, (at + 1) * item)));
      expect(sent[i].values[network.inputs[0].name], `step ${i}`).toEqual(expected);
      expect(sent[i].values['labels'], `step ${i}`).toEqual(samples.map((at) => labels[at]));
    }
    releaseModel(gpu(), model);
  });

  it('of what frozen layers make of them, each sample its own', async () => {
    const augment = augmentPresets.none;
    const { sent, model } = await train(gpu(), tensors, { augment, dropout: false, epochs: 2 }, { freeze: 6 });
    // Behind pool2: what the network makes of each sample alone, in a graph of its own.
    const x = input('x', [1, 3, side, side]);
    const built = buildNetwork(network, { batch: 1, parameters: model.parameters, image: x });
    const cut = network.nodes.find(({ name }) => name === 'pool2')!.outputs[0];
    const graph = await compile(gpu(), { outputs: [built.values.get(cut)!] });
    const features: number[][] = [];
    for (let i = 0; i < labels.length; i++) {
      graph.write(x, tensors.values.slice(i * x.size, (i + 1) * x.size));
      await graph.run();
      features.push(Array.from(await graph.read(built.values.get(cut)!)));
    }
    graph.destroy();
    for (const [i, { samples }] of drawn({ ...settings, epochs: 2 }).entries()) {
      expectClose(
        sent[i].values[cut],
        samples.flatMap((at) => features[at]),
        undefined,
        `step ${i}`,
      );
      expect(sent[i].values['labels'], `step ${i}`).toEqual(samples.map((at) => labels[at]));
    }
    releaseModel(gpu(), model);
  });

  it.each(['sgdm', 'adam', 'adamw'] as const)('after a checkpoint, too, by %s', async (optimizer) => {
    const model = createModel(network);
    setMasks(model, { freeze: 'none', newParameters, newLayerFactor: 10 });
    const own: FitSettings = { ...settings, optimizer };
    const step = await TrainingStep.compile(gpu(), model, images, own);
    let from: Progress | undefined;
    recording = recordRuns();
    const onCheckpoint = async (epoch: number, progress: Progress) => {
      if (epoch === 0) from = progress;
    };
    const whole = await step.fit(own, { onCheckpoint });
    const first = recording.runs.splice(0);
    // Whatever training left is overwritten by the checkpoint.
    const rest = await step.fit(own, {}, from);
    expect(recording.runs.map(({ step, values }) => ({ step, values }))).toEqual(
      first.slice(3).map(({ step, values }) => ({ step, values })),
    );
    expect(rest.map(({ loss }) => loss)).toEqual(whole.map(({ loss }) => loss));
    step.destroy();
    releaseModel(gpu(), model);
  });

  it('the test part: in order, unchanged, the last batch filled up', async () => {
    for (const device of [gpu(), small()]) {
      const model = createModel(network);
      const evaluator = await Evaluator.compile(device, model, images, 3);
      recording = recordRuns();
      const { probabilities } = await evaluator.run();
      recording.stop();
      expect(recording.runs.length).toBe(4);
      for (const [i, { values }] of recording.runs.entries()) {
        const samples = [3 * i, 3 * i + 1, 3 * i + 2].map((at) => (at < 11 ? at : 3 * i));
        if (device === gpu()) expect(values['source']).toEqual(samples);
        else expect(values['images']).toEqual(pixelsOf(samples));
        expect(values['transforms']).toEqual(samples.flatMap(() => [...IDENTITY_TRANSFORM]));
      }
      expect(probabilities.length).toBe(33);
      evaluator.destroy();
      releaseModel(device, model);
    }
  });
});

describe('what a step does', () => {
  /** The gradients of the mean loss of these samples at the network's own weights, w, and its logits, by graph. */
  async function gradientsOf(samples: readonly number[], classWeights?: readonly number[]) {
    const model = createModel(network);
    const x = input('x', [samples.length, 3, side, side]);
    const y = input('y', [samples.length], 'u32');
    const built = buildNetwork(network, {
      batch: samples.length,
      parameters: model.parameters,
      image: x,
      withoutDropout: true,
    });
    const loss = softmaxCrossEntropy(built.logits, y, classWeights);
    const parameters = [...model.parameters.values()];
    const graph = await compile(gpu(), { loss, outputs: [built.logits, loss], gradients: parameters });
    const item = 3 * side * side;
    const values = new Float32Array(x.size);
    for (const [i, at] of samples.entries()) values.set(tensors.values.subarray(at * item, (at + 1) * item), i * item);
    graph.write(x, values);
    graph.write(
      y,
      Uint32Array.from(samples, (at) => labels[at]),
    );
    await graph.run();
    const gradients = new Map<string, Float32Array>();
    for (const parameter of parameters) gradients.set(parameter.name, await graph.readGradient(parameter));
    const logits = await graph.read(built.logits);
    graph.destroy();
    releaseModel(gpu(), model);
    return { gradients, logits };
  }

  it('is the rate times the mask times the gradient, and decay of weights alone; nothing below the frost line', async () => {
    const own = { ...settings, epochs: 1, batchSize: 11, momentum: 0, dropout: false, weightDecay: 0.5 };
    const augment = augmentPresets.none;
    const order = Array.from(epochOrder(11, { ...own, epoch: 0 }));
    const { gradients } = await gradientsOf(order);
    for (const freeze of ['none', 6, 'all']) {
      const { model } = await train(gpu(), tensors, { ...own, augment }, { freeze });
      for (const [name, parameter] of model.parameters) {
        const before = network.parameters.get(name)!.data;
        const after = await parameter.read(gpu());
        const frozen = freeze === 'all' ? !name.startsWith('fc8') : freeze === 6 && /^conv[12]\./.test(name);
        if (frozen) {
          expect(after, `${freeze}: ${name}`).toEqual(new Float32Array(before));
          continue;
        }
        const mask = name.startsWith('fc8') ? 10 : 1;
        const decay = name.endsWith('.weight') ? 0.5 : 0;
        const expected = Array.from(gradients.get(name)!, (g, i) => before[i] - 0.002 * mask * (g + decay * before[i]));
        expectClose(after, expected, { absolute: 1e-6, relative: 1e-5 }, `${freeze}: ${name}`);
      }
      releaseModel(gpu(), model);
    }
  });

  it.each(['adam', 'adamw'] as const)('is that of %s, with its own epsilon', async (optimizer) => {
    const own = { ...settings, epochs: 1, batchSize: 11, momentum: 0.8, dropout: false, weightDecay: 0.5 };
    const augment = augmentPresets.none;
    const { gradients } = await gradientsOf(Array.from(epochOrder(11, { ...own, epoch: 0 })));
    // An epsilon that shows.
    const adam = { optimizer, secondMomentum: 0.9, epsilon: 0.01 };
    const { model, sent } = await train(gpu(), tensors, { ...own, ...adam, augment }, { freeze: 6 });
    expect(sent[0].step).toMatchObject({ momentum: 0.8, secondMomentum: 0.9, epsilon: 0.01, step: 0 });
    for (const [name, parameter] of model.parameters) {
      const before = network.parameters.get(name)!.data;
      const mask = /^conv[12]\./.test(name) ? 0 : name.startsWith('fc8') ? 10 : 1;
      const decay = name.endsWith('.weight') ? 0.5 : 0;
      // Of the first step both means are corrected to what they are made of: the gradient, and its square.
      const expected = Array.from(gradients.get(name)!, (own, i) => {
        const [inside, beside] = optimizer === 'adam' ? [decay * before[i], 0] : [0, decay * before[i]];
        const g = own + inside;
        return before[i] - 0.002 * mask * (g / (Math.abs(g) + 0.01) + beside);
      });
      expectClose(await parameter.read(gpu()), expected, { absolute: 2e-6, relative: 1e-5 }, name);
    }
    releaseModel(gpu(), model);
  });

  it.each([0, 0.25])('tells the loss and the share right before it, with class weights, smoothed %s', async (share) => {
    const classWeights = [0.5, 2, 1];
    const labelSmoothing = share === 0 ? undefined : share;
    const smoothed = { classWeights, labelSmoothing };
    const own = { epochs: 1, batchSize: 11, dropout: false, augment: augmentPresets.none, ...smoothed };
    const order = Array.from(epochOrder(11, { ...settings, ...own, epoch: 0 }));
    const { logits } = await gradientsOf(order);
    let [loss, weights, right] = [0, 0, 0];
    for (const [i, at] of order.entries()) {
      const row = Array.from(logits.subarray(3 * i, 3 * i + 3));
      const largest = Math.max(...row);
      const sum = row.reduce((total, z) => total + Math.exp(z - largest), 0);
      const lossAs = (label: number) => classWeights[label] * (Math.log(sum) + largest - row[label]);
      loss += (1 - share) * lossAs(labels[at]) + (share / 3) * (lossAs(0) + lossAs(1) + lossAs(2));
      weights += classWeights[labels[at]];
      if (row.indexOf(largest) === labels[at]) right++;
    }
    const model = createModel(network);
    setMasks(model, { freeze: 'none', newParameters, newLayerFactor: 10 });
    const step = await TrainingStep.compile(gpu(), model, tensors, { ...settings, ...own });
    const [record] = await step.fit({ ...settings, ...own });
    expect(record.loss).toBeCloseTo(loss / weights, 4);
    expect(record.accuracy).toBeCloseTo(right / 11, 6);
    step.destroy();
    releaseModel(gpu(), model);
  });

  it('shows the fill that is asked for where a transform leaves the image', async () => {
    const outside = { ...augmentPresets.none, translate: [2, 2], fill: 200 } as const;
    const plain = { ...images, pixels: new Uint8Array(images.pixels.length).fill(200) };
    const shown = await train(gpu(), images, { augment: outside, epochs: 1 });
    const expected = await train(gpu(), plain, { augment: augmentPresets.none, epochs: 1 });
    expect(shown.losses).toEqual(expected.losses);
    for (const { model } of [shown, expected]) releaseModel(gpu(), model);
  });

  it('draws other masks of dropout at each step, and the same for one seed', async () => {
    // At rate 0 nothing but the masks changes; without a shuffle and augmentation every epoch is the same.
    const own = { learningRate: 0, shuffle: 'never', augment: augmentPresets.none, batchSize: 11, epochs: 4 } as const;
    const [one, again, other] = [
      await train(gpu(), tensors, own),
      await train(gpu(), tensors, own),
      await train(gpu(), tensors, { ...own, seed: 8 }),
    ];
    expect(new Set([...one.losses, ...other.losses]).size).toBe(8);
    expect(again.losses).toEqual(one.losses);
    const without = await train(gpu(), tensors, { ...own, dropout: false });
    expect(new Set(without.losses).size).toBe(1);
    for (const { model } of [one, again, other, without]) releaseModel(gpu(), model);
  });
});
