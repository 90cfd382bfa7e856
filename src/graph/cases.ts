/**
 * One case object an operation: how a random case of it is drawn. Everything that checks operations takes its cases
 * from this list: `frostline gradcheck ops`, the property-based tests, the comparison with PyTorch and the tests under
 * small limits. See docs/adding-an-operation.md.
 */
import { type Choose, pair } from '../check/choose.ts';
import type { Random } from '../random.ts';
import type { GradcheckInput } from './gradcheck.ts';
import { define, image, normal, type OperationCases } from './operation-case.ts';
import { add, divide, multiply, subtract } from './ops/arithmetic.ts';
import { logSoftmax, softmax, softmaxCrossEntropy } from './ops/classification.ts';
import { concat } from './ops/concat.ts';
import { clip, dropout, flatten, reshape } from './ops/elementwise.ts';
import { linear } from './ops/linear.ts';
import { matMul } from './ops/matmul.ts';
import { pad } from './ops/pad.ts';
import { averagePool, globalAveragePool, lrn, maxPool } from './ops/spatial.ts';
import { transpose } from './ops/transpose.ts';
import { sizeOf, type Tensor } from './tensor.ts';

export { describeCase, drawCase, type OperationCase, type OperationCases } from './operation-case.ts';

const linearCases = define('linear', (choose, random) => {
  const batch = choose(1, 17);
  const shape = choose(0, 1) === 1 ? [batch, choose(1, 4), choose(1, 3), choose(1, 3)] : [batch, choose(1, 50)];
  const outputs = choose(1, 53);
  const inputs: Record<string, GradcheckInput> = {
    x: normal(random, shape),
    weight: normal(random, [outputs, sizeOf(shape) / batch]),
  };
  if (choose(0, 1) === 1) inputs['bias'] = normal(random, [outputs]);
  return { options: {}, inputs, build: ({ x, weight, bias }) => linear(x, weight, bias) };
});

/** Kernel, strides and pads such that every window sees a part of the image. */
function pooling(choose: Choose, random: Random, dilation: number) {
  const kernel = pair(choose, 1, 4);
  const dilations = pair(choose, 1, dilation);
  const padding = (i: 0 | 1) => choose(0, Math.max(0, Math.min(2, Math.ceil(kernel[i] / 2) - 1)));
  const pads: [number, number, number, number] = [padding(0), padding(1), padding(0), padding(1)];
  const strides = [choose(1, kernel[0]), choose(1, kernel[1])] as const;
  const [height, width] = kernel.map((size, i) => dilations[i] * (size - 1) + 1 + choose(0, 4));
  const x = normal(random, [choose(1, 5), choose(1, 5), height, width]);
  return { x, options: { kernel, strides, pads, dilations, ceilMode: choose(0, 1) === 1 } };
}

const maxPoolCases = define('maxPool', (choose, random) => {
  const { x, options } = pooling(choose, random, 2);
  return { options, inputs: { x }, build: (tensors) => maxPool(tensors['x'], options) };
});

const averagePoolCases = define('averagePool', (choose, random) => {
  const { x, options: shape } = pooling(choose, random, 1);
  const options = { ...shape, countIncludePad: choose(0, 1) === 1 };
  return { options, inputs: { x }, build: (tensors) => averagePool(tensors['x'], options) };
});

const lrnCases = define('lrn', (choose, random) => {
  const options = {
    size: choose(1, 7),
    alpha: choose(0, 20) / 10,
    beta: choose(1, 6) / 4,
    bias: choose(1, 8) / 4,
  };
  return { options, inputs: { x: normal(random, image(choose)) }, build: ({ x }) => lrn(x, options) };
});

const softmaxCrossEntropyCases = define('softmaxCrossEntropy', (choose, random) => {
  const [batch, classes] = [choose(1, 17), choose(1, 23)];
  const weighted = choose(0, 1) === 1;
  const classWeights = weighted
    ? Array.from({ length: classes }, () => Math.fround(0.5 + random.uniform()))
    : undefined;
  const values = Uint32Array.from({ length: batch }, () => random.integer(classes));
  return {
    options: { classWeights },
    inputs: { x: normal(random, [batch, classes]), labels: { shape: [batch], values } },
    build: ({ x, labels }) => softmaxCrossEntropy(x, labels, classWeights),
  };
});

/** Over all of a row, or any run of an image's dimensions. */
const normalisation = (operation: string, build: typeof softmax) =>
  define(operation, (choose, random) => {
    if (choose(0, 1) === 0) {
      const x = normal(random, [choose(1, 17), choose(1, 23)]);
      return { options: { axes: [1, 2] }, inputs: { x }, build: (tensors) => build(tensors['x']) };
    }
    const first = choose(1, 3);
    const axes = [first, choose(first + 1, 4)] as const;
    const inputs = { x: normal(random, image(choose)) };
    return { options: { axes }, inputs, build: ({ x }) => build(x, operation, axes) };
  });

/** Each operand has each of the image's dimensions, or 1. The second keeps away from 0: it may divide. */
const arithmetic = (operation: string, build: typeof add) =>
  define(operation, (choose, random) => {
    const shape = image(choose);
    const operand = () => shape.map((size, axis) => (axis > 0 && choose(0, 3) === 3 ? 1 : size));
    const [a, b] = [normal(random, operand()), normal(random, operand())];
    const away = { ...b, values: (b.values as Float32Array<ArrayBuffer>).map((value) => value + Math.sign(value)) };
    return { options: {}, inputs: { a, b: away }, build: (tensors) => build(tensors['a'], tensors['b']) };
  });

const matMulCases = define('matMul', (choose, random) => {
  const leading = choose(0, 1) === 1 ? [choose(1, 4), choose(1, 3)] : [choose(1, 5)];
  const [m, k, p] = [choose(1, 9), choose(1, 9), choose(1, 9)];
  const inputs = { a: normal(random, [...leading, m, k]), b: normal(random, [...leading, k, p]) };
  return { options: {}, inputs, build: ({ a, b }) => matMul(a, b) };
});

/** An operation of one image batch without options. */
const unary = (operation: string, build: (x: Tensor) => Tensor) =>
  define(operation, (choose, random) => ({
    options: {},
    inputs: { x: normal(random, image(choose)) },
    build: ({ x }) => build(x),
  }));

/** The operations that have not moved to src/operators yet; all of them: src/operators/all.ts. */
export const legacyCases: readonly OperationCases[] = [
  linearCases,
  define('clip', (choose, random) => {
    const low = -choose(0, 8) / 8;
    const options = { low, high: low + choose(1, 8) / 8 };
    const inputs = { x: normal(random, image(choose)) };
    return { options, inputs, build: ({ x }) => clip(x, options.low, options.high) };
  }),
  maxPoolCases,
  averagePoolCases,
  unary('globalAveragePool', globalAveragePool),
  lrnCases,
  normalisation('softmax', softmax),
  normalisation('logSoftmax', logSoftmax),
  softmaxCrossEntropyCases,
  define('dropout', (choose, random) => {
    const ratio = choose(0, 9) / 10;
    return { options: { ratio }, inputs: { x: normal(random, image(choose)) }, build: ({ x }) => dropout(x, ratio) };
  }),
  arithmetic('add', add),
  arithmetic('subtract', subtract),
  arithmetic('multiply', multiply),
  arithmetic('divide', divide),
  matMulCases,
  define('concat', (choose, random) => {
    const shape = image(choose);
    const axis = choose(1, 3);
    const part = () => normal(random, shape.with(axis, choose(1, 4)));
    return { options: { axis }, inputs: { a: part(), b: part() }, build: ({ a, b }) => concat([a, b], 'concat', axis) };
  }),
  define('transpose', (choose, random) => {
    const shape = image(choose);
    const rest = [1, 2, 3];
    const perm = [0, ...[3, 2, 1].map((left) => rest.splice(choose(0, left - 1), 1)[0])];
    return { options: { perm }, inputs: { x: normal(random, shape) }, build: ({ x }) => transpose(x, perm) };
  }),
  define('pad', (choose, random) => {
    const [items, channels, ...plane] = image(choose);
    const shape = [items, Math.min(channels, 5), ...plane];
    const mode = (['constant', 'edge', 'reflect'] as const)[choose(0, 2)];
    // Smaller than the image, which a reflection needs; what is cut off leaves at least one value.
    const side = (size: number) =>
      choose(0, Math.min(2, size - 1)) * (mode === 'constant' && choose(0, 4) === 4 ? -1 : 1);
    const before = shape.map((size, axis) => (axis < 2 ? 0 : side(size)));
    const after = shape.map((size, axis) => (axis < 2 ? 0 : Math.max(side(size), 1 - size - before[axis])));
    const options = { before, after, mode, value: choose(0, 8) / 8 };
    return { options, inputs: { x: normal(random, shape) }, build: ({ x }) => pad(x, options) };
  }),
  unary('flatten', flatten),
  unary('reshape', (x) => reshape(x, [x.size / x.shape[0], x.shape[0]])),
];
