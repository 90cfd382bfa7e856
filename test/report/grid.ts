import { Random } from '../../src/random.ts';
import { computeMetrics } from '../../src/train/metrics.ts';
import type { CellResult, FreezePoint, GridAdapter, GridResult } from '../../src/train/results.ts';

export const alexnetPoints: readonly FreezePoint[] = [
  { number: null, name: 'none' },
  { number: 2, name: 'conv1' },
  { number: 6, name: 'conv2' },
  { number: 10, name: 'conv3' },
  { number: 12, name: 'conv4' },
  { number: 14, name: 'conv5' },
  { number: 17, name: 'fc6' },
  { number: 20, name: 'fc7', all: true },
];

const lavapipe: GridAdapter = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', driver: 'Mesa 25.0.7', kind: 'software' };

/** A cell with a given two-class confusion matrix, or a failed one without. */
export function cell(
  freeze: FreezePoint,
  learningRate: number,
  confusion?: number[][],
  more: Partial<CellResult> = {},
): CellResult {
  const rates = { learningRate, newLayerRate: learningRate * 10 };
  const common = { freeze, ...rates, split: '1', seed: 1, adapter: lavapipe, seconds: 3.2, steps: 90 };
  return confusion === undefined
    ? { ...common, status: 'failed', error: 'loss is NaN at step 17', steps: 17, ...more }
    : { ...common, status: 'done', confusion, metrics: computeMetrics(confusion), ...more };
}

/** Invented but plausible numbers: a grid of the paper's shape. */
export function sampleGrid({
  points = alexnetPoints,
  rates = [0.000025, 0.0001, 0.0002],
  classes = ['shirt', 'coat'],
  test = [40, 10],
  seeds = [1],
  fail = true,
} = {}): GridResult {
  const random = new Random(7);
  const cells = points.flatMap((freeze, depth) =>
    rates.flatMap((learningRate, r) =>
      seeds.map((seed) => {
        if (fail && depth === 1 && r === rates.length - 1) {
          return cell(freeze, learningRate, undefined, {
            seed,
            lossHistory: curve(random, 17, 3, true),
            error:
              'loss is NaN at step 17, first in layer conv2; lower the learning rate (0.0002) or the momentum (0.99)',
          });
        }
        const skill =
          0.93 - 0.018 * Math.abs(depth - 3) - (depth === points.length - 1 ? 0.1 : 0) - 0.02 * Math.abs(r - 1);
        const confusion = test.map((n, c) => {
          const row = classes.map(() => 0);
          for (let i = 0; i < n; i++) {
            const right = random.uniform() < skill - 0.08 * c;
            row[right ? c : (c + 1 + random.integer(classes.length - 1)) % classes.length]++;
          }
          return row;
        });
        return cell(freeze, learningRate, confusion, {
          seed,
          trainAccuracy: Math.min(1, skill + 0.05),
          finalLoss: 0.8 * (1 - skill),
          seconds: 3.4 - 0.25 * depth,
          lossHistory: curve(random, 90, 12 + 6 * depth, false),
        });
      }),
    ),
  );
  return {
    title: 'How deep to freeze alexnet-small',
    startedAt: '2024-05-17T09:21:40Z',
    seconds: cells.reduce((sum, c) => sum + c.seconds, 0),
    model: {
      name: 'alexnet-small',
      source: 'weights/alexnet-small.onnx',
      sha256: '9b74c9897bac770ffc029102a200c5de1f5e4a4c3b1c8a0b6a6f2b6d0b4cf6f1',
      parameters: 912_346,
      note: 'Pretrained by frostline on eight of the ten classes of Fashion-MNIST, in place of ImageNet; test accuracy on those classes 90.1 %.',
    },
    dataset: {
      name: 'samples/fashion',
      classes,
      train: 3 * test.reduce((a, b) => a + b, 0),
      test: test.reduce((a, b) => a + b, 0),
      counts: { train: test.map((n) => 3 * n), test },
      note: 'Photographs of clothes from Fashion-MNIST (MIT licence), two classes the network never saw, in place of PH2, which may not be redistributed.',
    },
    adapters: [lavapipe],
    settings: {
      preset: 'quickstart',
      momentum: 0.99,
      weightDecay: 0.0001,
      batchSize: 10,
      epochs: 6,
      shuffle: 'every-epoch',
      newLayerFactor: 10,
      learningRates: rates,
      augment: { reflection: 0.5, translation: [-30, 30], scale: [0.9, 1.1], rotation: [-10, 10] },
    },
    freezePoints: points,
    learningRates: rates,
    cells,
    frostlineVersion: '0.1.0',
  };
}

function curve(random: Random, steps: number, time: number, diverges: boolean): number[] {
  return Array.from({ length: steps }, (_, i) => {
    if (diverges) return i >= 15 ? Number.NaN : 0.7 * 1.35 ** i;
    return Math.max(0.01, 0.15 + 0.65 * Math.exp(-i / time) + 0.12 * random.normal());
  });
}
