import { describe, expect, it, vi } from 'vitest';
import { type AugmentPreset, augmentPresets } from '../../src/data/augment.ts';
import { lastFixedValue, splitNetwork } from '../../src/models/split.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { FeatureStore } from '../../src/train/feature-store.ts';
import { TrainingStep } from '../../src/train/fit.ts';
import { createModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const network = alexnetSmall({ classes: 2, seed: 3, filters: [8, 12, 16, 16, 12], hidden: 32 });
const gpu = useGpu();

function tensors(count: number): TrainingData {
  const random = new Random(testSeed);
  const values = Float32Array.from({ length: count * 3 * 64 * 64 }, () => random.normal());
  return { kind: 'tensors', values, shape: [3, 64, 64], labels: Uint32Array.from({ length: count }, (_, i) => i % 2) };
}

const images = (count: number): TrainingData => ({
  kind: 'images',
  pixels: Uint8Array.from({ length: count * 64 * 64 * 4 }, (_, i) => (i * 31) % 251),
  height: 64,
  width: 64,
  labels: Uint32Array.from({ length: count }, (_, i) => i % 2),
});

/** Two epochs of three steps; 11 samples leave an incomplete batch of features. */
async function train(
  freeze: number | string,
  reuse: boolean,
  data: TrainingData,
  augment: 'none' | 'paper',
  of = network,
) {
  const model = createModel(of);
  setMasks(model, { freeze, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
  const settings = { batchSize: 3, dropout: true, augment: augmentPresets[augment] };
  const step = await TrainingStep.compile(gpu(), model, data, settings, { reuse });
  const records = await step.fit({
    ...settings,
    learningRate: 0.01,
    momentum: 0.9,
    weightDecay: 0.001,
    epochs: 2,
    shuffle: 'every-epoch',
    seed: 5,
  });
  const weights = await Promise.all([...model.parameters.values()].map((parameter) => parameter.read(gpu())));
  const dispatches = step.graph.dispatches.length;
  step.destroy();
  releaseModel(gpu(), model);
  return { losses: records.map(({ loss }) => loss), weights, dispatches };
}

/** The network with a weight that is not a number. */
function damaged(layer: string): typeof network {
  const name = `${layer}.weight`;
  const data = Float32Array.from(network.parameters.get(name)!.data as Float32Array);
  data[3] = Number.NaN;
  return {
    ...network,
    parameters: new Map([...network.parameters, [name, { ...network.parameters.get(name)!, data }]]),
  };
}

describe('features of frozen layers', () => {
  it.each(['none', 'paper'] as const)('that are not finite are laid to their layer (augment %s)', async (augment) => {
    await expect(train('fc6', true, images(11), augment, damaged('conv2'))).rejects.toThrow(
      /the first layer that is not finite is conv2, which is frozen.*fetch or export the model again/,
    );
  });

  it.each([2, 14, 'all'])('computed once, give the bits that the whole step gives: frozen at %s', async (freeze) => {
    const whole = await train(freeze, false, tensors(11), 'none');
    const reused = await train(freeze, true, tensors(11), 'none');
    expect(reused.losses).toEqual(whole.losses);
    expect(reused.weights).toEqual(whole.weights);
    expect(reused.dispatches).toBeLessThan(whole.dispatches);
  });

  it('are taken from images that no augmentation changes, and from no others', async () => {
    const whole = await train(6, false, images(7), 'none');
    expect(await train(6, true, images(7), 'none')).toEqual({ ...whole, dispatches: expect.any(Number) });
    const augmented = await train(6, true, images(7), 'paper');
    expect(augmented.dispatches).toBe((await train(6, false, images(7), 'paper')).dispatches);
  });

  /** Two epochs at each freeze point, from the same weights; with a store, as the cells of a grid are run. */
  async function cells(points: readonly (number | string)[], runs: readonly Run[], store?: FeatureStore) {
    const data = images(7);
    const settings = { batchSize: 3, dropout: true, augment: augmentPresets.paper };
    const model = createModel(network);
    const found = [];
    for (const freeze of points) {
      reset(model);
      setMasks(model, { freeze, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
      const kept = store && { store, epochs: 2 };
      const step = await TrainingStep.compile(gpu(), model, data, settings, { kept });
      for (const { seed, learningRate, augment = settings.augment } of runs) {
        reset(model);
        const common = { momentum: 0.9, weightDecay: 0.001, epochs: 2, shuffle: 'every-epoch' } as const;
        const records = await step.fit({ ...settings, ...common, augment, learningRate, seed });
        const weights = await Promise.all([...model.parameters.values()].map((parameter) => parameter.read(gpu())));
        const { length: dispatches } = step.graph.dispatches;
        found.push({ losses: records.map(({ loss }) => loss), weights, dispatches });
      }
      step.destroy();
    }
    releaseModel(gpu(), model);
    return found;
  }
  interface Run {
    readonly seed: number;
    readonly learningRate: number;
    readonly augment?: AugmentPreset;
  }
  const reset = (model: Model) => {
    for (const [name, parameter] of model.parameters) {
      parameter.reset(gpu(), network.parameters.get(name)!.data as Float32Array<ArrayBuffer>);
    }
  };
  const bits = (found: Awaited<ReturnType<typeof cells>>) => found.map(({ losses, weights }) => ({ losses, weights }));

  it('are shared by the runs of a seed under augmentation, in the same bits, and by no others', async () => {
    const turned = { ...augmentPresets.paper, rotation: [90, 90] as const };
    const runs = [
      { seed: 5, learningRate: 0.01 },
      { seed: 5, learningRate: 0.002 },
      { seed: 6, learningRate: 0.002 },
      { seed: 6, learningRate: 0.002, augment: turned },
    ];
    const alone = await cells([14], runs);
    const put = vi.spyOn(FeatureStore.prototype, 'put');
    const shared = await cells([14], runs, new FeatureStore());
    expect(bits(shared)).toEqual(bits(alone));
    // Two epochs of three draws; the frozen layers are no part of the step.
    expect(put).toHaveBeenCalledTimes(6);
    put.mockRestore();
    for (const i of runs.keys()) expect(shared[i].dispatches).toBeLessThan(alone[i].dispatches);
    for (const run of [1, 3]) expect(alone[run].losses[0]).not.toBe(alone[2].losses[0]);
  });

  it('go on from those of the freeze point before, in the same bits; the same value is not made twice', async () => {
    const points = [2, 6, 10, 12, 14, 17, 20, 'all'];
    const runs = [
      { seed: 5, learningRate: 0.01 },
      { seed: 6, learningRate: 0.01 },
    ];
    const alone = await cells(points, runs);
    const [put, drop] = [vi.spyOn(FeatureStore.prototype, 'put'), vi.spyOn(FeatureStore.prototype, 'drop')];
    const shared = await cells(points, runs, new FeatureStore());
    expect(bits(shared)).toEqual(bits(alone));
    // Each of two epochs of two seeds is made at a point, and taken up at the next. fc6 and fc7 lie behind one dropout,
    // in front of which the frozen part ends, and all that can be frozen is fc7.
    expect(put.mock.calls.map(([{ cut }]) => cut)).toEqual(
      ['pool1', 'pool2', 'relu3', 'relu4', 'flatten', 'relu6'].flatMap((name) => {
        const [cut] = network.nodes.find((node) => node.name === name)!.outputs;
        return [cut, cut, cut, cut];
      }),
    );
    expect(drop).toHaveBeenCalledTimes(20);
    vi.restoreAllMocks();
  });

  it('end at a shallower value where a deeper one does not fit', () => {
    const output = (name: string) => network.nodes.find((node) => node.name === name)!.outputs[0];
    const changes = ({ name }: { readonly name: string }) => name === 'fc6';
    expect(lastFixedValue(network, changes, (value) => value !== output('pool5'))).not.toBe(output('pool5'));
    expect(lastFixedValue(network, changes, (value) => value === output('pool2'))).toBe(output('pool2'));
    expect(lastFixedValue(network, changes, () => false)).toBeUndefined();
  });

  it('of the oldest cells go first where a gibibyte is full', () => {
    const store = new FeatureStore();
    const place = (epoch: number) => ({ draw: 'a', cut: 'b', epoch });
    const quarter = new Float32Array(2 ** 26);
    for (let epoch = 0; epoch < 5; epoch++) store.put(place(epoch), quarter);
    expect([0, 1, 2, 3, 4].map((epoch) => store.get(place(epoch)) !== undefined)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    store.drop(place(2));
    store.put(place(5), quarter);
    expect(store.get(place(1))).toBe(quarter);
  });
});

describe('a cut network', () => {
  it('is cut behind the last layer that stands still, before a dropout that does not', () => {
    const at = (names: string[]) => lastFixedValue(network, ({ name }) => names.includes(name));
    const output = (name: string) => network.nodes.find((node) => node.name === name)!.outputs[0];
    const last = network.nodes.findIndex(({ name }) => name === 'fc6');
    expect(at(['fc6'])).toBe(network.nodes[last - 1].outputs[0]);
    expect(at(['conv3'])).toBe(output('pool2'));
    expect(at(['conv1'])).toBeUndefined();
    const { head, tail } = splitNetwork(network, output('pool2'));
    expect(tail.inputs).toEqual([{ name: output('pool2'), shape: [12, 6, 6] }]);
    expect([...head.nodes, ...tail.nodes]).toEqual(network.nodes);
  });

  it('is not cut where a later layer reads round the cut: behind conv1, not behind relu1', () => {
    const [first, ...rest] = network.nodes;
    const skip = {
      op: { kind: 'concat' },
      name: 'skip',
      inputs: [first.outputs[0], rest[0].outputs[0]],
      outputs: ['skip'],
      parameters: {},
    } as const;
    const residual = { ...network, nodes: [first, rest[0], skip], outputs: ['skip'] };
    expect(lastFixedValue(residual, ({ name }) => name === 'skip')).toBe(first.outputs[0]);
  });
});
