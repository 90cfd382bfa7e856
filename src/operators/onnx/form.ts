/**
 * An operator in ONNX, both directions side by side. They are no inverses: one ONNX operator may become any of several
 * kinds (Add: add, affine, a bias), and one kind may be several ONNX operators (affine: Mul, Add). So reading is keyed by
 * the ONNX operator, each owned by one kind; writing by the kind.
 */
import {
  checkArguments,
  type Expectation,
  FUNCTION,
  listOf,
  NUMBERS,
  OBJECT,
  oneOf,
  TEXT,
  withMembers,
} from '../../arguments.ts';
import type { Attribute, AttributeValues, OnnxNode } from '../../onnx/model.ts';
import type { OnnxTensor } from '../../onnx/tensor.ts';
import type { Shape } from '../operator.ts';
import { attribute } from './attributes.ts';

/** What import knows of constants. */
export interface KnownConstants {
  has(value: string): boolean;
  tensor(value: string): OnnxTensor | undefined;
  integersOf(value: string): readonly number[] | undefined;
  extentsOf(value: string): readonly (number | 'batch')[] | undefined;
  /** Adds a constant that is not in the file. */
  define(tensor: OnnxTensor): void;
}

/** What is known around an ONNX node while it is read: constants, shapes, who uses a value. */
export interface Surroundings {
  readonly opset: number;
  /** 1 where the batch comes first in every shape of the file, 0 where the graph is one item. */
  readonly lead: 0 | 1;
  /** The file's own numbers are wanted: what it says of training counts. */
  readonly asItStands: boolean;
  readonly constants: KnownConstants;
  /** Shape of an activation's item; refuses a value that is no activation. */
  shapeOf(value: string, node: OnnxNode): Shape;
  isActivation(value: string): boolean;
  /** Whether any node or the graph's outputs read the value. */
  isRead(value: string): boolean;
}

/** A parameter as an ONNX node refers to it. */
export interface ReadParameter {
  /** The initialiser's name. */
  readonly name: string;
  readonly tensor: OnnxTensor;
}

/** What a node of the file becomes, of whatever kind. */
export interface Reading<Op extends { readonly kind: string } = { readonly kind: string }> {
  readonly op: Op;
  /** Activations read. */
  readonly inputs: readonly string[];
  /** by role */
  readonly parameters?: { readonly [role: string]: ReadParameter | undefined };
}

/** What reading an ONNX node gave: attributes, inputs and parameters by role. */
export type Read = (node: OnnxNode, around: Surroundings) => Reading;

/** ONNX nodes and initialisers that an operation is written as. */
export interface Written<A, R extends string> {
  readonly name: string;
  readonly attributes: A;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** shapes of the inputs without the batch */
  readonly shapes: readonly Shape[];
  /** names of the parameters by role, which stand among the initialisers now, and their shapes */
  readonly parameters: { readonly [N in R]?: { readonly name: string; readonly shape: Shape } };
}

/** Where nodes are written. The exporter checks that every output was made. */
export interface Writer {
  readonly opset: number;
  node(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    options?: { readonly name?: string; readonly domain?: string; readonly attributes?: Record<string, Attribute> },
  ): void;
  /** A new initialiser of float32; its name, as it could be given. */
  constant(name: string, dims: readonly number[], values: Float32Array): string;
  /** Turns a parameter that is a matrix, which stands among the initialisers; its name. */
  transposed(parameter: string): string;
  /** A new initialiser of int64, a list. */
  integers(name: string, values: readonly number[]): string;
}

/** How an operator is read from ONNX nodes and written as them. */
export interface OnnxForm<A, R extends string> {
  /** by 'Name', or 'domain.Name' */
  readonly reads: Readonly<Record<string, Read>>;
  /** Operators whose first dimension is the batch, whatever stands around them. */
  readonly images?: true;
  write(node: Written<A, R>, to: Writer): void;
}

/** An attribute in both directions. */
export interface Field<T> {
  read(node: OnnxNode): T;
  write(value: T): Readonly<Record<string, Attribute>>;
}
/** Mapped over the attributes: one that is forgotten in either direction does not compile. */
export type Fields<A> = { readonly [N in keyof A]-?: Field<A[N]> };

export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ type: 'ints', value });
export const float = (value: number): Attribute => ({ type: 'float', value });

const NUMBER: Expectation = { is: (value) => typeof value === 'number', words: 'a number' };
const TEXTS = listOf(TEXT, 'a list of texts');
const TYPES: Readonly<Record<keyof AttributeValues, Expectation>> = {
  float: NUMBER,
  int: NUMBER,
  string: TEXT,
  tensor: OBJECT,
  floats: NUMBERS,
  ints: NUMBERS,
  strings: TEXTS,
  tensors: listOf(OBJECT, 'a list of tensors'),
};

/**
 * An attribute that ONNX has under a name and a type of its own, in both directions: for `sameInOnnx`.
 * @param otherwise its value where a node does not give it
 * @throws FrostlineError, as a file is read, where a node gives it in another type
 */
export function field<T extends keyof AttributeValues>(
  name: string,
  type: T,
  otherwise: AttributeValues[T],
): Field<AttributeValues[T]> {
  checkArguments('an attribute of ONNX', { name: [name, TEXT], type: [type, oneOf(...Object.keys(TYPES))] });
  checkArguments(`ONNX's attribute '${name}'`, { otherwise: [otherwise, TYPES[type]] });
  return {
    read: (node) => attribute(node, name, type) ?? otherwise,
    write: (value) => ({ [name]: { type, value } as Attribute }),
  };
}

const FIELD = withMembers('', { read: FUNCTION.is, write: FUNCTION.is });
const FIELDS = {
  is: (value: unknown) => OBJECT.is(value) && Object.values(value as object).every(FIELD.is),
  words: 'for each attribute { read, write }, as `onnxField` makes them',
};

/**
 * The ONNX form of an operator of one activation and no parameters that is the same in ONNX, up to the names of its
 * attributes.
 *
 * @param kind of the operator
 * @param opType 'Name' of ONNX, or 'domain.Name'
 * @param fields one a attribute, by its name here: `onnxField('alpha', 'float', 1)`
 */
export function sameInOnnx<A extends object>(kind: string, opType: string, fields: Fields<A>): OnnxForm<A, never> {
  checkArguments('sameInOnnx', { kind: [kind, TEXT], opType: [opType, TEXT], fields: [fields, FIELDS] });
  const dot = opType.lastIndexOf('.');
  const [domain, word] = [opType.slice(0, Math.max(dot, 0)), opType.slice(dot + 1)];
  const all = Object.entries(fields) as [keyof A & string, Field<A[keyof A]>][];
  return {
    reads: {
      [opType]: (node) => ({
        op: { kind, ...(Object.fromEntries(all.map(([name, { read }]) => [name, read(node)])) as A) },
        inputs: [node.inputs[0]],
      }),
    },
    write({ name, attributes, inputs, outputs }, to) {
      const written = all.map(([key, { write }]) => write(attributes[key]));
      to.node(word, inputs, outputs, { name, domain, attributes: Object.assign({}, ...written) });
    },
  };
}
