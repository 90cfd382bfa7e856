import { correctCount, predict } from '../../kernels/correct-count/correct-count.ts';
import { logSoftmaxBackward, logSoftmaxForward } from '../../kernels/log-softmax/log-softmax.ts';
import { softmaxBackward, softmaxForward } from '../../kernels/softmax/softmax.ts';
import {
  lossParts,
  softmaxLoss,
  softmaxLossGradient,
  softmaxLossWeights,
} from '../../kernels/softmax-loss/softmax-loss.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { type Choose, fittingBatch } from '../choose.ts';
import { type Expected, exactly } from '../expected.ts';
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
  forward: typeof softmaxForward | typeof logSoftmaxForward,
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

interface LossShape extends Shape {
  /** rows of the batch before and behind the window that is worked on */
  readonly before: number;
  readonly behind: number;
  /** of labels, in quarters */
  readonly smoothed: number;
}

export const softmaxLossFamily = defineFamily<LossShape>({
  names: ['softmax-loss/weights', 'softmax-loss/loss', 'softmax-loss/gradient'],
  examples: [
    ...examples.map((shape, i) => ({ ...shape, before: i % 2, behind: i % 3, smoothed: i % 2 })),
    // More than a part of rows, and more than two.
    { rows: 131, columns: 3, before: 0, behind: 0, smoothed: 2 },
    { rows: 65, columns: 2, before: 70, behind: 9, smoothed: 0 },
    { rows: 5, columns: 40, before: 0, behind: 0, smoothed: 3 },
  ],
  shape: (choose) => ({
    ...chooseShape(choose),
    before: choose(0, 9),
    behind: choose(0, 9),
    smoothed: Math.max(0, choose(0, 6) - 3),
  }),
  cases(shape, kind, random): KernelCase[] {
    const { rows, columns } = shape;
    const batch = batchOf(shape);
    // All rows end in one loss, where a NaN of one row would hide what becomes of an infinity in another.
    const hasNan = random.integer(2) === 1;
    const logits = valuesOf(random, kind, rows * columns).map((value) => {
      if (kind === 'normal') return 5 * value;
      return Number.isNaN(value) && !hasNan ? Number.POSITIVE_INFINITY : value;
    });
    const labels = Uint32Array.from({ length: batch }, () => random.integer(columns));
    const class_weights = Float32Array.from({ length: columns }, () => random.between(0.25, 4));
    const summed = random.integer(2);
    const loss = new LossReference(shape, labels, class_weights);
    const given = {
      params: { rows, columns, first: shape.before, batch, summed, smoothing: smoothingOf(shape) },
      inputs: {
        logits,
        labels,
        class_weights,
        weight_sum: Float32Array.of(summed ? loss.weightSum : Number.NaN),
      },
    };
    const description =
      `${describe(shape)} behind ${shape.before} of ${batch}${summed ? ', sum known' : ''}` +
      (shape.smoothed ? `, smoothed ${smoothingOf(shape)}` : '');
    return [
      {
        name: 'softmax-loss/weights',
        description: `${batch} rows`,
        kernel: softmaxLossWeights,
        params: { batch },
        inputs: { labels, class_weights },
        outputs: { weight_sum: 1 },
        reference: () => ({ weight_sum: { values: [loss.weightSum], units: batch } }),
      },
      {
        name: 'softmax-loss/loss',
        description,
        kernel: softmaxLoss,
        ...given,
        outputs: { losses: lossParts(rows) },
        reference: () => ({ losses: loss.expectedLosses(logits) }),
      },
      {
        name: 'softmax-loss/gradient',
        description,
        kernel: softmaxLossGradient,
        ...given,
        outputs: { losses: lossParts(rows), dlogits: logits.length },
        reference: () => ({ losses: loss.expectedLosses(logits), dlogits: loss.expectedGradient(logits) }),
        derivative:
          kind === 'normal'
            ? {
                at: logits,
                upstream: new Float64Array(rows).fill(1),
                forward: (x) => loss.ofRows(x),
                gradient: () => loss.gradient(logits),
              }
            : undefined,
      },
    ];
  },
});

const batchOf = ({ rows, before, behind }: LossShape) => before + rows + behind;
const smoothingOf = ({ smoothed }: LossShape) => smoothed / 4;
const total = (terms: readonly number[]) => terms.reduce((sum, term) => sum + term, 0);

/** The weighted mean over a batch of the rows' losses, of which only some rows are worked on. */
class LossReference {
  readonly weightSum: number;
  private readonly shape: LossShape;
  /** of row n and class c, how much of -log p[n, c] the loss has: the gradient follows from these alone */
  private readonly shares: readonly (readonly number[])[];

  constructor(shape: LossShape, labels: Uint32Array, classWeights: Float32Array) {
    const { rows, columns, before } = shape;
    const smoothing = smoothingOf(shape);
    const weightSum = total(Array.from(labels, (label) => classWeights[label]));
    const share = (label: number) => (weight: number, c: number) =>
      (weight * ((c === label ? 1 - smoothing : 0) + smoothing / columns)) / weightSum;
    this.shape = shape;
    this.weightSum = weightSum;
    this.shares = Array.from(labels.subarray(before, before + rows), (label) => Array.from(classWeights, share(label)));
  }

  ofRows(x: Values): number[] {
    return this.spread(x, (logarithm) => -logarithm);
  }

  gradient(x: Values): number[] {
    return reference.softmax(x, this.shape.columns).map((p, at) => {
      const { whole, own } = this.shareAt(at);
      return p * whole - own;
    });
  }

  expectedLosses(logits: Values): Expected {
    const { columns } = this.shape;
    const sizes = this.spread(logits, (logarithm) => logarithmSizes([logarithm], columns)[0]);
    return { values: inParts(this.ofRows(logits)), magnitudes: inParts(sizes), units: this.units() };
  }

  expectedGradient(logits: Values): Expected {
    const { magnitudes } = probabilities(logits, this.shape.columns);
    const sizes = Array.from(magnitudes!, (size, at) => {
      const { whole, own } = this.shareAt(at);
      return whole * size + own;
    });
    return { values: this.gradient(logits), magnitudes: sizes, units: this.units() };
  }

  /** The sum of the weights, that of the losses, and what one row is made of. */
  private units(): number {
    const { columns, smoothed } = this.shape;
    return 2 * batchOf(this.shape) + (smoothed ? 3 : 1) * columns + 50;
  }

  /** Of an element of the logits: its row's share in the loss, and its own. */
  private shareAt(at: number) {
    const row = this.shares[Math.floor(at / this.shape.columns)];
    return { whole: total(row), own: row[at % this.shape.columns] };
  }

  /** A class without a share has no part in it, whatever its logarithm. */
  private spread(x: Values, of: (logarithm: number) => number): number[] {
    const { columns } = this.shape;
    return reference.rowsOf(reference.logSoftmax(x, columns), columns).map((row, n) => {
      const shares = this.shares[n];
      return total(row.map((value, c) => (shares[c] === 0 ? 0 : shares[c] * of(value))));
    });
  }
}

/** Sums over 64 rows each. */
const inParts = (values: readonly number[]) =>
  Array.from({ length: lossParts(values.length) }, (_, part) => total(values.slice(64 * part, 64 * part + 64)));

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
