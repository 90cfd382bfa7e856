import { correctCount, predict } from '../../src/kernels/correct-count/correct-count.ts';
import { logSoftmaxBackward, logSoftmaxForward } from '../../src/kernels/log-softmax/log-softmax.ts';
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

/** Rows whose values lie `stride` apart, to the order of the references, where they are neighbours; and back. */
function rearrange(values: ArrayLike<number>, columns: number, stride: number, back = false): number[] {
  const result = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) {
    const [outer, column, inner] = [Math.floor(i / stride / columns), Math.floor(i / stride) % columns, i % stride];
    const packed = (outer * stride + inner) * columns + column;
    if (back) result[i] = values[packed];
    else result[packed] = values[i];
  }
  return result;
}

export function softmaxCases(seed: number): KernelCase[] {
  const random = new Random(seed);
  const strided = [...shapes.map((shape) => ({ ...shape, stride: 1 })), { rows: 39, columns: 5, stride: 13 }];
  return strided.flatMap(({ rows, columns, stride }) => {
    const count = rows * columns;
    const params = { rows, columns, stride };
    const x = normals(random, count).map((value) => 5 * value);
    const dy = normals(random, count);
    const packed = (values: ArrayLike<number>) => rearrange(values, columns, stride);
    const unpacked = (values: ArrayLike<number>) => rearrange(values, columns, stride, true);
    return (
      [
        ['softmax', softmaxForward, softmaxBackward, reference.softmax, reference.softmaxBackward],
        ['log-softmax', logSoftmaxForward, logSoftmaxBackward, reference.logSoftmax, reference.logSoftmaxBackward],
      ] as const
    ).flatMap(([operation, forward, backward, value, derivative]): KernelCase[] => {
      const expected = (values: ArrayLike<number>) => unpacked(value(packed(values), columns));
      const y = Float32Array.from(expected(x));
      const extreme = x.map((element) => 1e30 * element);
      const label = `[${rows},${columns}]${stride > 1 ? ` stride ${stride}` : ''}`;
      return [
        {
          name: `${operation}/forward ${label}`,
          kernel: forward,
          params,
          inputs: { x },
          outputs: { y: count },
          reference: () => ({ y: expected(x) }),
        },
        {
          name: `${operation}/forward ${label} extreme`,
          kernel: forward,
          params,
          inputs: { x: extreme },
          outputs: { y: count },
          reference: () => ({ y: expected(extreme) }),
        },
        {
          name: `${operation}/backward ${label}`,
          kernel: backward,
          params,
          inputs: { y, dy },
          outputs: { dx: count },
          // A sum of as many values of size 1 as there are columns may come out near 0.
          tolerance: { absolute: 1e-7 * Math.max(100, columns), relative: 1e-4 },
          reference: () => ({ dx: unpacked(derivative(packed(y), packed(dy), columns)) }),
        },
      ];
    });
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
