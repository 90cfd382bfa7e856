/** Nodes that are worked on as several simpler ones. */
import type { OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import { attribute } from '../operators/onnx/attributes.ts';
import type { Surroundings } from '../operators/onnx/form.ts';
import { flag } from '../operators/onnx/reading.ts';
import { scaled } from '../operators/onnx/tensors.ts';

/** A sum of any number of values as sums of two. */
export function expandSum(node: OnnxNode): OnnxNode[] {
  if (node.opType !== 'Sum' || node.domain !== '') return [node];
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

/**
 * A Gemm that is no layer of constant weights and bias, in steps that are supported: Y = alpha op(A) op(B) + beta C as
 * Transpose, MatMul, Mul and Add. Every other node is itself.
 */
export function expandGemm(node: OnnxNode, { lead, constants }: Surroundings): OnnxNode[] {
  const [a, b, c] = node.inputs;
  if (node.opType !== 'Gemm' || node.domain !== '') return [node];
  const isLayer = lead === 1 && constants.has(b) && (!c || constants.has(c));
  if (isLayer) return [node];
  const [output] = node.outputs;
  const steps: OnnxNode[] = [];
  const step = (opType: string, inputs: string[], made: string, attributes: OnnxNode['attributes'] = new Map()) => {
    steps.push({ name: made === output ? node.name : '', opType, domain: '', inputs, outputs: [made], attributes });
    return made;
  };
  const operand = (value: string, flagName: string) => {
    const order = new Map([['perm', { type: 'ints', value: [1, 0] } as const]]);
    return flag(node, flagName) ? step('Transpose', [value], `${output}/${flagName}`, order) : value;
  };
  const times = (value: string, name: string) => {
    const factor = attribute(node, name, 'float') ?? 1;
    if (factor === 1) return value;
    const constant = constants.tensor(value);
    const made = `${output}/${name}`;
    if (constant) {
      constants.define(new OnnxTensor(made, constant.dims, 'float32', () => scaled(constant, factor).toFloat32()));
      return made;
    }
    constants.define(OnnxTensor.of(`${made} factor`, [], 'float32', Float32Array.of(factor)));
    return step('Mul', [value, `${made} factor`], made);
  };
  const product = times(step('MatMul', [operand(a, 'transA'), operand(b, 'transB')], `${output}/product`), 'alpha');
  const hasBias = c && attribute(node, 'beta', 'float') !== 0;
  if (hasBias) step('Add', [product, times(c, 'beta')], output);
  else step('Identity', [product], output);
  return steps;
}
