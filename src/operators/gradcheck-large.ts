/**
 * What gradcheck looks at where other texts of the kernels take over: rows that one thread no longer walks, more values
 * than fill a device, planes and products of more than one tile. Small cases, which the operators draw themselves, find
 * wrong derivatives; these find wrong derivatives of large ones.
 */
import type { Choose } from '../check/choose.ts';
import { define, normal, type OperationCases } from '../graph/operation-case.ts';
import { softmaxCrossEntropy } from '../graph/ops/classification.ts';
import { input, type Shape, type Tensor } from '../graph/tensor.ts';
import { Random } from '../random.ts';
import { affine } from './affine/graph.ts';
import { checkedOperators } from './all.ts';
import { add, divide, multiply, subtract } from './arithmetic/graph.ts';
import { normalizeBatch } from './batch-normalization/graph.ts';
import { concat } from './concat/graph.ts';
import { conv2d } from './conv2d/graph.ts';
import { dropout } from './dropout/graph.ts';
import { linear } from './linear/graph.ts';
import { lrn } from './lrn/graph.ts';
import { matMul } from './mat-mul/graph.ts';
import { pad } from './pad/graph.ts';
import { averagePool, maxPool } from './pooling/graph.ts';
import { relu } from './relu/graph.ts';
import { sigmoid } from './sigmoid/graph.ts';
import { logSoftmax, softmax } from './softmax/graph.ts';
import { transpose } from './transpose/graph.ts';

type OfImages = (x: Tensor, u: Tensor) => Tensor;

/** Of images x and, for what takes two, u of the same shape: by name, what the case prints. */
const OF_VALUES: readonly (readonly [string, OfImages])[] = [
  ['dropout', (x) => dropout(x, 0.25)],
  ['add', (x, u) => add(x, u)],
  ['subtract', (x, u) => subtract(x, u)],
  ['multiply', (x, u) => multiply(x, u)],
  // Away from the pole.
  ['divide', (x, u) => divide(x, add(multiply(u, u), sigmoid(u)))],
  ['concat', (x, u) => concat([x, u])],
  ['transpose', (x) => transpose(x, [0, 2, 3, 1])],
  ['pad', (x) => pad(x, { before: [0, 0, 1, 2], after: [0, 0, 2, 1] })],
  ['read twice', (x, u) => add(multiply(x, u), x)],
];

/** Operators that map single values, by what their outputs say of themselves. */
const maps = checkedOperators.filter(({ operator, checks }) => {
  if (operator.inputs !== 1 || Object.keys(operator.parameters).length > 0) return false;
  const { attributes, inputs } = checks.draw((low) => low, new Random(1));
  const [x] = Object.entries(inputs).map(([name, { shape }]) => input(name, shape));
  const [y] = operator.build({ name: operator.kind, attributes, inputs: [x], parameters: {} });
  return y.source?.operation.epilogue !== undefined;
});

/** More than 4,096 values of an image batch: a thread takes several. */
const wide = (choose: Choose): Shape => [choose(2, 4), choose(8, 11), choose(16, 24), choose(16, 24)];

const valuesCases = define('many values', (choose, random) => {
  const number = choose(0, OF_VALUES.length + maps.length - 1);
  const shape = wide(choose);
  if (number >= OF_VALUES.length) {
    const { operator, checks } = maps[number - OF_VALUES.length];
    const { attributes } = checks.draw(choose, random);
    return {
      options: { what: operator.kind, ...attributes },
      inputs: { x: normal(random, shape) },
      build: ({ x }) => operator.build({ name: operator.kind, attributes, inputs: [x], parameters: {} })[0],
    };
  }
  const [what, build] = OF_VALUES[number];
  const both = build.length === 2;
  return {
    options: { what },
    inputs: { x: normal(random, shape), ...(both ? { u: normal(random, shape) } : undefined) },
    build: ({ x, u }) => build(x, u),
  };
});

const channelsCases = define('many channels', (choose, random) => {
  const shape = wide(choose);
  const [, channels] = shape;
  const vector = () => normal(random, [channels]);
  const kind = choose(0, 2);
  if (kind === 0) {
    const [scale, shift] = [vector(), vector()].map(({ values }) => Array.from(values));
    return {
      options: { what: 'affine' },
      inputs: { x: normal(random, shape) },
      build: ({ x }) => affine(x, scale, shift),
    };
  }
  return {
    options: { what: kind === 1 ? 'lrn' : 'normalizeBatch' },
    inputs: {
      x: normal(random, shape),
      ...(kind === 1 ? undefined : { scale: vector(), shift: vector() }),
    },
    build: ({ x, scale, shift }) => (kind === 1 ? lrn(x, { size: 5 }) : normalizeBatch(x, scale, shift)),
  };
});

/** The windows of AlexNet's and VGG16's pooling, which have texts of their own, and one that has none. */
const WINDOWS = [
  { kernel: [3, 3], strides: [2, 2] },
  { kernel: [2, 2], strides: [2, 2] },
  { kernel: [3, 3], strides: [1, 1] },
  { kernel: [4, 2], strides: [3, 1] },
] as const;

const manyPlanes = (choose: Choose): Shape => [choose(2, 4), choose(10, 20), choose(9, 20), choose(9, 20)];
const fewPlanes = (choose: Choose): Shape => [1, choose(1, 2), choose(60, 90), choose(60, 90)];

const poolingCases = define('large pooling', (choose, random) => {
  const window = WINDOWS[choose(0, WINDOWS.length - 1)];
  const pads = [choose(0, 1), choose(0, 1), choose(0, 1), choose(0, 1)] as const;
  const average = choose(0, 3) === 0;
  return {
    options: { ...window, pads, average },
    inputs: { x: normal(random, choose(0, 3) === 0 ? fewPlanes(choose) : manyPlanes(choose)) },
    // With a ReLU before: its derivative may be applied by the pooling's.
    build: ({ x }) => (average ? averagePool(x, { ...window, pads }) : maxPool(relu(x), { ...window, pads })),
  };
});

const rowsCases = define('long rows', (choose, random) => {
  const [rows, classes] = [choose(1, 40), choose(200, 1100)];
  const log = choose(0, 1) === 1;
  return {
    options: { log },
    inputs: { x: normal(random, [rows, classes]) },
    build: ({ x }) => (log ? logSoftmax(x) : softmax(x)),
  };
});

/** The mean over rows is one number, whose last place hides what one of many logits does to it: few rows. */
const lossCases = define('loss of many classes', (choose, random) => {
  const [rows, classes] = [choose(1, 4), choose(40, 300)];
  const weighted = choose(0, 1) === 1;
  const weights = weighted ? Array.from({ length: classes }, () => Math.fround(0.5 + random.uniform())) : undefined;
  const values = Uint32Array.from({ length: rows }, () => random.integer(classes));
  return {
    options: { weighted },
    inputs: { x: normal(random, [rows, classes]), labels: { shape: [rows], values } },
    build: ({ x, labels }) => softmaxCrossEntropy(x, labels, weights),
  };
});

/** Strides, whose phases are convolutions of stride 1. */
const stridedCases = define('large strided conv2d', (choose, random) => {
  const [channels, filters, stride] = [choose(3, 16), choose(8, 24), choose(2, 4)];
  const kernel = choose(stride, 2 * stride + 1);
  const side = (): number => choose(6 * stride, 10 * stride) + kernel;
  const weight = [filters, channels, kernel, kernel];
  return {
    options: { strides: [stride, stride] },
    inputs: {
      x: normal(random, [choose(2, 4), channels, side(), side()]),
      weight: normal(random, weight),
      bias: normal(random, [filters]),
    },
    build: ({ x, weight, bias }) => conv2d(x, weight, bias, { strides: [stride, stride] }),
  };
});

/** A whole number of vectors of four, or not. */
const length = (choose: Choose, most: number) => (choose(0, 3) > 0 ? 4 * choose(1, most / 4) : choose(1, most));

const linearCases = define('large linear', (choose, random) => {
  // What fits registers, a subgroup's items, and what is a product of matrices.
  const batch = [choose(1, 16), choose(17, 64), choose(65, 260)][choose(0, 2)];
  const [inputs, outputs] = [length(choose, 400), length(choose, 140)];
  const [bias, before, after] = [choose(0, 1) === 1, choose(0, 1) === 1, choose(0, 1) === 1];
  return {
    options: { before, after },
    inputs: {
      // Of the first layer that is trained nothing is asked but the update.
      x: { ...normal(random, [batch, inputs]), requiresGrad: choose(0, 3) > 0 },
      weight: normal(random, [outputs, inputs]),
      ...(bias ? { bias: normal(random, [outputs]) } : undefined),
    },
    build: ({ x, weight, bias: shift }) => {
      const y = linear(before ? relu(x) : x, weight, shift);
      return after ? relu(y) : y;
    },
  };
});

const productCases = define('large products', (choose, random) => {
  // Large enough for the largest tiles to pay on a GPU, and in whole vectors of four; or neither.
  const [products, rows, depth, columns] =
    choose(0, 4) === 4
      ? [1, 4 * choose(120, 150), 4 * choose(40, 50), 4 * choose(120, 150)]
      : [choose(1, 2), choose(1, 140), choose(1, 200), choose(1, 140)];
  return {
    options: {},
    inputs: { a: normal(random, [products, rows, depth]), b: normal(random, [products, depth, columns]) },
    build: ({ a, b }) => matMul(a, b),
  };
});

export const largeCases: readonly OperationCases[] = [
  valuesCases,
  channelsCases,
  poolingCases,
  rowsCases,
  lossCases,
  linearCases,
  stridedCases,
  productCases,
];
