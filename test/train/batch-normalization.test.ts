/**
 * Batch normalisation of a file through import, freezing, training and export: its scale and shift are parameters like
 * any other, its running statistics stand still or follow the batches.
 */
import { describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { aboutNormalization } from '../../src/models/describe.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { gradcheckNetwork } from '../../src/models/gradcheck.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { freezePoints, freezeThrough } from '../../src/models/layers.ts';
import type { Network } from '../../src/models/network.ts';
import { readModel } from '../../src/onnx/read.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { Random } from '../../src/random.ts';
import type { TensorData } from '../../src/train/data.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { type FitSettings, TrainingStep } from '../../src/train/fit.ts';
import { frozenHash, frozenRecord, frozenThroughout } from '../../src/train/frozen.ts';
import { createModel, exportModel, type Model, parseMaskRules, releaseModel, setMasks } from '../../src/train/model.ts';
import { GraphBuilder, int } from '../models/zoo-graphs.ts';
import { useGpu } from '../support/gpu.ts';
import { narrowResnet } from '../support/resnet.ts';

const gpu = useGpu();

const running = /running/;
const open = { newParameters: [], newLayerFactor: 10 };
const trainedNames = ({ parameters }: Model) => [...parameters.values()].filter((p) => p.trainable).map((p) => p.name);

describe('of a file', () => {
  const network = narrowResnet(2);

  it('is a layer with trained parameters and state, called after them, and comes back from ONNX as it was', () => {
    const norms = network.nodes.filter(({ op }) => op.kind === 'batchNormalization');
    expect(norms.map(({ name, number }) => [name, number])).toEqual([
      ['bn1', 3],
      ['layer1.bn1', 6],
      ['layer1.bn2', 9],
      ['layer2.bn1', 13],
      ['layer2.bn2', 16],
      ['layer2.downsample.1', 18],
    ]);
    expect(norms[0].op).toEqual({ kind: 'batchNormalization', epsilon: 1e-5, momentum: 0.875 });
    expect(norms[0].parameters).toEqual({
      ...{ scale: 'bn1.weight', shift: 'bn1.bias', mean: 'bn1.running_mean', variance: 'bn1.running_var' },
    });
    const again = importOnnx(readModel(writeModel(exportOnnx(network))));
    expect(again.nodes).toEqual(network.nodes);
    expect([...again.parameters.keys()].sort()).toEqual([...network.parameters.keys()].sort());
    for (const [name, { data }] of network.parameters) expect(again.parameters.get(name)!.data).toEqual(data);
  });

  it('stands still with the layer that it follows', () => {
    expect(freezePoints(network).map(({ number, name, parameters }) => [number, name, ...parameters])).toEqual([
      [2, 'conv1', 'conv1.weight', 'bn1.weight', 'bn1.bias'],
      [5, 'layer1.conv1', 'layer1.conv1.weight', 'layer1.bn1.weight', 'layer1.bn1.bias'],
      [8, 'layer1.conv2', 'layer1.conv2.weight', 'layer1.bn2.weight', 'layer1.bn2.bias'],
      [12, 'layer2.conv1', 'layer2.conv1.weight', 'layer2.bn1.weight', 'layer2.bn1.bias'],
      [15, 'layer2.conv2', 'layer2.conv2.weight', 'layer2.bn2.weight', 'layer2.bn2.bias'],
      [
        17,
        'layer2.downsample.0',
        'layer2.downsample.0.weight',
        'layer2.downsample.1.weight',
        'layer2.downsample.1.bias',
      ],
      [22, 'fc', 'fc.weight', 'fc.bias'],
    ]);
    expect([...freezeThrough(network, 2)]).toEqual(['conv1.weight', 'bn1.weight', 'bn1.bias']);
    for (const which of [3, 'bn1']) {
      expect(() => freezeThrough(network, which)).toThrow(
        `cannot freeze at '${which}': layer 'bn1' (batchNormalization) is frozen with 'conv1', which it follows. Give none,`,
      );
    }
    expect(() => freezeThrough(network, 4)).toThrow("layer 'bn1/y/relu' (relu) has no parameters");
  });

  it('before all learnable layers it stands still with the first, whatever the order of branches', () => {
    const g = new GraphBuilder();
    const norm = (x: string, name: string, channels: number) =>
      g.node(
        'BatchNormalization',
        [x, ...['weight', 'bias', 'mean', 'var'].map((role) => g.weight(`${name}.${role}`, channels))],
        `${name}/y`,
      );
    const conv = (x: string, name: string) => g.node('Conv', [x, g.weight(`${name}.weight`, 2, 2, 1, 1)], `${name}/y`);
    const data = norm('x', 'data', 2);
    // Both convolutions before both normalisations.
    const [a, b] = [conv(data, 'a'), conv(data, 'b')];
    const sum = g.node('Add', [norm(b, 'bn_b', 2), norm(a, 'bn_a', 2)], 'sum');
    const rows = g.node('Flatten', [norm(sum, 'last', 2)], 'rows', { axis: int(1) });
    const y = g.node('Gemm', [rows, g.weight('fc.weight', 8, 3)], 'y');
    const read = importOnnx(g.model(13, { name: 'x', dims: ['n', 2, 2, 2] }, y));
    expect(freezePoints(read).map(({ name, parameters }) => [name, ...parameters])).toEqual([
      ['a', 'a.weight', 'data.weight', 'data.bias', 'bn_a.weight', 'bn_a.bias'],
      ['b', 'b.weight', 'bn_b.weight', 'bn_b.bias', 'last.weight', 'last.bias'],
      ['fc', 'fc.weight'],
    ]);
  });

  it('parts what an exporter wrote once because it was equal, and keeps a layer that is applied twice', () => {
    const g = new GraphBuilder();
    const ones = g.floats('ones', [2], [1, 1]);
    const zeros = g.floats('zeros', [2], [0, 0]);
    const half = g.floats('half', [2], [0.5, 0.5]);
    const norm = (x: string, y: string, ...names: string[]) => g.node('BatchNormalization', [x, ...names], y, {}, y);
    const first = norm('x', 'first', ones, zeros, zeros, ones);
    const second = norm(first, 'second', ones, zeros, zeros, half);
    const y = norm(second, 'third', ones, zeros, zeros, ones);
    const { nodes, parameters } = importOnnx(g.model(13, { name: 'x', dims: ['n', 2, 2, 2] }, y));
    expect(nodes.map(({ parameters: roles }) => Object.values(roles))).toEqual([
      ['ones', 'zeros', 'zeros@first.mean', 'ones@first.variance'],
      ['ones@second.scale', 'zeros@second.shift', 'zeros@second.mean', 'half'],
      ['ones', 'zeros', 'zeros@first.mean', 'ones@first.variance'],
    ]);
    expect([...parameters.get('ones@second.scale')!.data]).toEqual([1, 1]);
    const again = importOnnx(exportOnnx(importOnnx(g.model(13, { name: 'x', dims: ['n', 2, 2, 2] }, y))));
    expect(again.nodes).toEqual(nodes);
  });

  it('says what training does about it', () => {
    expect(aboutNormalization(network)).toMatch(/^6 of batch: scale and shift are trained.*--batch-norm batch/);
    expect(aboutNormalization(network, true)).toMatch(/each batch's statistics count/);
    const none = { ...network, nodes: network.nodes.filter(({ op }) => op.kind !== 'batchNormalization') };
    expect(aboutNormalization(none)).toBeUndefined();
  });

  it('is trained where nothing is frozen, and masked by name; its statistics never are', () => {
    const model = createModel(network);
    setMasks(model, { ...open, freeze: 'none' });
    expect(trainedNames(model)).toEqual([...network.parameters.keys()].filter((name) => !running.test(name)));
    setMasks(model, { ...open, freeze: 'none', rules: parseMaskRules(['*=0', 'bn1.scale=3', 'layer1.bn*.shift=0']) });
    expect(trainedNames(model)).toEqual(['bn1.weight']);
    expect(model.parameters.get('bn1.weight')!.mask).toBe(3);
    for (const pattern of ['*running*=1', 'bn1.mean=1']) {
      expect(() => setMasks(model, { ...open, freeze: 'none', rules: parseMaskRules([pattern]) })).toThrow(
        'matches no parameter',
      );
    }
  });
});

it('of a whole network has the derivative that differences show', async () => {
  const { inputs } = await gradcheckNetwork(gpu(), narrowResnet(4), { batch: 2, seed: 3 });
  const names = inputs.map(({ name }) => name);
  expect(names).toContain('layer2.downsample.1.weight');
  expect(names.filter((name) => running.test(name))).toEqual([]);
});

describe('in training', () => {
  const fit: FitSettings = {
    ...{
      learningRate: 0.01,
      momentum: 0.9,
      weightDecay: 1e-4,
      batchSize: 4,
      epochs: 2,
      shuffle: 'every-epoch',
      seed: 1,
    },
    ...{ augment: augmentPresets.none, dropout: false },
  };
  const network: Network = narrowResnet(8);
  const random = new Random(5);
  const shape = [3, 9, 8];
  const data: TensorData = {
    kind: 'tensors',
    shape,
    values: Float32Array.from({ length: 12 * 216 }, () => random.normal()),
    labels: Uint32Array.from({ length: 12 }, (_, i) => i % 4),
  };

  /** Names of the parameters whose bits a run changes, and the model behind it. */
  async function changed(freeze: string, settings: FitSettings, use: (model: Model) => Promise<void> = async () => {}) {
    const model = createModel(network);
    setMasks(model, { ...open, freeze });
    const names = [...model.parameters].flatMap(([name, { trainable }]) => (trainable ? [name] : []));
    const stands = frozenThroughout(model, [new Set(names)]);
    const before = await frozenHash(gpu(), model, stands);
    const step = await TrainingStep.compile(gpu(), model, data, settings);
    await step.fit(settings);
    step.destroy();
    await frozenRecord(gpu(), model, stands, before);
    const moved: string[] = [];
    for (const [name, parameter] of model.parameters) {
      const now = await parameter.read(gpu());
      if (now.some((value, i) => value !== network.parameters.get(name)!.data[i])) moved.push(name);
    }
    await use(model);
    releaseModel(gpu(), model);
    return moved;
  }
  const all = [...network.parameters.keys()];
  const late = all.filter((name) => name.startsWith('layer2') || name.startsWith('fc'));
  const still = (names: readonly string[]) => names.filter((name) => !running.test(name));

  it('running statistics stand still, unless they are asked to follow', async () => {
    expect(await changed('none', fit)).toEqual(still(all));
    expect(await changed('none', { ...fit, batchStatistics: true })).toEqual(all);
  });

  it('frozen layers keep their statistics, and their function, with either', async () => {
    expect(await changed('layer1.conv2', fit)).toEqual(still(late));
    expect(await changed('layer1.conv2', { ...fit, batchStatistics: true })).toEqual(late);
  });

  it('what is frozen is computed once, with the same bits as in every step', async () => {
    for (const batchStatistics of [false, true]) {
      const results: Float32Array[][] = [];
      for (const reuse of [true, false]) {
        const model = createModel(network);
        setMasks(model, { ...open, freeze: 'layer1.conv2' });
        const settings = { ...fit, batchStatistics };
        const step = await TrainingStep.compile(gpu(), model, data, settings, { reuse });
        await step.fit(settings);
        step.destroy();
        results.push(await Promise.all([...model.parameters.values()].map((parameter) => parameter.read(gpu()))));
        releaseModel(gpu(), model);
      }
      expect(results[0]).toEqual(results[1]);
    }
  });

  it('a trained network comes back from its file with its statistics, and says the same of every image', async () => {
    await changed('none', { ...fit, batchStatistics: true }, async (model) => {
      const again = importOnnx(readModel(writeModel(await exportModel(gpu(), model))));
      const probabilities: Float32Array[] = [];
      const restored = createModel(again);
      expect(again.nodes).toEqual(network.nodes);
      for (const one of [model, restored]) {
        // Another batch than in training, so that it is the running statistics which are looked at.
        const evaluator = await Evaluator.compile(gpu(), one, data, 3);
        probabilities.push((await evaluator.run()).probabilities);
        evaluator.destroy();
      }
      releaseModel(gpu(), restored);
      expect(probabilities[1]).toEqual(probabilities[0]);
    });
  });

  it('by the batch needs two values a channel', async () => {
    const g = new GraphBuilder();
    const names = ['s', 'b', 'm', 'v'].map((name) => g.floats(name, [3], [1, 2, 3]));
    const normalised = g.node('BatchNormalization', ['x', ...names], 'n', {}, 'norm');
    g.node('Gemm', [normalised, g.weight('w', 3, 2)], 'y');
    const rows = importOnnx(g.model(13, { name: 'x', dims: ['n', 3] }, 'y'));
    const model = createModel(rows);
    setMasks(model, { ...open, freeze: 'none' });
    const one: TensorData = { kind: 'tensors', shape: [3], values: new Float32Array(6), labels: Uint32Array.of(0, 1) };
    const settings = { ...fit, batchSize: 1, batchStatistics: true };
    await expect(TrainingStep.compile(gpu(), model, one, settings)).rejects.toThrow(
      'norm: [1, 3, 1] has one value a channel, whose variance over the batch is 0. Use a larger batch, or the running',
    );
  });
});
