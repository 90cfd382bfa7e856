/** What gradcheck is given, and its defaults. */
import { checkArguments, NUMBERS, OBJECT } from '../../arguments.ts';
import { FrostlineError } from '../../errors.ts';
import { input, Parameter, type Shape, sizeOf, type Tensor } from '../tensor.ts';

/** An input of a check: its values, and what is asked of its gradient. */
export interface GradcheckInput {
  readonly shape: Shape;
  /** row-major. Integers (labels, choices) are given to the function as they are; floats are differentiated */
  readonly values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  /** false: a constant of the function, its derivative is not looked at. Default true (torch: requires_grad) */
  readonly requiresGrad?: boolean;
}

/** What `gradcheck` checks, and how closely. docs/gradcheck.md explains them. */
export interface GradcheckOptions {
  /**
   * The first step that is tried, in units of the element (of the input's root mean square where that is 0, and for
   * directions); one number, or one for each input by name. Steps then grow where noise is in the way and shrink where
   * the function bends. Default 1/16
   */
  readonly eps?: number | Readonly<Record<string, number>>;
  /**
   * |analytic - numeric| <= atol size + rtol |numeric| + what noise makes of numeric, where size is the input's largest
   * derivative (for directions: the root mean square over the elements along which it goes). Defaults: 2e-5, and the
   * operation's own `tolerance` (3e-4 where it states none), of several operations the largest and at least 1e-3
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
  /** directions over all elements, for each input: random signs, then every other one half along the gradient. Default 2 */
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

export interface Settings extends Required<GradcheckOptions> {}

/** `rtol` hangs on the function: ./tolerance.ts. */
const DEFAULTS: Omit<Settings, 'rtol'> & { readonly rtol: undefined } = {
  eps: 1 / 16,
  atol: 2e-5,
  rtol: undefined,
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
const NUMERIC: Readonly<Record<string, readonly [test: (value: number) => boolean, words: string]>> = {
  // An infinite tolerance passes everything.
  atol: [Number.isFinite, 'a finite number of 0 or more'],
  rtol: [Number.isFinite, 'a finite number of 0 or more'],
  nondetTol: [() => true, 'a number of 0 or more'],
  elements: [orInfinity, 'a whole number of 0 or more, or Infinity'],
  blocks: [orInfinity, 'a whole number of 0 or more, or Infinity'],
  directions: [Number.isSafeInteger, 'a whole number of 0 or more'],
  seed: [Number.isSafeInteger, 'a whole number of 0 or more'],
};

function checkSteps(eps: NonNullable<GradcheckOptions['eps']>, inputs: readonly string[]): void {
  const steps = typeof eps === 'object' && eps !== null ? Object.entries(eps) : [['', eps]];
  const unknown = steps.find(([name]) => name !== '' && !inputs.includes(name as string));
  if (unknown !== undefined) {
    throw new FrostlineError(`gradcheck: eps names ${unknown[0]}. Name inputs: ${inputs.join(', ')}.`);
  }
  for (const [name, step] of steps as [string, unknown][]) {
    if (typeof step === 'number' && step > 0 && Number.isFinite(step)) continue;
    const found = typeof step === 'string' ? `'${step}'` : step;
    throw new FrostlineError(
      `gradcheck: eps${name && ` of ${name}`} is ${found}. Give a finite number above 0, or one for each input by name.`,
    );
  }
}

function orInfinity(value: number): boolean {
  return Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY;
}

/**
 * The options with the defaults of those that are left out, or undefined: a `raiseException` that is not set throws.
 * What is wrong is told before the function is built; what it returns takes the function's own `rtol`.
 */
export function settingsOf(options: GradcheckOptions, inputs: readonly string[]): (rtol: number) => Settings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (name === 'eps') {
      checkSteps(value as number, inputs);
      continue;
    }
    if (!Object.hasOwn(DEFAULTS, name)) {
      throw new FrostlineError(`gradcheck: there is no option ${name}. There are ${Object.keys(DEFAULTS).join(', ')}.`);
    }
    const [test, words] = NUMERIC[name] ?? [() => true, 'true or false'];
    const type = name in NUMERIC ? 'number' : 'boolean';
    if (typeof value === type && !((value as number) < 0) && !Number.isNaN(value) && test(value as number)) continue;
    const found = typeof value === 'string' ? `'${value}'` : value;
    throw new FrostlineError(`gradcheck: ${name} is ${found}. Give ${words}.`);
  }
  const settings: Omit<Settings, 'rtol'> & { rtol?: number } = { ...DEFAULTS, ...Object.fromEntries(given) };
  if (settings.atol === 0 && settings.rtol === 0) {
    throw new FrostlineError('gradcheck: atol and rtol are both 0, which no rounded number meets. Give one of them.');
  }
  if (settings.directions === 0 && (settings.fastMode || settings.elements === 0)) {
    throw new FrostlineError('gradcheck: neither elements nor directions are asked for. Ask for one of each or more.');
  }
  return (rtol) => ({ ...settings, rtol: settings.rtol ?? rtol });
}

export function tensorOf(name: string, given: GradcheckInput): Tensor {
  checkArguments('gradcheck', {
    [`input ${name}`]: [given, OBJECT],
    [`the shape of ${name}`]: [given?.shape, NUMBERS],
  });
  const { shape, values } = given;
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
