/** Features at each depth are those that training behind a frost line reads, and a probe sees the training part alone. */
import { describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { replaceClassifier } from '../../src/models/classifier.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { TrainingData } from '../../src/train/data.ts';
import { depthFeatures, pool } from '../../src/train/depth-features.ts';
import type { Experiment } from '../../src/train/experiment.ts';
import { FeatureStore } from '../../src/train/feature-store.ts';
import { FrozenPrefix } from '../../src/train/features.ts';
import { createModel, releaseModel, setMasks } from '../../src/train/model.ts';
import { probeDepths } from '../../src/train/probe.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { pythonWith, runPython } from '../support/python.ts';

const gpu = useGpu();
const python = pythonWith('torch');
const classes = ['dark', 'bright'];
const pretrained = alexnetSmall({ filters: [4, 6, 4, 4, 4], hidden: 8, classes: 5, seed: 3 });
const { network, newParameters } = replaceClassifier(pretrained, classes, 1);

/** Bright images are of class 1. */
function images(count: number, contrast: number): TrainingData {
  const random = new Random(testSeed);
  const labels = Uint32Array.from({ length: count }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const pixels = Uint8Array.from({ length: count * 64 * 64 * 4 }, (_, i) => {
    return random.integer(100) + contrast * labels[Math.floor(i / (64 * 64 * 4))];
  });
  return { kind: 'images', pixels, height: 64, width: 64, labels };
}

describe('features at each depth', () => {
  it('are what training behind the frost line reads, averaged over places', async () => {
    const data = images(7, 100);
    const depths = await depthFeatures(gpu(), network, data, { batchSize: 3 });
    expect(depths.map(({ freeze }) => freeze.number)).toEqual([null, 2, 6, 10, 12, 14, 17, 20]);
    expect(depths[0].shape).toEqual([3, 64, 64]);
    for (const { freeze, shape, values } of depths.slice(1)) {
      const model = createModel(network);
      setMasks(model, { freeze: freeze.number!, newParameters, newLayerFactor: 10 });
      const settings = { batchSize: 3, dropout: false, epochs: 1, store: new FeatureStore() };
      const prefix = FrozenPrefix.of(gpu(), model, data, settings)!;
      await prefix.show(augmentPresets.none, { seed: 0, epoch: 0 });
      prefix.destroy();
      releaseModel(gpu(), model);
      expect(prefix.data.shape).toEqual(shape);
      const item = prefix.data.values.length / 7;
      const expected = Array.from({ length: 7 }, (_, i) => [
        ...pool(prefix.data.values.subarray(i * item, (i + 1) * item), shape),
      ]);
      expect([...values], freeze.name).toEqual(expected.flat());
    }
  });

  it.skipIf(python === undefined)('are averaged as adaptive_avg_pool2d averages them', () => {
    const random = new Random(testSeed);
    const maps = [
      [13, 9],
      [7, 20],
      [5, 3],
    ].map(([h, w]) => ({ h, w, x: Array.from({ length: 2 * h * w }, () => Math.fround(random.normal())) }));
    const script = `
import json, sys, torch
for map in json.loads(sys.argv[1]):
    h, w = map['h'], map['w']
    x = torch.tensor(map['x'], dtype=torch.float64).reshape(1, 2, h, w)
    print(json.dumps(torch.nn.functional.adaptive_avg_pool2d(x, (min(7, h), min(7, w))).flatten().tolist()))`;
    const lines = runPython(python!, script, JSON.stringify(maps)).trim().split('\n');
    for (const [k, { h, w, x }] of maps.entries()) {
      const expected: number[] = JSON.parse(lines[k]);
      const pooled = pool(Float32Array.from(x), [2, h, w]);
      expect(pooled.length).toBe(expected.length);
      pooled.forEach((value, i) => {
        expect(value, `seed ${testSeed}`).toBeCloseTo(expected[i], 12);
      });
    }
  });
});

describe('a probe', () => {
  const experiment = (train: TrainingData, more: Partial<Experiment> = {}) =>
    ({ network, train, classes, ...more }) as Experiment;

  it('tells bright from dark at every depth, and chance where there is nothing to tell', async () => {
    const options = { most: 300, batchSize: 5, seed: 1 };
    const told = await probeDepths(gpu(), experiment(images(30, 120)), options);
    expect(told.points.length).toBe(8);
    for (const { linear } of told.points.slice(0, 6)) expect(linear.accuracy).toBe(1);
    const noise = await probeDepths(gpu(), experiment(images(30, 0)), options);
    for (const [i, { logme, cka }] of noise.points.slice(0, 6).entries()) {
      expect(told.points[i].logme).toBeGreaterThan(logme);
      expect(told.points[i].cka).toBeGreaterThan(cka);
    }
  });

  it('leaves groups out together, and draws of many images a share of each class', async () => {
    // Every image has a twin of its own group: predicted by its twin, noise looks like knowledge.
    const one = images(12, 0);
    if (one.kind !== 'images') throw new Error();
    const both: TrainingData = {
      ...one,
      pixels: Uint8Array.from([...one.pixels, ...one.pixels]),
      labels: Uint32Array.from([...one.labels, ...one.labels]),
    };
    const options = { most: 300, batchSize: 5, seed: 1 };
    const trainGroups = Array.from({ length: 24 }, (_, i) => String(i % 12));
    const accuracy = async (more: Partial<Experiment>) =>
      (await probeDepths(gpu(), experiment(both, more), options)).points[0].linear.accuracy;
    expect(await accuracy({})).toBe(1);
    expect(await accuracy({ trainGroups })).toBeLessThan(0.9);
    const few = await probeDepths(gpu(), experiment(images(60, 50)), { ...options, most: 15 });
    expect(few.images).toBe(15);
  });
});
