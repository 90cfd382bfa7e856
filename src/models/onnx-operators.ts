/** A node of a file as a node of a network: by the operator that reads ONNX's. */
import type { OnnxNode } from '../onnx/model.ts';
import type { Reading, Surroundings } from '../operators/onnx/form.ts';
import { foldRemedy, refuse } from '../operators/onnx/reading.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import { expandedOperators } from '../operators/rewrites/index.ts';
import type { Op } from './network.ts';

/** Operators of activations, and those that may only compute constants and shapes. */
export const supportedBy = (set: OperatorSet): readonly string[] =>
  [...set.reads.keys(), ...expandedOperators, ...sizing].sort();

/** Of sizes and constants alone; those that are computed of constants only are many more: constant-operators. */
const sizing = ['Constant', 'ConstantOfShape', 'Shape', 'Gather', 'Slice', 'If'];

export const supportedOperators = supportedBy(ours);

/** @throws FrostlineError naming the node where no operator reads it, or its operator refuses */
export function translate(node: OnnxNode, around: Surroundings, set: OperatorSet): Reading<Op> {
  const shown = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  const found = set.reads.get(shown);
  if (found === undefined) {
    const supported = supportedBy(set);
    const given = node.inputs.filter((value) => value !== '');
    if (given.length > 0 && given.every((value) => around.constants.has(value))) {
      refuse(node, `computes ${shown} of constants, which is not done here`, foldRemedy);
    }
    const computed = node.domain === '' && sizing.includes(node.opType);
    refuse(
      node,
      computed
        ? `computes ${shown} of an activation`
        : `is of the unsupported operator ${shown}${expandedOperators.includes(node.opType) ? ' in this form' : ''}`,
      computed ? 'It is supported for constants and shapes alone.' : `Supported are ${supported.join(', ')}.`,
    );
  }
  if (around.lead === 0 && found.owner.onnx.images) {
    refuse(node, 'works on a batch of images', 'Here the items of the batch are mixed.');
  }
  return found.read(node, around) as Reading<Op>;
}
