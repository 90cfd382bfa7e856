import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Surroundings } from '../onnx/form.ts';
import { flag, plain, refuse } from '../onnx/reading.ts';
import type { DropoutAttributes } from './rule.ts';

/**
 * The ratio is an attribute before operator set 12, an input since. Whether it drops is the run's business, and not the
 * file's, but where the file's own numbers are wanted.
 */
function read(node: OnnxNode, around: Surroundings) {
  if (node.outputs[1] && around.isRead(node.outputs[1])) {
    refuse(node, `hands on its mask ('${node.outputs[1]}')`, 'That output is not supported.');
  }
  let ratio = attribute(node, 'ratio', 'float') ?? 0.5;
  if (node.inputs[1]) {
    const given = around.constants.tensor(node.inputs[1]);
    if (given === undefined) refuse(node, `computes its ratio '${node.inputs[1]}'`, 'A constant is expected.');
    ratio = given.toFloat32()[0];
  }
  const told = around.asItStands && ratio !== 0 ? trainingMode(node, around) : undefined;
  if (told !== undefined) {
    refuse(
      node,
      `${told}, which makes the outputs random`,
      'Inference drops nothing: export the model for inference, or give false where it is an input.',
    );
  }
  return plain(node, { kind: 'dropout', ratio });
}

/** How the file says that it drops, or nothing: training is the default before operator set 7, and an input since 12. */
function trainingMode(node: OnnxNode, { opset, constants }: Surroundings): string | undefined {
  if (opset < 7) return flag(node, 'is_test') ? undefined : 'has no is_test = 1';
  const mode = node.inputs[2];
  if (!mode) return undefined;
  const given = constants.tensor(mode);
  if (given === undefined) return `computes its training_mode '${mode}'`;
  return given.data[0] ? `is told to train: '${mode}' is true` : undefined;
}

export const onnx: OnnxForm<DropoutAttributes, never> = {
  reads: { Dropout: read },
  write({ name, attributes: { ratio }, inputs, outputs }, to) {
    to.node('Dropout', [...inputs, to.constant(`${name}.ratio`, [], Float32Array.of(ratio))], outputs, { name });
  },
};
