/**
 * Each cell of a grid holds the bits of a run that shares nothing with it: a fresh model, a step that begins at the
 * image, evaluators of its own. What a cell leaves behind (trained weights, momentum, features, masks, compiled steps) is
 * no part of the next; and what it exports is what it tested.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentPresets } from '../../src/data/augment.ts';
import { replaceClassifier } from '../../src/models/classifier.ts';
import { loadNetwork } from '../../src/models/load.ts';
import type { Preprocessing } from '../../src/models/network.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { ImageData, TrainingData } from '../../src/train/data.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import type { Experiment } from '../../src/train/experiment.ts';
import { TrainingStep } from '../../src/train/fit.ts';
import { runGrid } from '../../src/train/grid.ts';
import { createModel, type Model, releaseModel, setMasks } from '../../src/train/model.ts';
import { type GridPlan, planCells } from '../../src/train/plan.ts';
import type { CellResult } from '../../src/train/results.ts';
import { trainOnce } from '../../src/train/run.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const side = 64;
/** No two channels alike, so that an exchange of two shows. */
const preprocessing: Preprocessing = {
  size: [side, side],
  channelOrder: 'bgr',
  scale: 1 / 64,
  mean: [0.5, 1.5, 3],
  std: [1, 0.5, 2],
};
const pretrained = alexnetSmall({ filters: [4, 4, 4, 4, 4], hidden: 8, classes: 5, seed: 3, preprocessing });
const classes = ['red', 'green', 'blue'];
const newParameters = ['fc8.weight', 'fc8.bias'];

/** Noise with more of one colour. */
function images(count: number, seed: number): ImageData {
  const random = new Random(seed);
  const labels = Uint32Array.from({ length: count }, () => random.integer(3));
  labels.set([0, 1, 2]);
  const pixels = Uint8Array.from(
    { length: count * side * side * 4 },
    (_, i) => random.integer(150) + (labels[Math.floor(i / (side * side * 4))] === i % 4 ? 100 : 0),
  );
  return { kind: 'images', pixels, height: side, width: side, labels };
}

const countsOf = ({ labels }: TrainingData) => classes.map((_, c) => labels.filter((label) => label === c).length);

/** Two splits, each with a validation part. */
function experimentAt(division: number): Experiment {
  const [train, validation, test] = [13, 7, 11].map((count, part) => images(count, 10 * division + part));
  return {
    network: replaceClassifier(pretrained, classes, 1).network,
    newParameters,
    withSeed: (seed) => replaceClassifier(pretrained, classes, seed).network,
    source: { name: 'narrow', source: 'a test' },
    classes,
    ...{ train, validation, test },
    testIds: Array.from(test.labels, (_, i) => `image ${division}-${i}`),
    dataset: { name: 'colours', notes: [] },
    split: undefined,
    counts: { train: countsOf(train), validation: countsOf(validation), test: countsOf(test) },
    fingerprints: { data: 'a test' },
    splitName: String(division + 1),
    divisions: 2,
    at: experimentAt,
  };
}

const plan: GridPlan = {
  title: 'a test',
  freeze: ['none', 6],
  learningRates: [0.002, 0.01],
  newLayerFactor: 10,
  allFrozenRates: [],
  seeds: [1, 2],
  select: 'validation',
  keep: 'all',
  fit: {
    momentum: 0.9,
    weightDecay: 1e-3,
    batchSize: 4,
    epochs: 2,
    shuffle: 'every-epoch',
    augment: augmentPresets.none,
    dropout: true,
  },
  notes: {},
};

async function evaluated(model: Model, data: TrainingData) {
  // As many images at a time as the grid: which algorithms are the quickest, and so how sums are rounded, depends on it.
  const evaluator = await Evaluator.compile(gpu(), model, data, plan.fit.batchSize);
  try {
    return await evaluator.run();
  } finally {
    evaluator.destroy();
  }
}

/** Counts of (class, prediction), rows are classes. */
function confusionOf({ labels }: TrainingData, predictions: Uint32Array): number[][] {
  const matrix = classes.map(() => classes.map(() => 0));
  for (const [i, label] of labels.entries()) matrix[label][predictions[i]]++;
  return matrix;
}

/** The run of a cell, on its own. */
async function fresh(cell: CellResult, fit: GridPlan['fit']) {
  const { train, validation, test } = experimentAt(Number(cell.split) - 1);
  const model = createModel(replaceClassifier(pretrained, classes, cell.seed).network);
  setMasks(model, { freeze: cell.freeze.number ?? 'none', newParameters, newLayerFactor: 10 });
  const settings = { ...fit, learningRate: cell.learningRate, seed: cell.seed };
  const step = await TrainingStep.compile(gpu(), model, train, settings, { reuse: false });
  const records = await step.fit(settings);
  step.destroy();
  const [onTest, onValidation] = [await evaluated(model, test!), await evaluated(model, validation!)];
  const weights = new Map<string, Float32Array>();
  for (const [name, parameter] of model.parameters) weights.set(name, await parameter.read(gpu()));
  releaseModel(gpu(), model);
  const last = records.filter(({ epoch }) => epoch === fit.epochs - 1);
  return {
    losses: records.map(({ loss }) => loss),
    trainAccuracy: last.reduce((sum, { accuracy }) => sum + accuracy, 0) / last.length,
    confusion: confusionOf(test!, onTest.predictions),
    onValidation: confusionOf(validation!, onValidation.predictions),
    probabilities: Array.from(onTest.probabilities),
    labels: Array.from(test!.labels),
    weights,
  };
}

/** label, prediction and probabilities of each row */
async function predictionsAt(folder: string) {
  const [, ...lines] = (await readFile(join(folder, 'predictions.csv'), 'utf8')).trim().split('\n');
  const rows = lines.map((line) => line.split(','));
  return {
    ids: rows.map(([id]) => id),
    labels: rows.map(([, label]) => classes.indexOf(label)),
    probabilities: rows.flatMap(([, , , ...probabilities]) => probabilities.map(Number)),
  };
}

describe('a grid', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frostline-cells-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const resident = plan.fit;
  it.each([
    ['features made once', 'once', plan, resident],
    [
      'every image augmented',
      'augmented',
      { ...plan, seeds: [2], learningRates: [0.01] },
      { ...resident, augment: augmentPresets.paper },
    ],
  ] as const)('each cell has the bits of a fresh run: %s', async (_, name, own, fit) => {
    const out = join(folder, name);
    const { cells } = await runGrid(gpu(), experimentAt(0), { ...own, fit }, { name }, out);
    expect(cells.length).toBe(name === 'once' ? 16 : 4);
    expect(cells.map((cell) => cell.folder)).toEqual(planCells(pretrained, own, 2).map((cell) => cell.folder));
    for (const cell of cells) {
      const alone = await fresh(cell, fit);
      const what = cell.folder!;
      expect(cell.lossHistory, what).toEqual(alone.losses);
      expect(cell.steps, what).toBe(6);
      expect(cell.trainAccuracy, what).toBe(alone.trainAccuracy);
      expect(cell.confusion, what).toEqual(alone.confusion);
      expect(cell.validation!.confusion, what).toEqual(alone.onValidation);
      const predicted = await predictionsAt(join(out, what));
      expect(predicted.ids, what).toEqual(experimentAt(Number(cell.split) - 1).testIds);
      expect(predicted.labels, what).toEqual(alone.labels);
      expect(Array.from(Float32Array.from(predicted.probabilities)), what).toEqual(alone.probabilities);
      const exported = await loadNetwork(join(out, what, 'model.onnx'));
      for (const [parameter, values] of alone.weights) {
        expect(exported.parameters.get(parameter)!.data, `${what}: ${parameter}`).toEqual(values);
      }
    }
    // Not so few cells, or so alike, that one could stand for another.
    expect(new Set(cells.map(({ lossHistory }) => lossHistory!.join())).size).toBe(cells.length);
  });

  it('an exported network predicts from images what was tested, in a class of its own channels', async () => {
    const cell = 'cells/none_rate-0.01_split-2_seed-2';
    const exported = await loadNetwork(join(folder, 'once', cell, 'model.onnx'));
    expect(exported.preprocessing).toEqual(preprocessing);
    expect(exported.labels).toEqual(classes);
    const model = createModel(exported);
    const { probabilities } = await evaluated(model, experimentAt(1).test!);
    releaseModel(gpu(), model);
    const { probabilities: tested } = await predictionsAt(join(folder, 'once', cell));
    expect(Array.from(probabilities)).toEqual(Array.from(Float32Array.from(tested)));
  });

  it('a single run of the same settings has the bits of the cell', async () => {
    const out = join(folder, 'single');
    const experiment = { ...experimentAt(0), network: replaceClassifier(pretrained, classes, 2).network };
    const { confusion, finalLoss } = await trainOnce(gpu(), experiment, {
      training: { freeze: 6 },
      newLayerFactor: 10,
      mask: [],
      fit: { ...plan.fit, learningRate: 0.01, seed: 2 },
      settings: { name: 'single' },
      out,
    });
    const cell = 'cells/6-conv2_rate-0.01_split-1_seed-2';
    const saved = JSON.parse(await readFile(join(folder, 'once', cell, 'result.json'), 'utf8'));
    expect([confusion, finalLoss]).toEqual([saved.confusion, saved.finalLoss]);
    expect(await predictionsAt(out)).toEqual(await predictionsAt(join(folder, 'once', cell)));
  });
});
