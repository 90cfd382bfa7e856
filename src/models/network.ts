/**
 * What a network is, before any adapter is chosen: a list of nodes in execution order over named values, the values of
 * its parameters, and how an image becomes its input. Layer tables and ONNX files both become a `Network`; `build.ts`
 * turns one into a graph of tensors, `export.ts` writes one back to ONNX.
 *
 * Shapes are N,C,H,W. The batch is always the first dimension of every activation and never stands in a node.
 */

import { type ForeignOp, type OperatorSet, type OurOp, ours } from '../operators/registry.ts';

export type Pair = readonly [number, number];
/** top, left, bottom, right: ONNX's order of `pads` for two spatial dimensions. */
export type Pads = readonly [number, number, number, number];

/** What has moved to src/operators, what has not yet, and what other packages add. */
export type Op = OurOp | LegacyOp | ForeignOp;

export type LegacyOp =
  /** input flattened to [N, in]; parameters: weight [out, in], bias [out]? */
  | { kind: 'linear' }
  /** y = min(max(x, low), high); a bound may be infinite */
  | { kind: 'clip'; low: number; high: number }
  /** y = x / (bias + alpha / size * sum of squares over `size` channels)^beta, ONNX LRN */
  | { kind: 'lrn'; size: number; alpha: number; beta: number; bias: number }
  | { kind: 'maxPool'; kernel: Pair; strides: Pair; pads: Pads; dilations: Pair; ceilMode: boolean }
  | { kind: 'averagePool'; kernel: Pair; strides: Pair; pads: Pads; ceilMode: boolean; countIncludePad: boolean }
  | { kind: 'globalAveragePool' }
  /** over dimensions first .. end - 1 of an item, taken as one; over all of it where left out */
  | { kind: 'softmax'; axes?: readonly [first: number, end: number] }
  | { kind: 'logSoftmax'; axes?: readonly [first: number, end: number] }
  | { kind: 'dropout'; ratio: number }
  /** to [N, rest]; not counted as a layer */
  | { kind: 'flatten' }
  /** per-image shape after the batch; not counted as a layer */
  | { kind: 'reshape'; shape: readonly number[] }
  /** of two activations; a dimension of 1 is repeated to that of the other */
  | { kind: 'add' | 'subtract' | 'multiply' | 'divide' }
  /** [..., M, K] times [..., K, P]: two activations, or one and a weight [P, K] (as linear's), with bias [P]? */
  | { kind: 'matMul' }
  /** activations joined along a dimension of an item, by default the first: channels */
  | { kind: 'concat'; axis?: number }
  /** dimension i of an item becomes what dimension perm[i] was */
  | { kind: 'transpose'; perm: readonly number[] }
  /** numbers before and behind each dimension of an item; negative ones are cut off */
  | {
      kind: 'pad';
      before: readonly number[];
      after: readonly number[];
      mode: 'constant' | 'edge' | 'reflect';
      value: number;
    }
  | { kind: 'identity' };

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
