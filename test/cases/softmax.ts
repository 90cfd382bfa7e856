import { correctCount, predict } from '../../src/kernels/correct-count/correct-count.ts';
import { softmaxBackward, softmaxForward } from '../../src/kernels/softmax/softmax.ts';
import {
  softmaxLossBackward,
  softmaxLossForward,
  softmaxLossMean,
} from '../../src/kernels/softmax-loss/softmax-loss.ts';
import * as reference from '../reference/softmax.ts';
import { type KernelCase, normals, Random } from './case.ts';

const shapes = [
  { rows: 1, columns: 1 },
  { rows: 10, columns: 2 },
  { rows: 67, columns: 7 },
  { rows: 3, columns: 1009 },
];

export function softmaxCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return shapes.flatMap(({ rows, columns }): KernelCase[] => {
    const count = rows * columns;
    const x = normals(random, count).map((value) => 5 * value);
    const dy = normals(random, count);
    const y = Float32Array.from(reference.softmax(x, columns));
    return [
      {
        name: `softmax/forward [${rows},${columns}]`,
        kernel: softmaxForward,
        params: { rows, columns },
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: reference.softmax(x, columns) }),
      },
      {
        name: `softmax/forward [${rows},${columns}] extreme`,
        kernel: softmaxForward,
        params: { rows, columns },
        inputs: { x: x.map((value) => 1e30 * value) },
        outputs: { y: count },
        reference: () => ({
          y: reference.softmax(
            x.map((value) => 1e30 * value),
            columns,
          ),
        }),
      },
      {
        name: `softmax/backward [${rows},${columns}]`,
        kernel: softmaxBackward,
        params: { rows, columns },
        inputs: { y, dy },
        outputs: { dx: count },
        reference: () => ({ dx: reference.softmaxBackward(y, dy, columns) }),
      },
    ];
  });
}

export function softmaxLossCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return shapes.flatMap(({ rows, columns }) =>
    [1, 200].flatMap((spread): KernelCase[] => {
      const logits = normals(random, rows * columns).map((value) => spread * value);
      const labels = Uint32Array.from({ length: rows }, () => random.integer(columns));
      const class_weights = Float32Array.from({ length: columns }, () => random.between(0.25, 4));
      const probabilities = Float32Array.from(reference.softmax(logits, columns));
      const losses = Float32Array.from(reference.crossEntropies(logits, labels, columns));
      const { loss, weightSum } = reference.weightedMean([...losses], labels, class_weights);
      const upstream = Float32Array.of(random.normal());
      const name = `[${rows},${columns}] spread ${spread}`;
      return [
        {
          name: `softmax-loss/forward ${name}`,
          kernel: softmaxLossForward,
          params: { rows, columns },
          inputs: { logits, labels },
          outputs: { probabilities: logits.length, losses: rows },
          reference: () => ({
            probabilities: reference.softmax(logits, columns),
            losses: reference.crossEntropies(logits, labels, columns),
          }),
        },
        {
          name: `softmax-loss/mean ${name}`,
          kernel: softmaxLossMean,
          params: { rows },
          inputs: { losses, labels, class_weights },
          outputs: { loss: 1, weight_sum: 1 },
          reference: () => ({ loss: [loss], weight_sum: [weightSum] }),
        },
        {
          name: `softmax-loss/backward ${name}`,
          kernel: softmaxLossBackward,
          params: { rows, columns },
          inputs: { probabilities, labels, class_weights, weight_sum: Float32Array.of(weightSum), upstream },
          outputs: { dlogits: logits.length },
          tolerance: { absolute: 1e-6, relative: 1e-4 },
          reference: () => ({
            dlogits: reference
              .crossEntropyBackward(logits, labels, class_weights, columns)
              .map((value) => upstream[0] * value),
          }),
        },
      ];
    }),
  );
}

export function correctCountCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  return shapes.flatMap(({ rows, columns }): KernelCase[] => {
    // Small integers, so that ties are common.
    const logits = Float32Array.from({ length: rows * columns }, () => random.integer(5));
    if (rows > 10) logits[3 * columns + 1] = Number.NaN;
    const labels = Uint32Array.from({ length: rows }, () => random.integer(columns));
    const prediction = Uint32Array.from(reference.rowsOf(logits, columns), reference.argMax);
    const correct = prediction.reduce((sum, value, n) => sum + (value === labels[n] ? 1 : 0), 0);
    const counting = (accumulate: number): KernelCase => ({
      name: `correct-count/count ${rows}${accumulate ? ' accumulated' : ''}`,
      kernel: correctCount,
      params: { rows, accumulate },
      inputs: { prediction, labels },
      outputs: { correct: accumulate ? Uint32Array.of(1000) : 1 },
      integers: ['correct'],
      reference: () => ({ correct: [correct + 1000 * accumulate] }),
    });
    return [
      {
        name: `correct-count/predict [${rows},${columns}]`,
        kernel: predict,
        params: { rows, columns },
        inputs: { logits },
        outputs: { prediction: rows },
        integers: ['prediction'],
        reference: () => ({ prediction }),
      },
      counting(0),
      counting(1),
    ];
  });
}
