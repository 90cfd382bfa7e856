/** An ONNX model as plain values: what stands in the file, without any meaning given to it. */
import { isMap, TEXT, wholeFrom, withMembers } from '../arguments.ts';
import type { DataType } from './data-types.ts';
import type { OnnxTensor } from './tensor.ts';

/** A dimension: a size, a symbol ('BatchSize'), or not known. */
export type Dim = number | string | undefined;

/** Name, element type and shape of an input or output of an ONNX graph. */
export interface ValueInfo {
  readonly name: string;
  /** Undefined for sequences, maps and types without arrays here. */
  readonly dataType?: DataType;
  /** Undefined when not even the rank is given. */
  readonly dims?: readonly Dim[];
}

/** Values of an ONNX attribute, by its type. */
export interface AttributeValues {
  readonly float: number;
  readonly int: number;
  readonly string: string;
  readonly tensor: OnnxTensor;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly string[];
  readonly tensors: readonly OnnxTensor[];
}

/** An attribute of an ONNX node. */
export type Attribute =
  | { [T in keyof AttributeValues]: { readonly type: T; readonly value: AttributeValues[T] } }[keyof AttributeValues]
  /** The body of a branch or a loop. */
  | { readonly type: 'graph'; readonly value: OnnxGraph }
  /** In the body of a function: the attribute of this name of the node that calls it. */
  | { readonly type: 'reference'; readonly name: string }
  /** A type, a sparse tensor, several subgraphs: it has no value here and cannot be written. */
  | { readonly type: 'opaque' };

/** A node of an ONNX graph. */
export interface OnnxNode {
  /** May be empty. */
  readonly name: string;
  readonly opType: string;
  /** Empty for ONNX's own operators ('ai.onnx'). */
  readonly domain: string;
  /** An omitted optional input is an empty string. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Of a node out of a function's body that is written in another operator set than the model. */
  readonly opset?: number;
}

/** An operator that the model brings itself: nodes over its inputs, in place of those that call it. */
export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Values of attributes that a call leaves out. */
  readonly defaults: ReadonlyMap<string, Attribute>;
  readonly nodes: readonly OnnxNode[];
  readonly opsets: ReadonlyMap<string, number>;
}

/** A graph of an ONNX model: nodes in order, initialisers, inputs and outputs. */
export interface OnnxGraph {
  readonly name: string;
  /** In the file's order: each value is made before it is read. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Initialisers may stand among them (always before IR version 4). */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Names of initialisers in sparse form, which have no values here. */
  readonly sparseInitializers: readonly string[];
}

/** A model, as an argument. */
export const MODEL = withMembers('a model, of readModel or exportOnnx', {
  graph: withMembers('', { nodes: Array.isArray, inputs: Array.isArray, outputs: Array.isArray, initializers: isMap })
    .is,
  irVersion: wholeFrom(1).is,
  producer: TEXT.is,
  producerVersion: TEXT.is,
  opsets: isMap,
  metadata: isMap,
});

/** An ONNX model, decoded: its graph, operator sets and metadata. */
export interface OnnxModel {
  readonly irVersion: number;
  /** Operator set version of each domain; '' is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producer: string;
  readonly producerVersion: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: OnnxGraph;
  readonly functions?: readonly OnnxFunction[];
}
