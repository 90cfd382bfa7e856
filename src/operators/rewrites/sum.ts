import type { OnnxNode } from '../../onnx/model.ts';
import type { Expansion } from './match.ts';

/** A sum of any number of values as sums of two. */
function expand(node: OnnxNode): readonly OnnxNode[] {
  const [first, ...rest] = node.inputs;
  if (rest.length === 0) return [{ ...node, opType: 'Identity' }];
  let sum = first;
  return rest.map((value, i): OnnxNode => {
    const isLast = i === rest.length - 1;
    const output = isLast ? node.outputs[0] : `${node.outputs[0]}/sum${i + 1}`;
    const pair = { ...node, name: isLast ? node.name : '', opType: 'Add', inputs: [sum, value], outputs: [output] };
    sum = output;
    return pair;
  });
}

export const sum: Expansion = { opType: 'Sum', when: 'first', expand };
