/** BatchNormalization in ONNX, whose mode before operator set 14 is its number of outputs. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { type Field, type Fields, field, type OnnxForm, type Reading, type Surroundings } from '../onnx/form.ts';
import { flag, parameter, refuse } from '../onnx/reading.ts';
import type { BatchNormalizationAttributes, BatchNormalizationRole } from './rule.ts';

const fields: Fields<BatchNormalizationAttributes> = {
  epsilon: field('epsilon', 'float', 1e-5),
  momentum: field('momentum', 'float', 0.9),
};

/**
 * How the file says that the batch's own statistics are meant, or nothing. Before operator set 7 that is the default;
 * then, up to 13, it is the number of outputs alone that says so, whether anybody reads them or not.
 */
function trainingMode(node: OnnxNode, opset: number): string | undefined {
  if (flag(node, 'training_mode')) return 'training_mode = 1';
  if (opset < 7) return flag(node, 'is_test') ? undefined : 'no is_test = 1';
  const outputs = node.outputs.filter((output) => output !== '').length;
  return opset < 14 && outputs > 1 ? `it has ${outputs} outputs` : undefined;
}

function read(node: OnnxNode, around: Surroundings): Reading<{ readonly kind: string } & BatchNormalizationAttributes> {
  const how = trainingMode(node, around.opset);
  if (how !== undefined) {
    refuse(node, `normalises by the statistics of the batch (${how})`, 'Export the model for inference.');
  }
  if (around.opset < 9 && attribute(node, 'spatial', 'int') === 0) {
    refuse(node, 'has spatial = 0, statistics for every element', 'Statistics for every channel are expected.');
  }
  if (node.outputs.slice(1).some((output) => output && around.isRead(output))) {
    refuse(node, 'hands on its statistics', 'Only its first output is supported.');
  }
  const [scale, shift, mean, variance] = ['scale', 'bias', 'mean', 'variance'].map((role, i) =>
    parameter(node, i + 1, role, around),
  );
  return {
    op: { kind: 'batchNormalization', epsilon: fields.epsilon.read(node), momentum: fields.momentum.read(node) },
    inputs: [node.inputs[0]],
    parameters: { scale, shift, mean, variance },
  };
}

export const onnx: OnnxForm<BatchNormalizationAttributes, BatchNormalizationRole> = {
  reads: { BatchNormalization: read },
  images: true,
  write({ name, attributes, inputs, outputs, parameters: { scale, shift, mean, variance } }, to) {
    const { epsilon, momentum }: { [N in keyof Fields<BatchNormalizationAttributes>]: Field<number> } = fields;
    const operands = [scale, shift, mean, variance].map((parameter) => parameter!.name);
    to.node('BatchNormalization', [...inputs, ...operands], outputs, {
      name,
      attributes: { ...epsilon.write(attributes.epsilon), ...momentum.write(attributes.momentum) },
    });
  },
};
