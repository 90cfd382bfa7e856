/**
 * What a network is, before any adapter is chosen: a list of nodes in execution order over named values, the values of
 * its parameters, and how an image becomes its input. Layer tables and ONNX files both become a `Network`; `build.ts`
 * turns one into a graph of tensors, `export-onnx.ts` writes one back to ONNX.
 *
 * Shapes are N,C,H,W. The batch is always the first dimension of every activation and never stands in a node.
 */
import { isMap, listOf, OBJECT, orNothing, TEXT, withMembers } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { AnyOperator, Role } from '../operators/operator.ts';
import { type ForeignOp, type OperatorSet, type OurOp, ours } from '../operators/registry.ts';

/** Along y, and along x. */
export type Pair = readonly [number, number];
/** top, left, bottom, right: ONNX's order of `pads` for two spatial dimensions. */
export type Pads = readonly [number, number, number, number];

/** What a node computes: its kind with its attributes. */
export type Op = OurOp | ForeignOp;

/** A node of a network: an operation with its inputs, parameters and outputs by name. */
export interface Node {
  readonly op: Op;
  /** The layer's name: MATLAB's or the file's; unique in the network. */
  readonly name: string;
  /**
   * MATLAB's layer number: the input is 1, every following node counts one, but flatten, reshape and identity (no
   * number). A torchvision average pool of kernel 1x1 is an identity and does not count either, nor do affine nodes
   * that read the input: MATLAB's input layer subtracts the mean itself. Given by `numberLayers`.
   */
  readonly number?: number;
  /** Names of the activations read. */
  readonly inputs: readonly string[];
  /** Names of the activations made; all but the first may be left empty where nobody reads them. */
  readonly outputs: readonly [string, ...string[]];
  /** By role (`weight`, `bias`, what the operator names): keys of `Network.parameters`, the file's initialiser names. */
  readonly parameters: { readonly [role: string]: string | undefined };
}

/** Values of a parameter, or where they are read from. */
export interface ParameterValue {
  readonly shape: readonly number[];
  /**
   * Row-major values. A getter may make them late, and anew when nobody holds them any more: what is written into them may be
   * lost. For other values make another network: { ...network, parameters: new Map([...network.parameters, [name, value]]) }
   */
  readonly data: Float32Array;
}

/** From 8-bit RGB to the input: y[c] = (pixel[order[c]] * scale - mean[c]) / std[c], c in the network's channel order. */
export interface Preprocessing {
  /** height, width */
  readonly size: Pair;
  readonly channelOrder: 'rgb' | 'bgr';
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** An input of a network: its name and the shape of an item. */
export interface NetworkInput {
  readonly name: string;
  /** without the batch */
  readonly shape: readonly number[];
  /** 'NHWC' where images lie with their channels last, as Keras has them; channels, height, width otherwise */
  readonly layout?: 'NHWC';
}

/** Channels, height and width of an input that is an image, however it lies; undefined where it is none. */
export function imageShape({ shape, layout }: NetworkInput): readonly [number, number, number] | undefined {
  if (shape.length !== 3) return undefined;
  const [a, b, c] = shape;
  return layout === 'NHWC' ? [c, a, b] : [a, b, c];
}

/** An output of the file that the network has not, and why. */
export interface LeftOut {
  readonly name: string;
  readonly why: string;
}

/** A network: nodes in order, parameters, inputs, outputs and classes. */
export interface Network {
  readonly name: string;
  /** Graph inputs that are no initialisers. The first is the image. */
  readonly inputs: readonly NetworkInput[];
  readonly outputs: readonly string[];
  /** Outputs of its file that cannot be computed here and were not needed. */
  readonly leftOut?: readonly LeftOut[];
  readonly nodes: readonly Node[];
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly preprocessing?: Preprocessing;
  /** Names of the classes, in the order of the outputs. */
  readonly labels?: readonly string[];
  /** The operators that its kinds are of, where they are not frostline's own alone. */
  readonly operators?: OperatorSet;
}

/** A network, as an argument. */
export const NETWORK = withMembers('a network: of loadNetwork, importOnnx or a table such as alexnet()', {
  nodes: Array.isArray,
  inputs: Array.isArray,
  outputs: (value) => Array.isArray(value) && value.length > 0,
  parameters: isMap,
  name: TEXT.is,
  labels: orNothing(listOf(TEXT, '')).is,
  preprocessing: orNothing(OBJECT).is,
});

/** A node's parameters that are there, by role. */
export const rolesOf = ({ parameters }: Pick<Node, 'parameters'>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined));

export const operatorsOf = ({ operators = ours }: Network): OperatorSet => operators;

/** The operator of a node. @throws FrostlineError where the network's set has none of its kind */
export function operatorOf(network: Pick<Network, 'operators'>, { op, name }: Pick<Node, 'op' | 'name'>): AnyOperator {
  const { operators = ours } = network;
  const found = operators.operatorOf(op);
  if (found === undefined) {
    const known = operators.all.map(({ kind }) => kind).join(', ');
    throw new FrostlineError(`layer '${name}' is of the unknown kind '${op.kind}'. Known are ${known}.`);
  }
  return found;
}

/** Names of a node's parameters that forward itself writes in training: running statistics. */
export function stateOf(network: Pick<Network, 'operators'>, node: Node): string[] {
  const roles: Readonly<Record<string, Role>> = operatorOf(network, node).parameters;
  return Object.entries(rolesOf(node)).flatMap(([role, name]) => (roles[role].kind === 'state' ? [name] : []));
}

/** Names of a node's parameters that are trained by gradients, in the order of the operator's roles. */
export function trainedOf(network: Pick<Network, 'operators'>, node: Node): string[] {
  const roles: Readonly<Record<string, Role>> = operatorOf(network, node).parameters;
  return Object.entries(roles).flatMap(([role, { kind }]) => {
    const name = node.parameters[role];
    return kind === 'trained' && name !== undefined ? [name] : [];
  });
}
