/**
 * What a network is, before any adapter is chosen: a list of nodes in execution order over named values, the values of
 * its parameters, and how an image becomes its input. Layer tables and ONNX files both become a `Network`; `build.ts`
 * turns one into a graph of tensors, `export-onnx.ts` writes one back to ONNX.
 *
 * Shapes are N,C,H,W. The batch is always the first dimension of every activation and never stands in a node.
 */

import { FrostlineError } from '../errors.ts';
import type { AnyOperator } from '../operators/operator.ts';
import { type ForeignOp, type OperatorSet, type OurOp, ours } from '../operators/registry.ts';

export type Pair = readonly [number, number];
/** top, left, bottom, right: ONNX's order of `pads` for two spatial dimensions. */
export type Pads = readonly [number, number, number, number];

export type Op = OurOp | ForeignOp;

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
  /** Name of the activation made. */
  readonly output: string;
  /** Names of its second and further outputs, where it has any; each may be left empty where nobody reads it. */
  readonly furtherOutputs?: readonly string[];
  /** Names of parameters, keys of `Network.parameters`: the file's initialiser names. */
  readonly weight?: string;
  readonly bias?: string;
  /** of any other role */
  readonly roles?: Readonly<Record<string, string>>;
}

export interface ParameterValue {
  readonly shape: readonly number[];
  /** Row-major values; a getter may read them late from the file's buffer. */
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

export interface Network {
  readonly name: string;
  /** Graph inputs that are no initialisers; `shape` without the batch. The first is the image. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly preprocessing?: Preprocessing;
  /** Names of the classes, in the order of the outputs. */
  readonly labels?: readonly string[];
  /** The operators that its kinds are of, where they are not frostline's own alone. */
  readonly operators?: OperatorSet;
}

/** Names of all outputs of a node. */
export const outputsOf = ({ output, furtherOutputs = [] }: Node): readonly string[] => [output, ...furtherOutputs];

/** A node's parameters by role. */
export const rolesOf = ({ weight, bias, roles }: Node): Readonly<Record<string, string>> => ({
  ...roles,
  ...(weight !== undefined && { weight }),
  ...(bias !== undefined && { bias }),
});

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
