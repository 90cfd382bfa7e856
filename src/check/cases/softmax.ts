import { correctCount, predict } from '../../kernels/correct-count/correct-count.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax/softmax.ts';
import { softmaxLossBackward, softmaxLossForward, softmaxLossMean } from '../../kernels/softmax-loss/softmax-loss.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Choose, fittingBatch } from '../choose.ts';
import { type Expected, exactly, sumsOf } from '../expected.ts';
import * as reference from '../reference/softmax.ts';
import { SMALLEST_NORMAL, valuesOf } from '../values.ts';

interface Shape {
  readonly rows: number;
  readonly columns: number;
}

const examples: Shape[] = [
  { rows: 1, columns: 1 },
  { rows: 10, columns: 2 },
  { rows: 67, columns: 7 },
  { rows: 3, columns: 1009 },
];
const chooseShape = (choose: Choose): Shape => {
  const columns = choose(0, 5) === 5 ? choose(24, 130) : choose(1, 23);
  return { rows: fittingBatch(choose(0, 5) === 5 ? choose(18, 131) : choose(1, 17), columns), columns };
};
const describe = ({ rows, columns }: Shape) => `[${rows},${columns}]`;

type Values = ArrayLike<number>;

/** exp of x - m is off by 3 + 2 |x - m| units in the last place (WGSL), and the difference is itself rounded. */
function probabilities(x: Values, columns: number): Expected {
  const values = reference.softmax(x, columns);
  const distances = reference.rowsOf(x, columns).flatMap((row) => {
    const largest = Math.max(...row);
    return row.map((value) => largest - value);
  });
  // Where the distance is infinite the value is 0 or NaN.
  const magnitudes = values.map((value, i) => (value === 0 ? 0 : value * (1 + distances[i])));
  return { values, magnitudes, units: columns + 24 };
}

export const softmaxFamily = defineFamily<Shape>({
  names: ['softmax/forward', 'softmax/backward'],
  examples,
  shape: chooseShape,
  cases({ rows, columns }, kind, random): KernelCase[] {
    const count = rows * columns;
    const x = valuesOf(random, kind, count).map((value) => (kind === 'normal' ? 5 * value : value));
    const dy = valuesOf(random, kind, count, { instead: 'tiny' });
    const smooth = valuesOf(random, 'normal', count).map((value) => 3 * value);
    const y = Float32Array.from(reference.softmax(smooth, columns));
    const description = describe({ rows, columns });
    return [
      {
        name: 'softmax/forward',
        description,
        kernel: softmaxForward,
        params: { rows, columns },
        inputs: { x },
        outputs: { y: count },
        reference: () => ({ y: probabilities(x, columns) }),
      },
      {
        name: 'softmax/backward',
        description,
        kernel: softmaxBackward,
        params: { rows, columns },
        inputs: { y, dy },
        outputs: { dx: count },
        reference: () => ({
          dx: {
            values: reference.softmaxBackward(y, dy, columns),
            magnitudes: reference.softmaxBackwardSizes(y, dy, columns),
            units: columns + 4,
            flushed: dy.map(() => (columns + 4) * SMALLEST_NORMAL),
          },
        }),
        derivative:
          kind === 'normal'
            ? {
                at: smooth,
                upstream: dy,
                forward: (at) => reference.softmax(at, columns),
                gradient: () => reference.softmaxBackward(reference.softmax(smooth, columns), dy, columns),
              }
            : undefined,
      },
    ];
  },
});

export const softmaxLossFamily = defineFamily<Shape>({
  names: ['softmax-loss/forward', 'softmax-loss/mean', 'softmax-loss/backward'],
  examples,
  shape: chooseShape,
  cases({ rows, columns }, kind, random): KernelCase[] {
    const logits = valuesOf(random, kind, rows * columns).map((value) => (kind === 'normal' ? 5 * value : value));
    const labels = Uint32Array.from({ length: rows }, () => random.integer(columns));
    const class_weights = Float32Array.from({ length: columns }, () => random.between(0.25, 4));
    const smooth = valuesOf(random, 'normal', rows * columns);
    const probability = Float32Array.from(reference.softmax(smooth, columns));
    const losses = valuesOf(random, kind, rows, { instead: 'tiny' }).map(Math.abs);
    const { weightSum } = reference.weightedMean([...losses], labels, class_weights);
    const upstream = Float32Array.of(random.normal());
    const description = describe({ rows, columns });
    const mean = (losses: Values) => [reference.weightedMean(Array.from(losses), labels, class_weights).loss];
    const backward = (probability: Values) =>
      Array.from(probability, (value, at) => {
        const label = labels[Math.floor(at / columns)];
        const factor = (upstream[0] * class_weights[label]) / weightSum;
        return [factor, value, at % columns === label ? 1 : 0] as const;
      });
    return [
      {
        name: 'softmax-loss/forward',
        description,
        kernel: softmaxLossForward,
        params: { rows, columns },
        inputs: { logits, labels },
        outputs: { probabilities: logits.length, losses: rows },
        reference: () => {
          const values = reference.crossEntropies(logits, labels, columns);
          // log S <= log columns; WGSL's log is off by 2^-21 near 1, 8 of u.
          const magnitudes = values.map((value) => 1 + Math.log(columns) + Math.abs(value));
          return { probabilities: probabilities(logits, columns), losses: { values, magnitudes, units: columns + 40 } };
        },
      },
      {
        name: 'softmax-loss/mean',
        description: `${rows} rows`,
        kernel: softmaxLossMean,
        params: { rows },
        inputs: { losses, labels, class_weights },
        outputs: { loss: 1, weight_sum: 1 },
        reference: () => ({
          loss: sumsOf(mean, [losses], 2 * rows + 6),
          weight_sum: { values: [weightSum], units: rows },
        }),
      },
      {
        name: 'softmax-loss/backward',
        description,
        kernel: softmaxLossBackward,
        params: { rows, columns },
        inputs: { probabilities: probability, labels, class_weights, weight_sum: Float32Array.of(weightSum), upstream },
        outputs: { dlogits: logits.length },
        reference: () => ({
          dlogits: {
            values: backward(probability).map(([factor, value, one]) => factor * (value - one)),
            magnitudes: backward(probability).map(([factor, value, one]) => Math.abs(factor) * (value + one)),
            units: 10,
          },
        }),
        derivative: {
          at: smooth,
          upstream,
          forward: (at) => mean(reference.crossEntropies(at, labels, columns)),
          gradient: () =>
            backward(reference.softmax(smooth, columns)).map(([factor, value, one]) => factor * (value - one)),
        },
      },
    ];
  },
});

export const correctCountFamily = defineFamily<Shape>({
  names: ['correct-count/predict', 'correct-count/count'],
  examples,
  shape: chooseShape,
  cases({ rows, columns }, kind, random): KernelCase[] {
    // Small integers, so that ties are common; in place of denormals, which an adapter may take for equal.
    const logits =
      kind === 'normal' || kind === 'tiny'
        ? Float32Array.from({ length: rows * columns }, () => random.integer(5) - 2)
        : valuesOf(random, kind, rows * columns);
    const labels = Uint32Array.from({ length: rows }, () => random.integer(columns));
    const prediction = Uint32Array.from(reference.rowsOf(logits, columns), reference.argMax);
    const correct = prediction.reduce((sum, value, n) => sum + (value === labels[n] ? 1 : 0), 0);
    return [
      {
        name: 'correct-count/predict',
        description: describe({ rows, columns }),
        kernel: predict,
        params: { rows, columns },
        inputs: { logits },
        outputs: { prediction: rows },
        reference: () => ({ prediction: exactly(prediction) }),
      },
      ...[0, 1].map(
        (accumulate): KernelCase => ({
          name: 'correct-count/count',
          description: `${rows} rows${accumulate ? ' accumulated' : ''}`,
          kernel: correctCount,
          params: { rows, accumulate },
          inputs: { prediction, labels },
          outputs: { correct: accumulate ? Uint32Array.of(1000) : 1 },
          reference: () => ({ correct: exactly([correct + 1000 * accumulate]) }),
        }),
      ),
    ];
  },
});
