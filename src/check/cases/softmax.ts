import { correctCount, predict } from '../../kernels/correct-count/correct-count.ts';
import { logSoftmaxBackward, logSoftmaxForward } from '../../kernels/log-softmax/log-softmax.ts';
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

/** Of x - m - log S: log S <= log columns; WGSL's log is off by 2^-21 near 1, 8 of u. */
const logarithmSizes = (values: readonly number[], columns: number) =>
  values.map((value) => 1 + Math.log(columns) + Math.abs(value));

interface StridedShape extends Shape {
  /** how far apart the values of a row lie; divides rows */
  readonly stride: number;
}

const STRIDED: readonly StridedShape[] = [
  ...examples.map((shape) => ({ ...shape, stride: 1 })),
  { rows: 39, columns: 5, stride: 13 },
  { rows: 4200, columns: 2, stride: 2100 },
];
const chooseStrided = (choose: Choose): StridedShape => {
  const { rows, columns } = chooseShape(choose);
  const stride = choose(0, 2) === 2 ? choose(2, 9) : 1;
  return { rows: stride * Math.max(1, Math.floor(rows / stride)), columns, stride };
};

/** Where value `i` of the rows, one after another, lies in the tensor. */
const placeOf = ({ columns, stride }: StridedShape, i: number) => {
  const [row, column] = [Math.floor(i / columns), i % columns];
  return (Math.floor(row / stride) * columns + column) * stride + (row % stride);
};

/** The tensor's values row by row, and back. */
function rowByRow(shape: StridedShape, values: Values): number[] {
  return Array.from(values, (_, i) => values[placeOf(shape, i)]);
}
function inPlace(shape: StridedShape, values: Values): number[] {
  const tensor = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) tensor[placeOf(shape, i)] = values[i];
  return tensor;
}

/** softmax and log-softmax, which differ in what is expected alone. */
function strided(
  operation: 'softmax' | 'log-softmax',
  forward: typeof softmaxForward,
  backward: typeof softmaxBackward,
  of: { value: typeof reference.softmax; gradient: typeof reference.softmaxBackward },
  expected: {
    forward(x: Values, columns: number): Expected;
    backward(y: Values, dy: Values, columns: number): Expected;
  },
) {
  return defineFamily<StridedShape>({
    names: [`${operation}/forward`, `${operation}/backward`],
    examples: STRIDED,
    shape: chooseStrided,
    cases(shape, kind, random): KernelCase[] {
      const { rows, columns, stride } = shape;
      const count = rows * columns;
      const x = valuesOf(random, kind, count).map((value) => (kind === 'normal' ? 5 * value : value));
      const dy = valuesOf(random, kind, count, { instead: 'tiny' });
      const smooth = valuesOf(random, 'normal', count).map((value) => 3 * value);
      const packed = (values: Values) => rowByRow(shape, values);
      const tensor = (values: Values) => inPlace(shape, values);
      const placed = ({ values, units, magnitudes, flushed }: Expected): Expected => ({
        values: tensor(values),
        units,
        magnitudes: magnitudes && tensor(magnitudes),
        flushed: flushed && tensor(flushed),
      });
      const y = Float32Array.from(tensor(of.value(packed(smooth), columns)));
      const params = { rows, columns, stride };
      const description = `[${rows},${columns}]${stride > 1 ? ` stride ${stride}` : ''}`;
      return [
        {
          name: `${operation}/forward`,
          description,
          kernel: forward,
          params,
          inputs: { x },
          outputs: { y: count },
          reference: () => ({ y: placed(expected.forward(packed(x), columns)) }),
        },
        {
          name: `${operation}/backward`,
          description,
          kernel: backward,
          params,
          inputs: { y, dy },
          outputs: { dx: count },
          reference: () => ({ dx: placed(expected.backward(packed(y), packed(dy), columns)) }),
          derivative:
            kind === 'normal'
              ? {
                  at: packed(smooth),
                  upstream: packed(dy),
                  forward: (at) => of.value(at, columns),
                  gradient: () => of.gradient(of.value(packed(smooth), columns), packed(dy), columns),
                }
              : undefined,
        },
      ];
    },
  });
}

export const softmaxFamily = strided(
  'softmax',
  softmaxForward,
  softmaxBackward,
  { value: reference.softmax, gradient: reference.softmaxBackward },
  {
    forward: probabilities,
    backward: (y, dy, columns) => ({
      values: reference.softmaxBackward(y, dy, columns),
      magnitudes: reference.softmaxBackwardSizes(y, dy, columns),
      units: columns + 4,
      flushed: Array.from(dy, () => (columns + 4) * SMALLEST_NORMAL),
    }),
  },
);

export const logSoftmaxFamily = strided(
  'log-softmax',
  logSoftmaxForward,
  logSoftmaxBackward,
  { value: reference.logSoftmax, gradient: reference.logSoftmaxBackward },
  {
    forward(x, columns) {
      const values = reference.logSoftmax(x, columns);
      return { values, magnitudes: logarithmSizes(values, columns), units: columns + 40 };
    },
    backward: (y, dy, columns) => ({
      values: reference.logSoftmaxBackward(y, dy, columns),
      magnitudes: reference.logSoftmaxBackwardSizes(y, dy, columns),
      units: columns + 12,
      flushed: Array.from(dy, () => (columns + 4) * SMALLEST_NORMAL),
    }),
  },
);

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
          const magnitudes = logarithmSizes(values, columns);
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
