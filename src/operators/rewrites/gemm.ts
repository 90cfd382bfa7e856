import type { OnnxNode } from '../../onnx/model.ts';
import { OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../onnx/attributes.ts';
import type { Surroundings } from '../onnx/form.ts';
import { flag } from '../onnx/reading.ts';
import { scaled } from '../onnx/tensors.ts';
import type { Expansion } from './match.ts';

/**
 * A Gemm that is no layer of constant weights and bias, in steps that are supported: Y = alpha op(A) op(B) + beta C as
 * Transpose, MatMul, Mul and Add. The layer itself its operator reads.
 */
function expand(node: OnnxNode, { lead, constants }: Pick<Surroundings, 'lead' | 'constants'>) {
  const [a, b, c] = node.inputs;
  const isLayer = lead === 1 && constants.has(b) && (!c || constants.has(c));
  if (isLayer) return undefined;
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

export const gemm: Expansion = { opType: 'Gemm', when: 'read', expand };
