/**
 * Gradient check on the device: the derivatives that `backward` computes against differences of `forward`.
 *
 * For a function y = f(x) and a fixed random v, backward gives the vector-Jacobian product g = v J. Along a direction u
 *
 *   g . u = v J u = d/dt  v . f(x + t u)   at t = 0
 *
 * and the right side is found numerically: central differences at steps h, h/2, h/4, extrapolated to step 0 (Ridders
 * 1982, "Accurate computation of F'(x) and F'(x) F''(x)"; Numerical Recipes, `dfridr`). u is a single element's axis; or
 * a direction over all elements of an input, which costs the same for any size and so serves whole networks; or one over
 * a block of them, since an error in a few elements drowns among many. Single elements are first those where kernels go
 * wrong: the first, the last, and one on each face of the shape.
 *
 * What single precision changes against torch.autograd.gradcheck, whose names the options carry:
 * - y is read back and v . y is summed in float64, so that only the kernels' own rounding enters;
 * - the points are rounded to f32 first and the difference is divided by the distance they really have;
 * - steps are large (1e-2, not 1e-6), relative to the size of the input, and extrapolation removes their error;
 * - `atol` is meant for derivatives of size 1 and more. Where the largest derivative of an input is less, it shrinks with
 *   it, down to what rounding of y lets one see: else any derivative of a function as small as `atol` would pass;
 * - a direction over all elements is half g / |g|, half random signs: along random signs alone v J u of a large input is
 *   a small difference of large terms. It is right only if g is. Over a block it is random signs: nothing large hides a
 *   term that is missing.
 *
 * Kinks (ReLU at 0, ties of a pool) have no derivative. They are found from the numbers of `forward` alone: the
 * difference to the right and that to the left do not meet as the step shrinks, or the extrapolation does not settle.
 * Such a sample is reported as a kink and another is drawn; it never counts as passed, and an input without one smooth
 * sample fails. So is one whose difference is lost in the rounding of y.
 */
import { FrostlineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import { Random } from '../random.ts';
import { type CompiledGraph, compile, tapeOf } from './compile.ts';
import { input, Parameter, type Shape, sizeOf, Tensor } from './tensor.ts';

export interface GradcheckInput {
  readonly shape: Shape;
  /** row-major. Integers (labels, choices) are given to the function as they are; floats are differentiated */
  readonly values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  /** false: a constant of the function, its derivative is not looked at. Default true (torch: requires_grad) */
  readonly requiresGrad?: boolean;
}

export interface GradcheckOptions {
  /**
   * The largest step: for a single element in units of the input's root mean square, for a direction also no more than
   * moves v . y by a quarter of it. Default 1/16. Networks of many kinks want less (1/64)
   */
  readonly eps?: number;
  /**
   * |analytic - numeric| <= atol + rtol |numeric|, where atol shrinks with an input's largest derivative below 1.
   * Defaults 1e-3 and 5e-3
   */
  readonly atol?: number;
  readonly rtol?: number;
  /** how far the gradients of two runs may differ. Default 0: the same bits */
  readonly nondetTol?: number;
  /** single elements looked at, for each input; all where it has no more (`Infinity`: always all). Default 16 */
  readonly elements?: number;
  /**
   * directions over one part of an input each, into how many equal parts it is cut; none where all elements are looked
   * at. Default 8
   */
  readonly blocks?: number;
  /** directions over all elements, for each input. Default 2 */
  readonly directions?: number;
  /** directions over all elements only, however many elements and blocks were asked for. Default false */
  readonly fastMode?: boolean;
  /** of v, the elements, the directions and dropout. Default 0 */
  readonly seed?: number;
  /** dropout draws, the same mask in every run. Default true */
  readonly training?: boolean;
  /** throw a `GradcheckError` where the check fails. Default true */
  readonly raiseException?: boolean;
}

export interface GradcheckSample {
  /** the element's flat index; undefined for a direction */
  readonly element: number | undefined;
  /** the number of a direction over all elements */
  readonly direction: number | undefined;
  /** the flat indices [first, end) of a direction over a block */
  readonly block: readonly [number, number] | undefined;
  readonly analytic: number;
  readonly numeric: number;
  /** the largest absolute error that passes */
  readonly allowed: number;
  readonly absoluteError: number;
  /** the absolute error over the larger of the two sizes */
  readonly relativeError: number;
  /** the error in units of what is allowed: above 1 it fails */
  readonly ratio: number;
}

export interface GradcheckInputReport {
  readonly name: string;
  readonly shape: Shape;
  readonly passed: boolean;
  /** smooth samples compared */
  readonly samples: number;
  /** samples with a kink within reach of the step, which were replaced by others as far as there were any */
  readonly kinks: number;
  /** the first element where backward gives infinity or NaN */
  readonly notFinite: number | undefined;
  readonly maxAbsoluteError: number;
  readonly maxRelativeError: number;
  /** the samples that have them, with element or direction, analytic and numeric value; undefined where none is smooth */
  readonly largestAbsolute: GradcheckSample | undefined;
  readonly largestRelative: GradcheckSample | undefined;
  /** the sample with the largest error for its tolerance */
  readonly worst: GradcheckSample | undefined;
  /** the largest difference of a gradient between two runs */
  readonly nondeterminism: number;
}

export interface GradcheckReport {
  readonly passed: boolean;
  readonly inputs: readonly GradcheckInputReport[];
  /** the largest difference of an output between two runs of forward */
  readonly nondeterminism: number;
  /** why it did not pass, a line each */
  readonly problems: readonly string[];
  readonly seed: number;
  readonly atol: number;
  readonly rtol: number;
}

/** A gradient check that failed. Its message names the input and the numbers. */
export class GradcheckError extends Error {
  override readonly name = 'GradcheckError';
  readonly report: GradcheckReport;

  constructor(report: GradcheckReport) {
    super(`gradcheck failed (seed ${report.seed})\n${report.problems.join('\n')}`);
    this.report = report;
  }
}

interface Settings extends Required<GradcheckOptions> {}

/**
 * Checks the derivatives of `build` for every float input at the given values.
 *
 * @param build makes a tensor of any shape from tensors named as `inputs`; floats come as `Parameter`s
 * @throws GradcheckError when an analytic and a numeric derivative differ, two runs differ, or every sample of an input
 *   lies at a kink; not with `raiseException: false`
 * @throws FrostlineError when inputs or options make no sense
 */
export async function gradcheck<Name extends string>(
  gpu: Gpu,
  build: (tensors: Record<Name, Tensor>) => Tensor,
  inputs: Readonly<Record<Name, GradcheckInput>>,
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  const settings = settingsOf(options);
  const tensors = Object.fromEntries(
    Object.entries<GradcheckInput>(inputs).map(([name, given]) => [name, tensorOf(name, given)]),
  ) as Record<Name, Tensor>;
  const subject = await Subject.compile(gpu, build(tensors), tensors, inputs, settings);
  try {
    const reports: GradcheckInputReport[] = [];
    const problems: string[] = [];
    const nondeterminism = largestDifference(await subject.values(), await subject.values());
    if (!(nondeterminism <= settings.nondetTol)) {
      problems.push(`two runs of forward differ by ${nondeterminism}; nondetTol is ${settings.nondetTol}`);
    }
    for (const tensor of subject.checked) {
      const { report, problems: own } = await checkInput(subject, tensor, reports.length, settings);
      reports.push(report);
      problems.push(...own);
    }
    const { seed, atol, rtol } = settings;
    const report = { passed: problems.length === 0, inputs: reports, nondeterminism, problems, seed, atol, rtol };
    if (!report.passed && settings.raiseException) throw new GradcheckError(report);
    return report;
  } finally {
    subject.destroy();
  }
}

const DEFAULTS: Settings = {
  eps: 1 / 16,
  atol: 1e-3,
  rtol: 5e-3,
  nondetTol: 0,
  elements: 16,
  blocks: 8,
  directions: 2,
  fastMode: false,
  seed: 0,
  training: true,
  raiseException: true,
};

/** What a number may be beside not negative, and the words for it. */
const NUMBERS: Readonly<Record<string, readonly [test: (value: number) => boolean, words: string]>> = {
  eps: [(value) => value > 0 && Number.isFinite(value), 'a finite number above 0'],
  // An infinite tolerance passes everything.
  atol: [Number.isFinite, 'a finite number of 0 or more'],
  rtol: [Number.isFinite, 'a finite number of 0 or more'],
  nondetTol: [() => true, 'a number of 0 or more'],
  elements: [orInfinity, 'a whole number of 0 or more, or Infinity'],
  blocks: [orInfinity, 'a whole number of 0 or more, or Infinity'],
  directions: [Number.isSafeInteger, 'a whole number of 0 or more'],
  seed: [Number.isSafeInteger, 'a whole number of 0 or more'],
};

function orInfinity(value: number): boolean {
  return Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY;
}

/** The options with the defaults of those that are left out, or undefined: a `raiseException` that is not set throws. */
function settingsOf(options: GradcheckOptions): Settings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      throw new FrostlineError(`gradcheck: there is no option ${name}. There are ${Object.keys(DEFAULTS).join(', ')}.`);
    }
    const [test, words] = NUMBERS[name] ?? [() => true, 'true or false'];
    const type = name in NUMBERS ? 'number' : 'boolean';
    if (typeof value === type && !((value as number) < 0) && !Number.isNaN(value) && test(value as number)) continue;
    const found = typeof value === 'string' ? `'${value}'` : value;
    throw new FrostlineError(`gradcheck: ${name} is ${found}. Give ${words}.`);
  }
  const settings: Settings = { ...DEFAULTS, ...Object.fromEntries(given) };
  if (settings.atol + settings.rtol === 0) {
    throw new FrostlineError('gradcheck: atol and rtol are both 0, which no rounded number meets. Give one of them.');
  }
  if (settings.directions === 0 && (settings.fastMode || settings.elements === 0)) {
    throw new FrostlineError('gradcheck: neither elements nor directions are asked for. Ask for one of each or more.');
  }
  return settings;
}

function tensorOf(name: string, { shape, values }: GradcheckInput): Tensor {
  // What has no types may bring anything, which the device would take for other numbers.
  if (!(values instanceof Float32Array || values instanceof Uint32Array)) {
    const found = (values as object | undefined)?.constructor.name ?? values;
    throw new FrostlineError(
      `gradcheck: the values of ${name} are of type ${found}. Give a Float32Array, or a Uint32Array of integers.`,
    );
  }
  if (values.length !== sizeOf(shape)) {
    throw new FrostlineError(
      `gradcheck: ${name} [${shape.join(', ')}] takes ${sizeOf(shape)} values; got ${values.length}.`,
    );
  }
  if (values instanceof Uint32Array) return input(name, shape, 'u32');
  if (!values.every(Number.isFinite)) {
    throw new FrostlineError(`gradcheck: ${name} holds NaN or infinity, where no derivative can be checked.`);
  }
  return new Parameter(name, shape, values);
}

/** Nothing would be written to an input that the function brings itself: it would be checked at what lies there. */
function expectGiven(output: Tensor, given: readonly Tensor[]): void {
  if (!(output instanceof Tensor)) {
    throw new FrostlineError(`gradcheck: the function gives ${output}. Give the tensor to differentiate.`);
  }
  const other = tapeOf([output]).find(
    (tensor) => tensor.source === undefined && !(tensor instanceof Parameter) && !given.includes(tensor),
  );
  if (other === undefined) return;
  throw new FrostlineError(
    `gradcheck: the function reads ${other.name}, which has no values. Give it as an input, or make it a Parameter.`,
  );
}

/** The function under check, compiled twice: forward alone, and with the vector-Jacobian product. */
class Subject {
  /** what is differentiated, in the order of the inputs */
  readonly checked: readonly Parameter[];
  readonly gpu: Gpu;
  private readonly output: Tensor;
  private readonly forward: CompiledGraph;
  private readonly backward: CompiledGraph;
  private readonly parameters: readonly Parameter[];
  private readonly v: Float32Array<ArrayBuffer>;

  private constructor(
    gpu: Gpu,
    output: Tensor,
    graphs: { forward: CompiledGraph; backward: CompiledGraph },
    parameters: readonly Parameter[],
    checked: readonly Parameter[],
    v: Float32Array<ArrayBuffer>,
  ) {
    this.gpu = gpu;
    this.output = output;
    this.forward = graphs.forward;
    this.backward = graphs.backward;
    this.parameters = parameters;
    this.checked = checked;
    this.v = v;
  }

  static async compile(
    gpu: Gpu,
    output: Tensor,
    tensors: Readonly<Record<string, Tensor>>,
    inputs: Readonly<Record<string, GradcheckInput>>,
    { seed, training }: Settings,
  ): Promise<Subject> {
    const all = Object.values(tensors);
    const parameters = all.filter((tensor) => tensor instanceof Parameter);
    const checked = parameters.filter(({ name }) => inputs[name].requiresGrad !== false);
    if (checked.length === 0) throw new FrostlineError('gradcheck: no input of floats that requires a gradient.');
    expectGiven(output, all);
    const upstream = input('v', output.shape);
    const graphs: CompiledGraph[] = [];
    const release = () => {
      for (const graph of graphs) graph.destroy();
      for (const parameter of parameters) parameter.release(gpu);
    };
    try {
      graphs.push(await compile(gpu, { outputs: [output], training }));
      graphs.push(await compile(gpu, { loss: output, upstream, gradients: checked, training }));
    } catch (error) {
      release();
      throw error;
    }
    const [forward, backward] = graphs;
    const used = new Set(tapeOf([output]));
    for (const graph of graphs) {
      graph.setStep({ learningRate: 0, momentum: 0, weightDecay: 0, step: 0, seed });
      for (const tensor of all) {
        if (!(tensor instanceof Parameter) && used.has(tensor)) graph.write(tensor, inputs[tensor.name].values);
      }
    }
    const random = new Random(seed, V_STREAM);
    const v = Float32Array.from({ length: output.size }, () => random.normal());
    backward.write(upstream, v);
    return new Subject(gpu, output, { forward, backward }, parameters, checked, v);
  }

  /** f at the inputs' present values. */
  async values(): Promise<Float32Array<ArrayBuffer>> {
    const [bytes] = await this.forward.run([this.output]);
    return new Float32Array(bytes);
  }

  /** f with `tensor` at these values. */
  async at(tensor: Parameter, values: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    tensor.reset(this.gpu, values);
    return this.values();
  }

  /** v . y, in float64. */
  product(y: Float32Array): number {
    return y.reduce((sum, value, i) => sum + value * this.v[i], 0);
  }

  /** The length of the products v[i] y[i] that `counts` names: what rounding in y is measured by. */
  length(y: Float32Array, counts: (i: number) => boolean = () => true): number {
    return Math.sqrt(y.reduce((sum, value, i) => (counts(i) ? sum + (value * this.v[i]) ** 2 : sum), 0));
  }

  /** v J for `tensor`. */
  async gradient(tensor: Parameter): Promise<Float32Array<ArrayBuffer>> {
    await this.backward.run();
    return this.backward.readGradient(tensor);
  }

  destroy(): void {
    this.forward.destroy();
    this.backward.destroy();
    for (const parameter of this.parameters) parameter.release(this.gpu);
  }
}

const V_STREAM = 1;
const SAMPLE_STREAM = 2;
/** steps h, h/2, h/4 */
const LEVELS = 3;
/** half the spacing of single precision at 1 */
const UNIT = 2 ** -24;

interface Difference {
  readonly numeric: number;
  /** of `numeric`, as the extrapolation shows it */
  readonly uncertainty: number;
  /** slope to the right less slope to the left, at the largest and at the smallest step */
  readonly jumps: readonly [number, number];
  /** what rounding every y that changes once, half a unit in its last place, makes of the slope at the smallest step */
  readonly rounding: number;
}

/** The derivative of v . f along `direction` at `values`, for steps of `step` |direction| and less. */
async function difference(
  subject: Subject,
  tensor: Parameter,
  values: Float32Array<ArrayBuffer>,
  direction: Readonly<Float64Array>,
  step: number,
): Promise<Difference> {
  const squared = direction.reduce((sum, value) => sum + value * value, 0);
  const moved = (t: number) => values.map((value, i) => value + t * direction[i]);
  /** How far a rounded point lies along the direction, in units of the direction. */
  const along = (point: Float32Array) =>
    point.reduce((sum, value, i) => sum + (value - values[i]) * direction[i], 0) / squared;
  const middle = subject.product(await subject.at(tensor, values));
  const jumps: number[] = [];
  let rounding = 0;
  let previous: number[] = [];
  let numeric = 0;
  let uncertainty = 0;
  for (let level = 0; level < LEVELS; level++) {
    const t = step / 2 ** level;
    const [right, left] = [moved(t), moved(-t)];
    const [upper, lower] = [await subject.at(tensor, right), await subject.at(tensor, left)];
    const [after, before] = [subject.product(upper), subject.product(lower)];
    const [ahead, behind] = [along(right), along(left)];
    // Where none changes, the function does not depend on the elements, or the step is below y's last place.
    const changes = upper.some((value, i) => value !== lower[i]);
    rounding = (UNIT * subject.length(upper, (i) => !changes || upper[i] !== lower[i])) / (ahead - behind);
    jumps.push((after - middle) / ahead - (before - middle) / behind);
    // One row of Neville's tableau: the error of central differences is a series in the square of the step.
    const row = [(after - before) / (ahead - behind)];
    for (let j = 1; j <= level; j++) row.push((4 ** j * row[j - 1] - previous[j - 1]) / (4 ** j - 1));
    // Not Ridders' least change in the tableau: near kinks two entries may agree by chance.
    uncertainty = Math.max(...row.slice(1).map((value, j) => Math.abs(value - row[j])), Math.abs(row[0] - previous[0]));
    numeric = row[level];
    previous = row;
  }
  return { numeric, uncertainty, jumps: [jumps[0], jumps[LEVELS - 1]], rounding };
}

/** Whether the numbers show a kink: slopes that do not meet (a smooth function's come 4 times nearer), or no limit. */
function isKink({ uncertainty, jumps: [far, near] }: Difference, allowed: number): boolean {
  const meets = Math.abs(near) <= Math.max(allowed, 0.4 * Math.abs(far));
  return !meets || !(uncertainty <= allowed / 3);
}

/** Whether a kink is none that rounding alone may look like, as it does at short steps. */
const beyondRounding = ({ uncertainty, jumps: [, near], rounding }: Difference) =>
  Math.max(Math.abs(near), uncertainty) > 8 * rounding;

async function checkInput(subject: Subject, tensor: Parameter, ordinal: number, settings: Settings) {
  const { eps, atol, rtol, nondetTol, seed } = settings;
  const values = await tensor.read(subject.gpu);
  const gradient = await subject.gradient(tensor);
  const nondeterminism = largestDifference(gradient, await subject.gradient(tensor));

  const scale = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) || 1;
  const [largestSlope, steepest] = [gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0), lengthOf(gradient)];
  const random = new Random(seed, SAMPLE_STREAM + ordinal);
  const samples: GradcheckSample[] = [];
  let kinks = 0;
  const look = async (direction: Float64Array, step: number, where: Partial<GradcheckSample>) => {
    const analytic = direction.reduce((sum, value, i) => (value === 0 ? sum : sum + value * gradient[i]), 0);
    // A kink beside the point is out of reach of a shorter step; one at the point is not. Kinks to both sides may cancel:
    // a disagreement counts only if shorter steps neither take it back nor show the kinks.
    let found: Difference | undefined;
    let allowed = 0;
    for (const shorter of [1, 4, 16]) {
      const tried = await difference(subject, tensor, values, direction, step / shorter);
      const slope = Math.abs(tried.numeric);
      const size = Math.min(1, Math.max(slope, where.element === undefined ? steepest : largestSlope));
      const bound = Math.max(atol * size + rtol * slope, Math.min(atol, 4 * tried.rounding));
      if (isKink(tried, bound)) {
        if (beyondRounding(tried)) found = undefined;
        continue;
      }
      // Where no y changes and no derivative is claimed, rounding hides nothing.
      if (tried.rounding > bound && tried.numeric !== analytic) continue;
      const agrees = Math.abs(analytic - tried.numeric) <= (found === undefined ? bound : Math.min(bound, allowed));
      if (found === undefined || agrees) [found, allowed] = [tried, bound];
      if (agrees) break;
    }
    if (found === undefined) {
      kinks++;
      return;
    }
    const { numeric } = found;
    const absoluteError = Math.abs(analytic - numeric);
    const relativeError = absoluteError === 0 ? 0 : absoluteError / Math.max(Math.abs(analytic), Math.abs(numeric));
    const share = absoluteError === 0 ? 0 : absoluteError / allowed;
    const ratio = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
    const { element, direction: number, block } = where;
    samples.push({
      ...{ element, direction: number, block },
      ...{ analytic, numeric, allowed, absoluteError, relativeError, ratio },
    });
  };
  const lookAlong = async (direction: Float64Array, count: number, slope: number, where: Partial<GradcheckSample>) => {
    // Where v . y or its slope is 0 it sets no bound.
    const bound = subject.length(await subject.at(tensor, values)) / (4 * slope) || Number.POSITIVE_INFINITY;
    await look(direction, eps * Math.min(scale * Math.sqrt(count), bound), where);
  };

  const problems: string[] = [];
  const what = `${tensor.name} [${tensor.shape.join(', ')}]`;
  const bad = gradient.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) problems.push(`${what}: at element ${bad} backward gives ${gradient[bad]}`);

  // Four (directions: eight) times as many as asked for may be looked at, so that a kink can be replaced by another sample.
  const elements = settings.fastMode ? 0 : Math.min(settings.elements, values.length);
  let looked = 0;
  for (const element of elementOrder(tensor.shape, random)) {
    if (samples.length >= elements || looked++ >= 4 * elements) break;
    const axis = new Float64Array(values.length);
    axis[element] = 1;
    await look(axis, eps * scale, { element });
  }
  const blocks = settings.fastMode || elements === values.length ? 0 : Math.min(settings.blocks, values.length);
  for (let i = 0; i < blocks; i++) {
    const [first, end] = [i, i + 1].map((part) => Math.floor((part * values.length) / blocks));
    const slope = lengthOf(gradient.subarray(first, end));
    // Once more where a kink is in the way: most of its elements are looked at nowhere else.
    const before = samples.length;
    for (let t = 0; t < 2 && samples.length === before; t++) {
      const signs = randomSigns(values.length, first, end, random);
      await lookAlong(signs, end - first, slope, { block: [first, end] });
    }
  }
  const before = samples.length;
  for (let i = 0; i < 8 * settings.directions && samples.length - before < settings.directions; i++) {
    const direction = mixedDirection(gradient, random);
    const slope = Math.abs(direction.reduce((sum, value, j) => sum + value * gradient[j], 0));
    await lookAlong(direction, values.length, slope, { direction: i });
  }
  tensor.reset(subject.gpu, values);

  const largest = (by: 'ratio' | 'absoluteError' | 'relativeError') =>
    samples.reduce<GradcheckSample | undefined>(
      (a, b) => (a === undefined || nanIsLargest(b[by]) > nanIsLargest(a[by]) ? b : a),
      undefined,
    );
  const worst = largest('ratio');
  if (worst === undefined && bad < 0) {
    problems.push(
      `${what}: none of ${kinks} samples has a derivative that differences show (kinks, NaN, or rounding larger than ` +
        'what is allowed); move the input, change eps, or scale the function',
    );
  } else if (worst !== undefined && !(worst.ratio <= 1)) {
    const { element, block, direction } = worst;
    const [first, end] = block ?? [];
    const place =
      element !== undefined
        ? `at element ${element}`
        : block !== undefined
          ? `along a direction over elements ${first} to ${end! - 1}`
          : `along direction ${direction}`;
    problems.push(
      `${what}: ${place} backward gives ${worst.analytic.toPrecision(6)}, differences give ` +
        `${worst.numeric.toPrecision(6)}; |error| ${worst.absoluteError.toPrecision(3)}, ` +
        `${worst.ratio.toPrecision(3)} times what is allowed`,
    );
  }
  if (!(nondeterminism <= nondetTol)) {
    problems.push(`${what}: two runs of backward differ by ${nondeterminism}; nondetTol is ${nondetTol}`);
  }
  const report: GradcheckInputReport = {
    name: tensor.name,
    shape: tensor.shape,
    passed: problems.length === 0,
    samples: samples.length,
    kinks,
    notFinite: bad < 0 ? undefined : bad,
    maxAbsoluteError: largest('absoluteError')?.absoluteError ?? 0,
    maxRelativeError: largest('relativeError')?.relativeError ?? 0,
    largestAbsolute: largest('absoluteError'),
    largestRelative: largest('relativeError'),
    worst,
    nondeterminism,
  };
  return { report, problems };
}

/** Half along the gradient, half random signs, of length 1. */
function mixedDirection(gradient: Float32Array, random: Random): Float64Array {
  const finite = Float64Array.from(gradient, (value) => (Number.isFinite(value) ? value : 0));
  const length = lengthOf(finite) || 1;
  const signs = randomSigns(finite.length, 0, finite.length, random);
  const mixed = finite.map((value, i) => value / length + signs[i]);
  const norm = lengthOf(mixed);
  // The halves may cancel where there are few elements.
  return norm > 1e-3 ? mixed.map((value) => value / norm) : finite.map((value) => value / length);
}

/** Signs of length 1 for the elements [first, end), else 0. */
function randomSigns(size: number, first: number, end: number, random: Random): Float64Array {
  const signs = new Float64Array(size);
  const value = 1 / Math.sqrt(end - first);
  for (let i = first; i < end; i++) signs[i] = random.uniform() < 0.5 ? value : -value;
  return signs;
}

/** Flat indices in the order in which they are looked at: the first, the last, one on each face, and all others. */
function* elementOrder(shape: Shape, random: Random): Generator<number> {
  const size = sizeOf(shape);
  let stride = size;
  const faces = shape.flatMap((extent) => {
    stride /= extent;
    return extent === 1 ? [] : [0, extent - 1].map((at) => ({ stride, extent, at }));
  });
  const onFaces = random.permutation(faces.length).map((i) => {
    const face = faces[i];
    const element = random.integer(size);
    return element + (face.at - (Math.floor(element / face.stride) % face.extent)) * face.stride;
  });
  const first = new Set([0, size - 1, ...onFaces]);
  yield* first;
  // Shuffled as far as it is asked for: a layer has millions of elements, of which some dozens are looked at.
  const exchanged = new Map<number, number>();
  for (let i = 0; i < size; i++) {
    const j = i + random.integer(size - i);
    const element = exchanged.get(j) ?? j;
    exchanged.set(j, exchanged.get(i) ?? i);
    exchanged.delete(i);
    if (!first.has(element)) yield element;
  }
}

const lengthOf = (values: Float32Array | Float64Array) =>
  Math.sqrt((values as Float64Array).reduce((sum, value) => sum + value * value, 0));

const nanIsLargest = (value: number) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);

/** The largest difference between two runs; NaN in one alone, and other bits for equal numbers (-0), count too. */
function largestDifference(a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>): number {
  return a.reduce((largest, value, i) => {
    if (Object.is(value, b[i])) return largest;
    const difference = Math.abs(value - b[i]);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference, Number.MIN_VALUE);
  }, 0);
}
