/**
 * How far single precision may be from each operator's float64 reference, whoever computes it: in units of 2^-24 of the
 * size of the terms of each value (../check/expected.ts). Derived from the formula, in any order of its sums, and from
 * what WGSL grants to division, exp, log and pow, of which other languages grant no more.
 */
import { type Expected, exactly, sumsOf } from '../check/expected.ts';
import { lrnUnits } from '../check/reference/lrn.ts';
import { count, type Referred, type Value } from './operator.ts';
import type { Kind } from './registry.ts';

type Values = ArrayLike<number>;

/** Of any operator: its shape rule has passed, so that attributes and parameters are there. */
interface Given extends Omit<Referred<unknown, string>, 'attributes' | 'weights' | 'parameters'> {
  // biome-ignore lint/suspicious/noExplicitAny: attributes of any operator
  readonly attributes: any;
  readonly weights: Readonly<Record<string, Values>>;
  readonly parameters: Readonly<Record<string, Value>>;
}

export interface Bounded {
  readonly given: Given;
  /** all arrays, inputs first, then parameters in the order of `given.weights` */
  readonly arrays: readonly Values[];
  /** the operator's reference of other arrays, or with other attributes */
  reference(arrays?: readonly Values[], attributes?: object): Values;
}

export interface Bound {
  expected(of: Bounded): Expected;
  /** linear, or linear by pieces, in each array alone: a gradient follows from the reference itself */
  readonly linear: boolean;
}

const copied: Bound = { expected: ({ reference }) => exactly(reference()), linear: true };

/** Sums of products with coefficients that are not negative, the longest of so many terms. */
const sums = (terms: (given: Given) => number): Bound => ({
  linear: true,
  expected: ({ given, arrays, reference }) => sumsOf((...values) => reference(values), arrays, terms(given)),
});

/** A value for itself: units by its argument. */
const map = (units: (x: number, given: Given) => number, linear = false): Bound => ({
  linear,
  expected({ given, arrays: [x], reference }) {
    const values = reference();
    return { values, units: 1, magnitudes: Array.from(values, (y, i) => Math.abs(y) * units(x[i], given)) };
  },
});

/** Terms of other signs than their arrays': the sizes of the terms by `size`. */
const sized = (units: (given: Given) => number, size: (of: Bounded) => Values, linear = true): Bound => ({
  linear,
  expected: (of) => ({ values: of.reference(), units: units(of.given), magnitudes: size(of) }),
});

const absolute = (values: Values) => Float64Array.from(values, Math.abs);
const rowLength = ({ inputs, outputs }: Given) => count(inputs[0].shape) / count(outputs[0]);

/** Values in a row of softmax. */
const columns = ({ attributes: { axes }, inputs: [{ shape }] }: Given) =>
  count(axes === undefined ? shape.slice(1) : shape.slice(axes[0] + 1, axes[1] + 1));

export const bounds: { readonly [K in Kind]: Bound } = {
  add: sums(() => 1),
  affine: sized(
    () => 3,
    ({ arrays, given: { attributes }, reference }) =>
      reference([absolute(arrays[0])], {
        ...attributes,
        scale: attributes.scale.map(Math.abs),
        shift: attributes.shift.map(Math.abs),
      }),
  ),
  averagePool: sums(({ attributes: { kernel } }) => kernel[0] * kernel[1] + 5),
  // As (x - mean) factor + shift or as x factor + (shift - mean factor); inverseSqrt is off by 2 units in the last place.
  batchNormalization: sized(
    () => 14,
    ({ arrays: [x], given: { weights, attributes, inputs, batch } }) => {
      const plane = count(inputs[0].shape) / batch / weights.scale.length;
      return Float64Array.from(x, (value, i) => {
        const c = Math.floor(i / plane) % weights.scale.length;
        const factor = Math.abs(weights.scale[c]) / Math.sqrt(weights.variance[c] + attributes.epsilon);
        return (Math.abs(value) + Math.abs(weights.mean[c])) * factor + Math.abs(weights.shift[c]);
      });
    },
  ),
  clip: copied,
  concat: copied,
  conv2d: sums(({ parameters }) => count(parameters.weight.shape.slice(1)) + 1),
  divide: map(() => 5),
  dropout: copied,
  flatten: copied,
  globalAveragePool: sums((given) => rowLength(given) + 5),
  // Near -3 the sum of x / 6 and 1 / 2 cancels: the error is that of its terms.
  hardSwish: map((x) => (x <= -3 || x > 3 ? 1 : (8 * (Math.abs(x) / 6 + 0.5)) / Math.abs(x / 6 + 0.5))),
  identity: copied,
  leakyRelu: sums(() => 1),
  linear: sums(({ parameters }) => parameters.weight.shape[1] + 1),
  logSoftmax: sized(
    (given) => columns(given) + 40,
    ({ given, reference }) => Float64Array.from(reference(), (value) => 1 + Math.log(columns(given)) + Math.abs(value)),
    false,
  ),
  lrn: {
    linear: false,
    expected({ given: { attributes, inputs }, arrays: [x], reference }) {
      const [batch, channels, ...plane] = inputs[0].shape;
      const units = lrnUnits({ ...attributes, batch, channels, plane: count(plane) }, x);
      return { values: reference(), units, flushed: Array.from(x, () => 16 * 2 ** -126) };
    },
  },
  matMul: sums(({ inputs: [a] }) => a.shape.at(-1)! + 1),
  maxPool: copied,
  multiply: sums(() => 1),
  pad: copied,
  relu: copied,
  reshape: copied,
  sigmoid: map((x) => 16 + 4 * Math.abs(x)),
  silu: map((x) => 20 + 4 * Math.abs(x)),
  // exp(x - m) is off by 3 + 2 |x - m| units in the last place, and |x - m| is no more than |log y|.
  softmax: sized(
    (given) => columns(given) + 24,
    ({ reference }) => Float64Array.from(reference(), (y) => (y === 0 ? 0 : y * (1 + Math.abs(Math.log(y))))),
    false,
  ),
  subtract: sized(
    () => 2,
    ({ arrays: [a, b], reference }) => reference([absolute(a), Float64Array.from(b, (value) => -Math.abs(value))]),
  ),
  transpose: copied,
};
