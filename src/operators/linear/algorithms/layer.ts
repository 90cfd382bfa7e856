/**
 * What the algorithms of a fully connected layer have in common: the problem, what they read and write, and windows. A
 * weight that is larger than one binding is worked on in windows of its rows, each a layer of fewer outputs.
 */
import type { Storage, View } from '../../../gpu/storage.ts';
import type { Applied, BackwardEmitter, Destination } from '../../../graph/operation.ts';
import type { Tensor } from '../../../graph/tensor.ts';
import { type Window, windows } from '../../../graph/windows.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import type { Algorithm } from '../../algorithms/algorithm.ts';

/** x [batch, inputs], weight [outputs, inputs], y [batch, outputs] */
export interface Layer {
  readonly name: string;
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly hasBias: boolean;
  /** the derivative of the map before, whose output is x, is to be applied to the input gradient */
  readonly differentiates: boolean;
  /** what is packed of the weight is made once, not in each run */
  readonly weightLasts: boolean;
}

/** What its time depends on. The derivative of a map before hardly matters to it. */
export const caseOf = ({ batch, inputs, outputs, hasBias, weightLasts }: Layer): string =>
  [
    `batch ${batch} inputs ${inputs} outputs ${outputs}`,
    ...(hasBias ? ['with bias'] : []),
    ...(weightLasts ? ['weight packed once'] : []),
  ].join(' ');

/** What each result is made of. `x` is looked at for the input gradient only where the problem is `differentiates`. */
export interface Operands {
  forward: { readonly x: Storage; readonly weight: Tensor; readonly bias?: Tensor; readonly y: Storage };
  'input gradient': { readonly dy: Storage; readonly x: Storage; readonly weight: Tensor; readonly dx: Storage };
  'weight gradient': { readonly dy: Storage; readonly x: Storage; readonly dw: Destination };
  /** the weight's gradient and its update; `back` says where they go */
  update: {
    readonly dy: Storage;
    readonly x: Storage;
    readonly weight: Tensor;
    readonly back: Pick<BackwardEmitter, 'update' | 'scaledUpdate' | 'destination' | 'step'>;
  };
  backward: Operands['input gradient'] & Operands['update'];
}

export type LayerAlgorithm<R extends keyof Operands = keyof Operands> = Algorithm<Layer, Operands[R]>;

/** Bytes of a row of the weight. */
export const rowBytesOf = ({ inputs }: Layer) => 4 * inputs;

/** The operand of a combination with y, of which the forward pass writes some columns. */
export const operandOf = ({ operand }: Applied, layer: Layer, at: Window): View | undefined =>
  operand && columns(operand, layer, at);

/** The rows of the weight, and so the outputs, in windows. */
export const weightWindows = (adapter: Capabilities, layer: Layer): Window[] =>
  windows(adapter, layer.outputs, [rowBytesOf(layer)], `${layer.name}: one row of the weight`);

/** Columns of y or dy [batch, outputs]: a view that begins at the first item's. */
export const columns = (storage: Storage, { batch, outputs }: Layer, { first, count }: Window): View =>
  storage.view(4 * first, 4 * ((batch - 1) * outputs + count));

/** The obstacle of kernels that read and write four inputs at a time. */
export const noWholeVectors = (_: Capabilities, { inputs }: Layer) =>
  inputs % 4 === 0 ? undefined : 'its rows are not whole vectors of four';
