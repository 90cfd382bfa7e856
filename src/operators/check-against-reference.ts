/** Anybody's results of one operator against its float64 reference, on plain arrays: no GPU, no graph. */
import { checkArguments, type Expectation, NUMBERS, OBJECT, TEXT } from '../arguments.ts';
import { compare, type Expected } from '../check/expected.ts';
import { FrostlineError } from '../errors.ts';
import { Random } from '../random.ts';
import type { Bounded } from './bounds.ts';
import type { Checks } from './checks.ts';
import { asked, checkAttributes, count, refuse, show } from './operator.ts';
import { type Kind, operators } from './registry.ts';

/** Values in plain arrays with their shape. */
export interface PlainTensor {
  /** with the batch: [N, C, H, W]; a parameter's own */
  readonly shape: readonly number[];
  /** row-major; where all results are of single precision, these count as rounded to it, too */
  readonly values: ArrayLike<number>;
}

/** What `checkAgainstReference` compares: an operation, its attributes and inputs, and the output to be judged. */
export interface ReferenceQuestion {
  /** the operator's kind, as docs/operators.md lists them: 'conv2d' */
  readonly op: Kind;
  /** its attributes: `{ strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], groups: 1 }` */
  readonly params?: Readonly<Record<string, unknown>>;
  /** parameters by their roles (`weight`, `bias`), all others activations in their order */
  readonly inputs: Readonly<Record<string, PlainTensor>>;
  /** what was computed: y, or with `gradient` dL/d of one input */
  readonly output: ArrayLike<number>;
  /** of which input `output` is the gradient, and dL/dy; of operators that are linear in it, or linear by pieces */
  readonly gradient?: { readonly of: string; readonly upstream: ArrayLike<number> };
}

/** How far an output is from the reference, and what is allowed. */
export interface ReferenceReport {
  readonly passed: boolean;
  /** the largest error and what is allowed, in units of 2^-24 of the size of the value's terms */
  readonly error: number;
  readonly units: number;
  /** the element that has it, what was given there, and what is right */
  readonly element: number;
  readonly actual: number;
  readonly expected: number;
  /** elements beyond what is allowed, and elements that were compared */
  readonly wrong: number;
  readonly compared: number;
  /** elements of a gradient that lie at a kink, where there is none */
  readonly kinks: number;
  /** what is wrong in words; undefined where nothing is */
  readonly problem: string | undefined;
}

const INPUTS: Expectation = {
  is: (value) =>
    OBJECT.is(value) &&
    Object.values(value as object).every((one) => OBJECT.is(one) && NUMBERS.is(one.shape) && NUMBERS.is(one.values)),
  words: 'arrays by name, { shape, values }',
};

/**
 * Compares results of any implementation with the operator's float64 reference: y of inference (dropout hands on, batch
 * normalisation takes its running statistics), or a gradient. An error is measured against the size of the terms that a
 * value is made of, so that one bound holds for all sizes of values and every order of a sum (docs/own-kernels.md).
 *
 * @throws FrostlineError where operator, attributes, shapes or lengths do not fit
 * @example
 * const report = await checkAgainstReference({
 *   op: 'linear',
 *   inputs: { x: { shape: [1, 2], values: [1, 2] }, weight: { shape: [1, 2], values: [3, 4] } },
 *   output: Float32Array.of(11),
 * });
 */
export async function checkAgainstReference(question: ReferenceQuestion): Promise<ReferenceReport> {
  checkArguments('checkAgainstReference', {
    question: [question, OBJECT],
    op: [question?.op, TEXT],
    inputs: [question?.inputs, INPUTS],
    output: [question?.output, NUMBERS],
  });
  const { op, output, gradient } = question;
  const { names, bounded } = boundedOf(question);
  const { bound } = (await operators[op].checks()).checks as Checks<object>;
  if (gradient === undefined) return judged(output, bound.expected(bounded), 0, `${op}: y`);
  const array = names.indexOf(gradient.of);
  if (array < 0) throw new FrostlineError(`${op}: there is no input '${gradient.of}'. There are ${names.join(', ')}.`);
  if (!bound.linear) {
    throw new FrostlineError(
      `${op}: its gradient follows from no linear reference. Check it by differences (gradcheck), or by its kernels' cases (kernelFamilies).`,
    );
  }
  const length = bounded.arrays[array].length;
  if (output.length !== length) {
    throw new FrostlineError(`${op}: the gradient of ${gradient.of} has ${length} values; got ${output.length}.`);
  }
  const { places, expected, kinks } = gradientOf(bounded, array, asComputed(gradient.upstream, output));
  const found = judged(
    places.map((place) => output[place]),
    expected,
    kinks,
    `${op}: the gradient of ${gradient.of}`,
    places,
  );
  if (found.compared > 0) return found;
  return { ...found, passed: false, problem: `${op}: all elements looked at lie at a kink. Move the inputs.` };
}

function boundedOf({ op, params = {}, inputs, output, gradient }: ReferenceQuestion) {
  if (!Object.hasOwn(operators, op)) {
    throw new FrostlineError(`There is no operator '${op}'. There are ${Object.keys(operators).join(', ')}.`);
  }
  // biome-ignore lint/suspicious/noExplicitAny: any operator's attributes
  const operator = operators[op] as any;
  for (const [name, { shape, values }] of Object.entries(inputs)) {
    if (count(shape) === values.length) continue;
    throw new FrostlineError(`${op}: ${name} ${show(shape)} takes ${count(shape)} values; got ${values.length}.`);
  }
  const roles = Object.keys(inputs).filter((name) => Object.hasOwn(operator.parameters, name));
  const activations = Object.keys(inputs).filter((name) => !roles.includes(name));
  const value = (name: string, from: number) => ({ name, shape: inputs[name].shape.slice(from) });
  const parameters = Object.fromEntries(roles.map((name) => [name, value(name, 0)]));
  const batch = activations.length === 0 ? 1 : inputs[activations[0]].shape[0];
  const shapes: readonly (readonly number[])[] = asked(`${op}:`, () => {
    checkAttributes(operator.attributes, params);
    const { inputs: wanted } = operator;
    if (activations.length === 0 || (wanted !== 'several' && wanted !== activations.length)) {
      refuse(`reads ${activations.join(', ') || 'no activation'}`, `${wanted} are expected beside its parameters.`);
    }
    const given = { attributes: params, inputs: activations.map((name) => value(name, 1)), parameters };
    return operator.shape(given).map((shape: readonly number[]) => [batch, ...shape]);
  });
  const names = [...activations, ...roles];
  const arrays = names.map((name) => asComputed(inputs[name].values, output));
  const referred = (values: readonly ArrayLike<number>[], attributes: object) => ({
    attributes,
    inputs: activations.map((name) => value(name, 0)),
    parameters,
    values: values.slice(0, activations.length),
    weights: Object.fromEntries(roles.map((name, i) => [name, values[activations.length + i]])),
    batch,
    outputs: shapes,
  });
  const bounded: Bounded<object> = {
    given: referred(arrays, params),
    arrays,
    reference: (values = arrays, attributes = params) => operator.reference(referred(values, attributes))[0],
  };
  const results = (gradient?.upstream ?? output).length;
  if (results !== count(shapes[0])) {
    const what = gradient === undefined ? 'the output' : 'dL/dy';
    throw new FrostlineError(`${op}: ${what} is ${show(shapes[0])}, ${count(shapes[0])} values; got ${results}.`);
  }
  return { names, bounded };
}

/** Who gives results of single precision had inputs of it, whatever precision the numbers here have (0.1). */
function asComputed(values: ArrayLike<number>, output: ArrayLike<number>): ArrayLike<number> {
  const single = (value: number) => Object.is(Math.fround(value), value);
  return Array.prototype.every.call(output, single) ? Float32Array.from(values) : values;
}

/** Elements of a gradient that are looked at, drawn where there are more. */
const MOST = 512;

/**
 * sum over i of dy[i] dy_i/dx_j, of a function that is linear in x near by: differences are exact but for float64, and
 * their terms give the size. Where the slopes to both sides differ lies a kink.
 */
function gradientOf({ arrays, reference }: Bounded<object>, array: number, upstream: ArrayLike<number>) {
  const base = reference();
  const x = Float64Array.from(arrays[array]);
  const rest = new Random(0).permutation(x.length).slice(0, MOST);
  const result = { places: [] as number[], values: [] as number[], sizes: [] as number[], terms: 0, kinks: 0 };
  for (const place of rest) {
    const step = 2 ** -20 * Math.max(Math.abs(x[place]), 2 ** -10);
    const slopes = [step, -step].map((by) => {
      const moved = reference(arrays.map((values, i) => (i === array ? x.with(place, x[place] + by) : values)));
      const distance = x[place] + by - x[place];
      return Float64Array.from(moved, (value, i) => (value - base[i]) / distance);
    });
    let [sum, size, terms, smooth] = [0, 0, 0, true];
    for (let i = 0; i < base.length; i++) {
      const [right, left] = [slopes[0][i], slopes[1][i]];
      // Of a value of size 1 float64 leaves 2^-52 / 2^-30 of a slope.
      if (Math.abs(right - left) > 1e-3 * Math.max(Math.abs(right), Math.abs(left), 1e-3)) smooth = false;
      const term = (upstream[i] * (right + left)) / 2;
      if (term === 0) continue;
      terms++;
      sum += term;
      size += Math.abs(term);
    }
    if (!smooth) {
      result.kinks++;
      continue;
    }
    result.places.push(place);
    result.values.push(sum);
    result.sizes.push(size);
    result.terms = Math.max(result.terms, terms);
  }
  const { places, values, sizes, terms, kinks } = result;
  const expected: Expected = { values, magnitudes: sizes, units: terms + 8 };
  return { places, expected, kinks };
}

function judged(
  actual: ArrayLike<number>,
  expected: Expected,
  kinks: number,
  what: string,
  places?: readonly number[],
): ReferenceReport {
  const { error, at, wrong, count: compared } = compare(actual, expected);
  const { values, units } = expected;
  const element = places?.[at] ?? at;
  const report = { error, units, element, actual: actual[at], expected: values[at], wrong, compared, kinks };
  const problem =
    wrong === 0
      ? undefined
      : `${what}: ${wrong} of ${compared} values are off; the worst at ${element}: got ${actual[at]}, expected ` +
        `${values[at]}, ${error.toPrecision(3)} units where ${units.toPrecision(3)} are allowed`;
  return { passed: problem === undefined, ...report, problem };
}
