/**
 * What comes before and after the steps: which images stand in which part, what the network makes of pixels and of its
 * own outputs, and which cell, rate and threshold the validation part chooses, where the test part would choose others.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { compile } from '../../src/graph/compile.ts';
import { buildNetwork } from '../../src/models/build.ts';
import { replaceClassifier } from '../../src/models/classifier.ts';
import { loadNetwork } from '../../src/models/load.ts';
import type { Network, Preprocessing } from '../../src/models/network.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import { summarise } from '../../src/report/summary.ts';
import { detailedScores } from '../../src/statistics/detail.ts';
import type { ImageData, TensorData, TrainingData } from '../../src/train/data.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { type Experiment, openExperiment } from '../../src/train/experiment.ts';
import { runGrid } from '../../src/train/grid.ts';
import { createModel, type Model, releaseModel } from '../../src/train/model.ts';
import type { GridPlan } from '../../src/train/plan.ts';
import { trainOnce } from '../../src/train/run.ts';
import { temporaryFolder, writeImage, writeTiny } from '../cli/models.ts';
import { cell, sampleGrid } from '../report/grid.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const at = temporaryFolder();
const side = 64;
const classes = ['dark', 'bright'];

/** Bright images are of class 1; with `contrary` they are said to be of class 0. */
function images(count: number, seed: number, contrary = false): ImageData {
  const random = new Random(seed);
  const bright = Uint32Array.from({ length: count }, (_, i) => i % 2);
  const pixels = Uint8Array.from(
    { length: count * side * side * 4 },
    (_, i) => random.integer(100) + 120 * bright[Math.floor(i / (side * side * 4))],
  );
  return { kind: 'images', pixels, height: side, width: side, labels: bright.map((b) => (contrary ? 1 - b : b)) };
}

async function evaluated(model: Model, data: TrainingData) {
  const evaluator = await Evaluator.compile(gpu(), model, data, 4);
  return evaluator.run().finally(() => evaluator.destroy());
}

describe('what goes into the network, and what comes out', () => {
  const preprocessing: Preprocessing = {
    size: [side, side],
    channelOrder: 'bgr',
    scale: 1 / 64,
    mean: [0.5, 1.5, 3],
    std: [1, 0.5, 2],
  };
  const network = alexnetSmall({ filters: [4, 4, 4, 4, 4], hidden: 8, classes: 3, seed: 3, preprocessing });

  it('images are (pixel scale - mean) / std in the order of the channels', async () => {
    const pictures = images(5, 1);
    const values = new Float32Array(5 * 3 * side * side);
    const order = [2, 1, 0];
    for (let i = 0; i < values.length; i++) {
      const [place, channel, item] = [i % side ** 2, Math.floor(i / side ** 2) % 3, Math.floor(i / (3 * side ** 2))];
      const pixel = pictures.pixels[4 * (item * side ** 2 + place) + order[channel]];
      values[i] = (pixel / 64 - preprocessing.mean[channel]) / preprocessing.std[channel];
    }
    const tensors: TensorData = { kind: 'tensors', values, shape: [3, side, side], labels: pictures.labels };
    const model = createModel(network);
    const [seen, given] = [await evaluated(model, pictures), await evaluated(model, tensors)];
    expectClose(seen.probabilities, given.probabilities);

    // The network's own softmax, one image at a time, and the first of the largest for the prediction.
    const built = buildNetwork(network, { batch: 1, parameters: model.parameters });
    const [[, x]] = built.inputs;
    const graph = await compile(gpu(), { outputs: built.outputs });
    for (let i = 0; i < 5; i++) {
      graph.write(x, values.slice(i * x.size, (i + 1) * x.size));
      await graph.run();
      const row = Array.from(await graph.read(built.outputs[0]));
      expectClose(given.probabilities.subarray(3 * i, 3 * i + 3), row);
      expect(given.predictions[i]).toBe(row.indexOf(Math.max(...row)));
    }
    graph.destroy();
    releaseModel(gpu(), model);
  });

  it('images are turned for a network that reads their channels last', async () => {
    const [{ name }] = network.inputs;
    const turned: Network = {
      ...network,
      inputs: [{ name: 'image', shape: [side, side, 3], layout: 'NHWC' }],
      nodes: [
        {
          op: { kind: 'transpose', perm: [2, 0, 1] },
          name: 'turn',
          inputs: ['image'],
          outputs: [name],
          parameters: {},
        },
        ...network.nodes,
      ],
    };
    const [first, last] = [createModel(network), createModel(turned)];
    const pictures = images(5, 1);
    const [want, found] = [await evaluated(first, pictures), await evaluated(last, pictures)];
    expect(found.probabilities).toEqual(want.probabilities);
    for (const model of [first, last]) releaseModel(gpu(), model);
  });

  it('a new classifier is drawn from its seed', () => {
    const drawn = (seed: number) =>
      replaceClassifier(network, classes, seed).network.parameters.get('fc8.weight')!.data;
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
  });
});

describe('which images stand in which part', () => {
  const files = new Map<string, string>();
  beforeAll(async () => {
    await writeTiny(at('tiny.onnx'));
    for (const [c, name] of classes.entries()) {
      mkdirSync(at(`shades/${name}`), { recursive: true });
      for (let i = 0; i < 12; i++) await writeImage(at(`shades/${name}/${i}.png`), 100 * c + i);
    }
    const samples = classes.flatMap((name, label) =>
      Array.from({ length: 12 }, (_, i) => ({
        id: `${name}/${i}.png`,
        label,
        source: { file: at(`shades/${name}/${i}.png`) },
      })),
    );
    const { data } = await decodeImages({ path: at('shades'), samples }, { height: side, width: side });
    const item = 4 * side * side;
    samples.forEach(({ id }, i) => {
      files.set(Buffer.from(data.subarray(i * item, (i + 1) * item)).toString('base64'), id);
    });
  });

  /** The file of each image of a part, by its pixels; checks that its label is its folder. */
  function namesOf(part: TrainingData, classes: readonly string[]): string[] {
    const { pixels, labels } = part as ImageData;
    const item = 4 * side * side;
    return Array.from(labels, (label, i) => {
      const name = files.get(Buffer.from(pixels.subarray(i * item, (i + 1) * item)).toString('base64'))!;
      expect(name.split('/')[0]).toBe(classes[label]);
      return name;
    });
  }

  it('each in one part of each split, with its label and name; splits are drawn anew', async () => {
    const seen: string[] = [];
    const tested: string[][] = classes.map(() => []);
    const experiment = await openExperiment(
      { model: at('tiny.onnx') },
      { dataset: { path: at('shades') }, trainFraction: 0.75, splits: 3, validationFraction: 0.25 },
      7,
    );
    // Classes are sorted by name.
    expect(experiment.classes).toEqual(['bright', 'dark']);
    for (let division = 0; division < 3; division++) {
      const { train, validation, test, testIds, splitName } = experiment.at(division);
      expect(splitName).toBe(String(division + 1));
      const named = [train, validation!, test!].map((part) => namesOf(part, experiment.classes));
      expect(named.map(({ length }) => length)).toEqual([14, 4, 6]);
      expect(new Set(named.flat()).size).toBe(24);
      expect(testIds.map((id) => id.split('/').slice(-2).join('/'))).toEqual(named[2]);
      seen.push(...named.map((names) => names.join()));
      for (const [c, name] of classes.entries()) {
        tested[c].push(...named[2].filter((file) => file.startsWith(name)).map((file) => file.split('/')[1]));
      }
    }
    expect(new Set(seen).size).toBe(9);
    // One class's draw is not the other's.
    expect(tested[0]).not.toEqual(tested[1]);
  });
});

it('images decoded at one size do not stand for those of another, kept or not', async () => {
  mkdirSync(at('sizes'));
  await writeImage(at('sizes/one.png'), 3);
  const samples = [{ id: 'one', label: 0, source: { file: at('sizes/one.png') } }];
  const decode = (height: number, width: number, cacheFolder?: string) =>
    decodeImages({ path: at('sizes'), samples }, { height, width, cacheFolder });
  const [tall, wide] = [await decode(9, 4), await decode(4, 9)];
  for (let time = 0; time < 2; time++) {
    expect((await decode(9, 4, at('cache'))).data).toEqual(tall.data);
    expect((await decode(4, 9, at('cache'))).data).toEqual(wide.data);
  }
});

it("rates that differ in the global one alone are entries of their own in a report's tables", () => {
  const point = { number: 20, name: 'fc7', all: true };
  const cells = [0.0001, 0.0002].map((learningRate, i) =>
    cell(
      point,
      learningRate,
      [
        [9 - 4 * i, 1 + 4 * i],
        [1, 9],
      ],
      { newLayerRate: 0.001 },
    ),
  );
  const { entries } = summarise({ ...sampleGrid({ points: [point] }), freezePoints: [point], cells });
  expect(entries.map((entry) => entry.cells)).toEqual([[cells[0]], [cells[1]]]);
});

describe('what the validation part chooses', () => {
  const pretrained = alexnetSmall({ filters: [4, 4, 4, 4, 4], hidden: 8, classes: 5, seed: 3 });
  const { network, newParameters } = replaceClassifier(pretrained, classes, 1);
  const [train, validation, test] = [images(24, 1), images(10, 3, true), images(10, 2)];
  /** The validation part is labelled the other way round: what is best on it is worst on the test part. */
  const contrary: Experiment = {
    network,
    newParameters,
    withSeed: (seed) => replaceClassifier(pretrained, classes, seed).network,
    source: { name: 'narrow', source: 'a test' },
    classes,
    ...{ train, validation, test },
    testIds: Array.from(test.labels, (_, i) => `image ${i}`),
    // Two images of each of five persons, whom intervals are drawn by.
    testGroups: Array.from(test.labels, (_, i) => `person ${i >> 1}`),
    dataset: { name: 'shades', notes: [] },
    split: undefined,
    counts: { train: [12, 12], validation: [5, 5], test: [5, 5] },
    fingerprints: { data: 'a test' },
    splitName: '1',
    divisions: 1,
    at: () => contrary,
  };
  const plan: GridPlan = {
    title: 'a test',
    freeze: ['none', 6],
    learningRates: [1e-7, 0.02],
    newLayerFactor: 10,
    allFrozenRates: [],
    seeds: [1],
    select: 'validation',
    keep: 'best',
    fit: {
      momentum: 0.5,
      weightDecay: 0,
      batchSize: 8,
      epochs: 4,
      shuffle: 'every-epoch',
      augment: augmentPresets.none,
      dropout: false,
    },
    notes: {},
  };

  /** Of a network that was exported: what its test part comes to, with the threshold that the validation part chooses. */
  async function detailOfExport(path: string) {
    const model = createModel(await loadNetwork(path));
    const of = async (data: TrainingData) => {
      const { probabilities } = await evaluated(model, data);
      return { labels: data.labels, probabilities };
    };
    const [onTest, onValidation] = [await of(test), await of(validation)];
    releaseModel(gpu(), model);
    return detailedScores(onTest, { classes, groups: contrary.testGroups, ...point, validation: onValidation });
  }
  const point = { positive: 'bright', sensitivity: 0.9 };

  /** With numbers that are nearly the same: other images at a time may have another algorithm, and other last bits. */
  const closely = (value: unknown): unknown => {
    if (typeof value === 'number') return expect.closeTo(value, 5);
    if (Array.isArray(value)) return value.map(closely);
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, closely(one)]));
  };

  it('rate, verdict, threshold and the network that is kept, against what the test part would choose', async () => {
    const out = at('contrary');
    const { cells, verdict } = await runGrid(gpu(), contrary, { ...plan, ...point }, { contrary: 1 }, out);
    const f1 = cells.map((cell) => [cell.validation!.metrics.f1, cell.metrics!.f1]);
    // As it was set up: else this test could not tell one from the other.
    for (const first of [0, 2]) {
      expect(f1[first][0], JSON.stringify(f1)).toBeGreaterThan(f1[first + 1][0]);
      expect(f1[first][1], JSON.stringify(f1)).toBeLessThan(f1[first + 1][1]);
    }
    const rows = parse(readFileSync(join(out, 'predictions.csv'), 'utf8'), { columns: true }) as Record<
      string,
      string
    >[];
    expect(new Set(rows.filter(({ chosen }) => chosen === '1').map(({ rate }) => Number(rate)))).toEqual(
      new Set([1e-7]),
    );
    for (const [i, point] of ['none', 'conv2'].entries()) {
      const found = verdict!.points.find((one) => one.point === point)!;
      expect(found.score, point).toBeCloseTo(f1[2 * i][1], 6);
    }
    const best = f1[0][0] >= f1[2][0] ? cells[0] : cells[2];
    const kept = cells.filter(({ folder }) => readdirSync(join(out, folder!)).includes('model.onnx'));
    expect(kept.map(({ folder }) => folder)).toEqual([best.folder]);
    expect(best.detail!.operatingPoint!.chosenOn).toBe('validation');
    expect(best.detail).toEqual(closely(await detailOfExport(join(out, best.folder!, 'model.onnx'))));
  });

  it('the threshold of a single run; --mask is obeyed', async () => {
    const { detail } = await trainOnce(gpu(), contrary, {
      training: { freeze: 'none' },
      newLayerFactor: 10,
      mask: ['conv1.*=0'],
      ...point,
      fit: { ...plan.fit, learningRate: 0.002, epochs: 1, seed: 1 },
      settings: { name: 'one' },
      out: at('one'),
    });
    const exported = await loadNetwork(at('one/model.onnx'));
    for (const [name, { data }] of exported.parameters) {
      const before = network.parameters.get(name)!.data;
      if (name.startsWith('conv1')) expect(data, name).toEqual(before);
      else expect(data, name).not.toEqual(before);
    }
    expect(detail).toEqual(closely(await detailOfExport(at('one/model.onnx'))));
    expect(detail!.operatingPoint!.chosenOn).toBe('validation');
  });
});
