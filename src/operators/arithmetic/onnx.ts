/** Add, Sub, Mul and Div of two activations; of one and a constant they are the affine operator's. */
import type { OnnxNode } from '../../onnx/model.ts';
import { readAffine } from '../affine/onnx.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { refuse } from '../onnx/reading.ts';
import type { None } from '../operator.ts';

function read(node: OnnxNode, around: Surroundings, kind: string): Reading {
  if (!node.inputs.every((value) => around.isActivation(value))) return readAffine(node, around);
  const shapes = node.inputs.map((value) => around.shapeOf(value, node));
  // Aligned from the right: dimensions of items that differ in number would move the batch.
  if (around.lead === 1 && shapes[0].length !== shapes[1].length) {
    refuse(
      node,
      `combines activations of ${shapes.map((shape) => `[batch, ${shape}]`).join(' and ')}`,
      'Both must have the same number of dimensions.',
    );
  }
  return { op: { kind }, inputs: node.inputs };
}

export const onnxOf = (kind: string, opType: string): OnnxForm<None, never> => ({
  reads: { [opType]: (node, around) => read(node, around, kind) },
  write: ({ name, inputs, outputs }, to) => to.node(opType, inputs, outputs, { name }),
});
