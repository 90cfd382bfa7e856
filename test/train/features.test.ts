import { describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { lastFixedValue, splitNetwork } from '../../src/models/split.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { TrainingStep } from '../../src/train/fit.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
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

  it.each([2, 14])(
    'are shared by the runs of a seed under augmentation, in the same bits: frozen at %s',
    async (freeze) => {
      const data = images(7);
      const settings = { batchSize: 3, dropout: true, augment: augmentPresets.paper };
      const runs = [
        { seed: 5, learningRate: 0.01 },
        { seed: 5, learningRate: 0.002 },
        { seed: 6, learningRate: 0.002 },
        { seed: 6, learningRate: 0.002, augment: { ...augmentPresets.paper, rotation: [90, 90] as const } },
      ];
      const all = async (shared: number | undefined) => {
        const model = createModel(network);
        setMasks(model, { freeze, newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10 });
        const step = await TrainingStep.compile(gpu(), model, data, settings, { shared });
        const found = [];
        for (const { seed, learningRate, augment = settings.augment } of runs) {
          for (const [name, parameter] of model.parameters) {
            parameter.reset(gpu(), network.parameters.get(name)!.data as Float32Array<ArrayBuffer>);
          }
          const common = { momentum: 0.9, weightDecay: 0.001, epochs: 2, shuffle: 'every-epoch' } as const;
          const records = await step.fit({ ...settings, ...common, augment, learningRate, seed });
          const weights = await Promise.all([...model.parameters.values()].map((parameter) => parameter.read(gpu())));
          found.push({ losses: records.map(({ loss }) => loss), weights });
        }
        const dispatches = step.graph.dispatches.length;
        step.destroy();
        releaseModel(gpu(), model);
        return { found, dispatches };
      };
      const alone = await all(undefined);
      const shared = await all(2);
      expect(shared.found).toEqual(alone.found);
      // The frozen layers are no part of the step.
      expect(shared.dispatches).toBeLessThan(alone.dispatches);
      for (const run of [1, 3]) expect(alone.found[run].losses[0]).not.toBe(alone.found[2].losses[0]);
    },
  );
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
