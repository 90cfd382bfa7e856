/** A narrow network, random images that can be told apart, and a plan of a few steps: for tests of grids. */
import { augmentPresets } from '../../src/data/augment.ts';
import { replaceClassifier } from '../../src/models/classifier.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import type { ImageData } from '../../src/train/data.ts';
import type { Experiment } from '../../src/train/experiment.ts';
import type { GridPlan } from '../../src/train/plan.ts';

const pretrained = alexnetSmall({ filters: [4, 4, 4, 4, 4], hidden: 8, classes: 5, seed: 3 });

/** Bright images are of class 1, dark ones of class 0. */
export function images(count: number, seed: number): ImageData {
  const random = new Random(seed);
  const labels = Uint32Array.from({ length: count }, (_, i) => i % 2);
  const pixels = new Uint8Array(count * 64 * 64 * 4);
  for (let i = 0; i < pixels.length; i++) pixels[i] = random.integer(100) + 120 * labels[Math.floor(i / (64 * 64 * 4))];
  return { kind: 'images', pixels, height: 64, width: 64, labels };
}

const classes = ['dark', 'bright'];
const { network, newParameters } = replaceClassifier(pretrained, classes, 1);
const test = images(12, 2);
export const experiment: Experiment = {
  network,
  newParameters,
  withSeed: (seed) => replaceClassifier(pretrained, classes, seed).network,
  source: { name: 'narrow', source: 'a test' },
  classes,
  train: images(20, 1),
  test,
  testIds: Array.from(test.labels, (_, i) => `image "${i}"`),
  dataset: { name: 'random', notes: [] },
  split: undefined,
  counts: { train: [10, 10], test: [6, 6] },
  fingerprints: { data: 'a test' },
  splitName: '1',
  divisions: 1,
  at: () => experiment,
};

/** Two splits, and a validation part. */
export const divided: Experiment = {
  ...experiment,
  validation: images(8, 3),
  divisions: 2,
  at: (division) => ({
    ...divided,
    splitName: String(division + 1),
    train: images(20, 10 + division),
    test: division === 0 ? test : images(12, 12),
  }),
};

export const plan: GridPlan = {
  title: 'a test',
  freeze: ['none', 10, 'all'],
  learningRates: [0.002],
  newLayerFactor: 10,
  allFrozenRates: [],
  seeds: [1],
  fit: {
    momentum: 0.9,
    weightDecay: 1e-4,
    batchSize: 5,
    epochs: 2,
    shuffle: 'every-epoch',
    augment: augmentPresets.paper,
    dropout: true,
  },
  notes: {},
};
