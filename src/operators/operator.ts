/**
 * What an operator of a network is: one object, all of its parts required. Nobody else knows a kind by name: import,
 * export, shapes, building, description, documentation and tests go through `registry.ts` and ask these parts.
 *
 * Nothing here or below may import node:*, nor src/models: an operator knows values and shapes, not networks or files.
 */
import {
  oneOf as among,
  checkArguments,
  type Expectation,
  FUNCTION,
  OBJECT,
  TEXT,
  wholeFrom,
  withMembers,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { checkTensors, type Tensor } from '../graph/tensor.ts';
import type { Kernel } from '../kernels/kernel.ts';
import type { Checks } from './checks.ts';
import type { OnnxForm } from './onnx/form.ts';

/** Lengths of a value's dimensions while a network is read, before any tensor exists. */
export type Shape = readonly number[];

/** A value as a rule sees it: its name, for messages, and its shape without the batch (of a parameter: the whole). */
export interface Value {
  readonly name: string;
  readonly shape: Shape;
}

/** One attribute: what it is, for the documentation, and whether a value is one. */
export interface Attribute<T> {
  readonly doc: string;
  /** what is expected, where `value` is none; else nothing */
  wrong(value: unknown): string | undefined;
  readonly _type?: T;
}
/** Mapped over the attributes: one that is left out does not compile. */
export type Schema<A> = { readonly [N in keyof A]-?: Attribute<A[N]> };

/**
 * `trained`: by gradients; one that `follows` is frozen with the layer before, and makes no freeze point of its own.
 * `state`: forward itself writes it in training (running statistics); no gradient reaches it.
 */
export type Role =
  | { readonly kind: 'trained'; readonly decays: boolean; readonly optional?: true; readonly follows?: true }
  | { readonly kind: 'state' };

/** Shapes and values that an operator knows of its inputs when it infers the shape of its output. */
export interface Given<A, R extends string> {
  readonly attributes: A;
  readonly inputs: readonly Value[];
  readonly parameters: { readonly [N in R]?: Value };
}

/** What `build` gets: the tensors and parameters that a node refers to, by role, to make graph operations of. */
export interface Building<A, R extends string> {
  readonly name: string;
  readonly attributes: A;
  readonly inputs: readonly Tensor[];
  readonly parameters: { readonly [N in R]?: Tensor };
  /** in training, layers that are trained normalise by the statistics of the batch, and keep them; default false */
  readonly batchStatistics?: boolean;
}

/** What a node refers to, by role: its inputs and its parameters. */
export interface Referred<A, R extends string> extends Given<A, R> {
  /** float64 or float32 values of the inputs, whose shapes have the batch here, and of the parameters */
  readonly values: readonly ArrayLike<number>[];
  readonly weights: { readonly [N in R]?: ArrayLike<number> };
  readonly batch: number;
  readonly outputs: readonly Shape[];
}

/**
 * An operator of networks: its attributes, what it takes, its shape rule, how it becomes graph operations, how it is
 * read from ONNX and written, and what checks it. docs/adding-an-operation.md walks through one.
 */
export interface Operator<K extends string = string, A = unknown, R extends string = string> {
  /** ours: a word. An outsider's: 'package:word' */
  readonly kind: K;
  /** for the documentation: the formula, in a line */
  readonly formula: string;
  readonly attributes: Schema<A>;
  readonly parameters: { readonly [N in R]: Role };
  /** activations read and made; `several`: any number of one or more */
  readonly inputs: number | 'several';
  readonly outputs: number;
  /** The shapes of all outputs, or a refusal (`refuse`): what no kernel computes is named here and nowhere else. */
  shape(given: Given<A, R>): readonly Shape[];
  /** The outputs as tensors. */
  build(building: Building<A, R>): readonly Tensor[];
  /** The definition in float64, of inference. What is constant is folded with it at import. */
  reference(given: Referred<A, R>): readonly ArrayLike<number>[];
  /** `reference`: of constant inputs a constant is made at import. `never`: it draws, or depends on the run */
  readonly folds: 'reference' | 'never';
  readonly onnx: OnnxForm<A, R>;
  /** kernels that only this operator runs: for the list of all, their cases and mutations */
  readonly kernels: readonly Kernel[];
  /** cases, references, PyTorch, mutations: a folder's cases.ts */
  checks(): Promise<{ readonly checks: Checks<A> }>;
  /** counted by MATLAB's layer numbers; `unlessInput`: not where it reads the network's input */
  readonly numbered: 'always' | 'never' | 'unlessInput';
  /** '5 x 5, stride 1', for `weights inspect` */
  detail(attributes: A, parameters: { readonly [N in R]?: Shape }): readonly string[];
}

/** What an operator makes of which shapes, and all that it refuses: for networks, files and tensors alike. */
export type Rule<A, R extends string = never> = Pick<Operator<string, A, R>, 'attributes' | 'shape'>;

/** An operator of whatever attributes and roles: what lists of them hold. */
// biome-ignore lint/suspicious/noExplicitAny: operators of different attributes in one list; `operatorOf` pairs them again
export type AnyOperator = Operator<string, any, any>;

/** Of an operator without attributes. */
export type None = Readonly<Record<never, never>>;

const COUNT = wholeFrom(1);
const PARTS: { readonly [N in keyof Operator]: Expectation } = {
  kind: TEXT,
  formula: TEXT,
  attributes: OBJECT,
  parameters: OBJECT,
  inputs: { is: (value) => value === 'several' || COUNT.is(value), words: "a number of 1 or more, or 'several'" },
  outputs: COUNT,
  shape: FUNCTION,
  build: FUNCTION,
  reference: FUNCTION,
  folds: among('reference', 'never'),
  onnx: withMembers('a form, { reads, write }, as sameInOnnx() makes one', { reads: OBJECT.is, write: FUNCTION.is }),
  kernels: { is: Array.isArray, words: 'a list of kernels' },
  checks: FUNCTION,
  numbered: among('always', 'never', 'unlessInput'),
  detail: FUNCTION,
};

/**
 * An operator of networks, all parts of which are given; it is called twice, first with the type of the attributes, so that
 * the kind and the parameters' roles keep their literal types. Those of other packages have a kind 'package:word' and go to
 * `withOperators`. `checks` is asked by tests alone.
 *
 * @throws FrostlineError where a part is missing or none
 * @example
 * const softsignOperator = defineOperator<{ readonly scale: number }>()({ kind: 'mine:softsign', ...parts });
 */
export const defineOperator =
  <A>() =>
  <const K extends string, const R extends string = never>(operator: Operator<K, A, R>): Operator<K, A, R> => {
    checkArguments('defineOperator', { operator: [operator, OBJECT] });
    const given = operator as Readonly<Record<string, unknown>> & typeof operator;
    for (const [part, expected] of Object.entries(PARTS)) {
      checkArguments(`defineOperator: ${String(given.kind)}`, { [part]: [given[part], expected] });
    }
    return operator;
  };

/** Says what was found and what is expected; who asked puts the layer's or the tensor's name before it. */
export class Refusal extends FrostlineError {
  readonly found: string;
  readonly expected: string;
  constructor(found: string, expected: string) {
    super(`${found}. ${expected}`);
    this.found = found;
    this.expected = expected;
  }
}

/**
 * Refuses an operator's attributes or shapes, in its `shape`: the layer's or the tensor's name is put before what was found.
 * @throws FrostlineError always
 * @example
 * if (x.shape.length !== 3) refuse(`reads '${x.name}' of ${x.shape.length} dimensions`, 'Images have 3.');
 */
export function refuse(found: string, expected: string): never {
  checkArguments('refuse', { found: [found, TEXT], expected: [expected, TEXT] });
  throw new Refusal(found, expected);
}

/** Runs a rule; its refusal is told of `who`. */
export function asked<T>(who: string, rule: () => T): T {
  try {
    return rule();
  } catch (error) {
    if (error instanceof Refusal) throw new FrostlineError(`${who} ${error.found}. ${error.expected}`);
    throw error;
  }
}

/** A number, of which Infinity and -Infinity are some. */
export const extended = (doc: string): Attribute<number> => ({
  doc,
  wrong: (value) => (typeof value === 'number' && !Number.isNaN(value) ? undefined : 'A number is expected'),
});

export const number = (
  doc: string,
  test: (value: number) => boolean = () => true,
  expected = '',
): Attribute<number> => ({
  doc,
  wrong(value) {
    const holds = (one: number) => Number.isFinite(one) && test(one);
    const wanted = `A ${expected === '' ? 'finite number' : `number${expected}`} is expected`;
    if (!holds(value as number)) return wanted;
    const single = Math.fround(value as number);
    return holds(single) ? undefined : `${wanted}, and in single precision it is ${single}`;
  },
});

/** A whole number of at least `least`. */
export const whole = (doc: string, least: number): Attribute<number> =>
  number(doc, (value) => Number.isInteger(value) && value >= least, `, whole and at least ${least},`);

export const flag = (doc: string): Attribute<boolean> => ({
  doc,
  wrong: (value) => (typeof value === 'boolean' ? undefined : 'True or false is expected'),
});

export const oneOf = <T extends string>(doc: string, values: readonly T[]): Attribute<T> => ({
  doc,
  wrong: (value) => (values.includes(value as T) ? undefined : `One of ${values.join(', ')} is expected`),
});

/** May be left out. */
export const optional = <T>({ doc, wrong }: Attribute<T>): Attribute<T | undefined> => ({
  doc,
  wrong: (value) => (value === undefined ? undefined : wrong(value)),
});

/** `length` undefined: any. */
export const numbers = <T extends readonly number[]>(doc: string, length?: T['length']): Attribute<T> => ({
  doc,
  wrong: (value) =>
    Array.isArray(value) && value.every((one) => typeof one === 'number') && value.length === (length ?? value.length)
      ? undefined
      : `${length ?? 'Some'} numbers are expected`,
});

/** Refuses attributes that are wrong, missing, or unknown. */
export function checkAttributes<A extends object>(schema: Schema<A>, attributes: A): void {
  const known = schema as Readonly<Record<string, Attribute<unknown>>>;
  for (const [name, attribute] of Object.entries(known)) {
    const value = (attributes as Readonly<Record<string, unknown>>)[name];
    const wrong = attribute.wrong(value);
    const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
    if (wrong !== undefined) refuse(`has ${name} ${shown}`, `${wrong}: ${attribute.doc}`);
  }
  const stranger = Object.keys(attributes).find((name) => name !== 'kind' && !Object.hasOwn(known, name));
  if (stranger !== undefined) refuse(`has an attribute '${stranger}'`, `Known are: ${Object.keys(known).join(', ')}.`);
}

/** The rule of an operator of tensors: the shapes of its outputs with the batch, or a refusal that begins with `name`. */
export function shapesOf<A extends object, R extends string = never>(
  name: string,
  rule: Rule<A, R>,
  attributes: A,
  inputs: readonly Tensor[],
  parameters: { readonly [N in R]?: Tensor } = {},
): Shape[] {
  return asked(`${name}:`, () => {
    checkAttributes(rule.attributes, attributes);
    if (inputs.length === 0) refuse('has no inputs', 'At least one is expected.');
    inputs.forEach((input, i) => {
      checkTensors(name, { [`input ${i}`]: input });
    });
    for (const [role, one] of Object.entries(parameters)) if (one !== undefined) checkTensors(name, { [role]: one });
    const [batch] = inputs[0].shape;
    const other = inputs.find(({ shape }) => shape[0] !== batch);
    if (other !== undefined) {
      refuse(
        `reads '${inputs[0].name}' of ${batch} items and '${other.name}' of ${other.shape[0]}`,
        'All must have the same batch.',
      );
    }
    const values = inputs.map(({ name, shape }) => ({ name, shape: shape.slice(1) }));
    return rule.shape({ attributes, inputs: values, parameters }).map((shape) => [batch, ...shape]);
  });
}

/** Refuses a single number where a batch of items is read: there would be no batch to go by. */
export function expectBatch(name: string, ...tensors: readonly Tensor[]): void {
  const single = tensors.find(({ shape }) => shape.length === 0);
  if (single === undefined) return;
  throw new FrostlineError(`${name}: ${single.name} has shape [], a single number. Give [N, ...], the batch first.`);
}

export const count = (shape: Shape): number => shape.reduce((product, dim) => product * dim, 1);
export const show = (shape: Shape): string => `[${shape.join(', ')}]`;
/** One number where all are the same: for `detail`. */
export const sameNumber = (values: readonly number[]): string =>
  values.every((v) => v === values[0]) ? `${values[0]}` : `[${values}]`;
