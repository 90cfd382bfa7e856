/** A report with all that one can show: for what depends on how it looks. */

import { Random } from '../../src/random.ts';
import type { ReportInput } from '../../src/report/input.ts';
import type { Pictures } from '../../src/report/pictures.ts';
import type { Predictions } from '../../src/report/predictions.ts';
import { gatherRuns, type PredictionRow } from '../../src/statistics/runs.ts';
import { verdictOf } from '../../src/statistics/verdict.ts';
import { computeMetrics, confusionMatrix } from '../../src/train/metrics.ts';
import type { CellResult, FreezePoint, GridResult } from '../../src/train/results.ts';
import { cell, sampleGrid } from './grid.ts';

/** VGG16's learnable layers, MATLAB's numbers. */
const numbers = [2, 4, 7, 9, 12, 14, 16, 19, 21, 23, 26, 28, 30, 33, 36];
const names = ['conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1', 'conv3_2', 'conv3_3', 'conv4_1'];
names.push('conv4_2', 'conv4_3', 'conv5_1', 'conv5_2', 'conv5_3', 'fc6', 'fc7');
export const vggPoints: readonly FreezePoint[] = [
  { number: null, name: 'none' },
  ...numbers.map((number, i) => ({ number, name: names[i], ...(i === numbers.length - 1 && { all: true }) })),
];

const classes = ['common naevus, also called mole', 'melanoma_in_situ_or_invasive'];
const [images, positives] = [50, 10];

/** A red and a blue pixel. */
const picture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAD0lEQVQImWP4z8DAwPAfAAcAAf/89wURAAAAAElFTkSuQmCC';

export function richInput({ points = vggPoints, rates = [0.000025, 0.0001], splits = 2, seeds = 2 } = {}): ReportInput {
  const random = new Random(11);
  const predictions = new Map<string, Predictions>();
  const rows: PredictionRow[] = [];
  const labels = Array.from({ length: images }, (_, i) => (i < positives ? 1 : 0));
  const run = (freeze: FreezePoint, depth: number, rate: number, split: number, seed: number): CellResult => {
    const folder = `cells/${freeze.name}-${rate}-${split}-${seed}`;
    const common = { split: String(split), seed, folder };
    if (depth === 1 && rate === rates[1] && split === 1) {
      const error = `The loss is NaN at step 17; the first layer that is not finite is ${'conv2_1_with_a_long_name'}. Use a smaller learning rate or a smaller momentum.`;
      return cell(freeze, rate, undefined, { ...common, error, lossHistory: [0.7, 2, 800] });
    }
    const skill = 1.6 - 0.05 * depth;
    const probabilities = labels.map((label) => {
      const p = 1 / (1 + Math.exp(-(label === 1 ? skill : -skill) - 1.2 * random.normal()));
      return [1 - p, p];
    });
    const predicted = probabilities.map(([, p]) => (p > 0.5 ? 1 : 0));
    const names = labels.map((_, i) => `IMD${String(100 * split + i).padStart(3, '0')}.bmp`);
    predictions.set(folder, { images: names, labels, predicted, probabilities });
    const confusion = confusionMatrix(labels, predicted, 2);
    if (rate === rates[0]) {
      names.forEach((image, i) => {
        const own = { point: freeze.name, split: String(split), seed: String(seed), image };
        rows.push({ ...own, label: classes[labels[i]], predicted: classes[predicted[i]] });
      });
    }
    const lossHistory = Array.from({ length: 90 }, (_, i) => 0.2 + 0.6 * Math.exp(-i / 20) + 0.1 * random.uniform());
    return cell(freeze, rate, confusion, {
      ...common,
      lossHistory: depth === 2 && rate === rates[1] ? lossHistory.map((loss, i) => loss * 1.08 ** i) : lossHistory,
      epochs: [0, 1, 2].map((epoch) => ({
        ...{ epoch, validationLoss: 0.6 - 0.1 * epoch, accuracy: 0.8, f1: 0.7 },
        best: epoch === 2,
      })),
      validation: { confusion, metrics: computeMetrics(confusion) },
      ...(depth === 3 &&
        rate === rates[1] && { status: 'diverged', error: 'The loss ended at 812, 1160 times its start.' }),
    });
  };
  const cells = points.flatMap((freeze, depth) =>
    rates.flatMap((rate) =>
      Array.from({ length: splits * seeds }, (_, i) =>
        run(freeze, depth, rate, 1 + Math.floor(i / seeds), 1 + (i % seeds)),
      ),
    ),
  );
  const sample = sampleGrid({ points, rates, classes, test: [images - positives, positives] });
  const verdict = verdictOf(gatherRuns(rows), { draws: 200 });
  const grid: GridResult = {
    ...sample,
    title: 'The freezing experiment on VGG16',
    model: { ...sample.model, layers: [...numbers, 39].map((number, i) => ({ number, name: names[i] ?? 'fc8' })) },
    select: 'validation',
    verdict,
    leftOut: [{ point: 'conv1_1', why: '2 of 4 runs failed on split 1, at least one at each rate' }],
    protocol: {
      model: { source: 'vgg16-12', newParameters: ['fc8.weight', 'fc8.bias'] },
      input: { shape: [3, 224, 224], preprocessing: { size: [224, 224], channelOrder: 'bgr' } },
      data: { path: '/data/a/rather/long/path/to/the/PH2/Dataset/images', options: {}, notes: [] },
      division: { drawn: 'splits stratified by class', trainFraction: 0.75, validationFraction: 0.2, splits, seed: 1 },
      optimizer: 'SGD with momentum: v <- momentum v - rate mask (gradient + decay weight); weight <- weight + v',
      training: { momentum: 0.99, weightDecay: 0.0001, batchSize: 10, epochs: 6, shuffle: 'every-epoch' },
      scores: 'F1: harmonic mean of macro precision and macro recall',
      assumptions: ['One split, drawn: the paper gives none.', 'Rotation by up to 15 degrees is a guess.'],
    } as unknown as GridResult['protocol'],
    cells,
  };
  return { grid, predictions, pictures: pictures(cells), environment: { frostline: '0.1.0', node: 'v20.1.0' } };
}

function pictures(cells: readonly CellResult[]): Pictures {
  const error = (i: number) => ({
    image: `IMD${100 + i}.bmp`,
    label: classes[1],
    predicted: classes[0],
    probabilities: { [classes[0]]: 0.9, [classes[1]]: 0.1 },
    ...{ picture, heat: picture, heatOfLabel: picture },
  });
  return {
    cell: cells[0].folder!,
    heatLayer: 'relu5_3',
    wrongCount: 9,
    wrong: Array.from({ length: 5 }, (_, i) => error(i)),
    hard: [{ image: 'IMD101.bmp', label: classes[1], runs: 120, wrong: 118, picture }],
    augmented: [{ image: classes[0], original: picture, drawn: Array<string>(5).fill(picture) }],
  };
}
