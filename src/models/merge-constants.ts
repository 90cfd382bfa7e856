/** Arithmetic with constants that becomes part of the node before it. */
import type { OnnxTensor } from '../onnx/tensor.ts';
import { reshaped } from '../operators/onnx/tensors.ts';
import type { Shape } from '../operators/operator.ts';
import type { OurOp } from '../operators/registry.ts';
import type { Node, Op } from './network.ts';

type Affine = Extract<OurOp, { readonly kind: 'affine' }>;

export interface Merging {
  readonly before: Node;
  /** what follows it */
  readonly op: Op;
  /** of the value between, without the batch */
  readonly shape: Shape;
  /** the roles that the operator before has */
  readonly roles: object;
  /** the constant, where it is added as it is */
  readonly addend: OnnxTensor | undefined;
}

/**
 * Constant arithmetic upon constant arithmetic is one; a constant added straight to a layer without bias is its bias
 * (MatMul and Add, as Keras exports them). Nothing where it is neither.
 */
export function mergedConstants({
  before,
  op,
  shape,
  roles,
  addend,
}: Merging): { op: Op; bias?: OnnxTensor } | undefined {
  if (op.kind !== 'affine') return undefined;
  if (before.op.kind === 'affine') {
    const one = oneAffine(before.op as Affine, op as Affine);
    return one && { op: one };
  }
  const open = before.parameters['weight'] !== undefined && before.parameters['bias'] === undefined && 'bias' in roles;
  if (!open || addend === undefined) return undefined;
  // A product of matrices has one bias a column, every other layer one a channel.
  const columns = before.op.kind === 'matMul';
  const outputs = columns ? shape.at(-1)! : shape[0];
  const along = columns ? addend.dims.at(-1) === outputs : (op as Affine).shift.length === outputs;
  return addend.size === outputs && along ? { op: before.op, bias: reshaped(addend, [outputs]) } : undefined;
}

function oneAffine(first: Affine, second: Affine): Affine | undefined {
  const all = [first.scale, first.shift, second.scale, second.shift];
  const length = Math.max(...all.map((values) => values.length));
  if (all.some((values) => values.length !== 1 && values.length !== length)) return undefined;
  const [s1, b1, s2, b2] = all.map((values) => (i: number) => values[values.length === 1 ? 0 : i]);
  const indices = [...Array(length).keys()];
  return {
    kind: 'affine',
    scale: collapse(indices.map((i) => s1(i) * s2(i))),
    shift: collapse(indices.map((i) => b1(i) * s2(i) + b2(i))),
  };
}

function collapse(values: readonly number[]): readonly number[] {
  return values.every((value) => value === values[0]) ? [values[0]] : values;
}
