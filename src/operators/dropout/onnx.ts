import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Surroundings } from '../onnx/form.ts';
import { plain, refuse } from '../onnx/reading.ts';
import type { DropoutAttributes } from './rule.ts';

/** The ratio is an attribute before operator set 12, an input since; is_test and training_mode are the run's business. */
function read(node: OnnxNode, around: Surroundings) {
  if (node.outputs[1] && around.isRead(node.outputs[1])) {
    throw refuse(node, `hands on its mask ('${node.outputs[1]}')`, 'That output is not supported.');
  }
  let ratio = attribute(node, 'ratio', 'float') ?? 0.5;
  if (node.inputs[1]) {
    const given = around.constants.tensor(node.inputs[1]);
    if (given === undefined) throw refuse(node, `computes its ratio '${node.inputs[1]}'`, 'A constant is expected.');
    ratio = given.toFloat32()[0];
  }
  return plain(node, { kind: 'dropout', ratio });
}

export const onnx: OnnxForm<DropoutAttributes, never> = {
  reads: { Dropout: read },
  write({ name, attributes: { ratio }, inputs, outputs }, to) {
    to.node('Dropout', [...inputs, to.constant(`${name}.ratio`, [], Float32Array.of(ratio))], outputs, { name });
  },
};
