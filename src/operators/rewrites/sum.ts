import type { OnnxNode } from '../../onnx/model.ts';
import { OnnxTensor } from '../../onnx/tensor.ts';
import type { Surroundings } from '../onnx/form.ts';
import { type Expansion, node as step } from './match.ts';

/** A sum of any number of values as sums of two; before operator set 8 of one shape, as Add asks for before 7. */
function expand(node: OnnxNode, { opset: own }: Pick<Surroundings, 'opset'>): readonly OnnxNode[] {
  const [first, ...rest] = node.inputs;
  const opset = own === 7 ? 6 : own;
  if (rest.length === 0) return [{ ...node, opType: 'Identity' }];
  let sum = first;
  return rest.map((value, i): OnnxNode => {
    const isLast = i === rest.length - 1;
    const output = isLast ? node.outputs[0] : `${node.outputs[0]}/sum${i + 1}`;
    const pair = {
      ...node,
      name: isLast ? node.name : '',
      opType: 'Add',
      opset,
      inputs: [sum, value],
      outputs: [output],
    };
    sum = output;
    return pair;
  });
}

export const sum: Expansion = { opType: 'Sum', when: 'first', expand };

/** A mean as a sum times a constant. */
function expandMean(node: OnnxNode, around: Pick<Surroundings, 'constants' | 'opset'>): readonly OnnxNode[] {
  const { constants } = around;
  const [output] = node.outputs;
  const factor = `${output}/share`;
  constants.define(OnnxTensor.of(factor, [], 'float32', Float32Array.of(1 / node.inputs.length)));
  const total = { ...node, name: '', outputs: [`${output}/sum`] };
  const share = step('Mul', [total.outputs[0], factor], output, new Map(), node.name);
  // Before operator set 7 it would take no factor of another shape.
  return [...expand(total, around), { ...share, opset: Math.max(around.opset, 7) }];
}

export const mean: Expansion = { opType: 'Mean', when: 'first', expand: expandMean };
