/**
 * Operators of ONNX on constants: what a graph computes without looking at an image. Shapes and types are worked out
 * when the file is read, the values when somebody asks for them: a weight of 400 MB behind a Transpose stays in its file.
 */
import { FrostlineError } from '../../errors.ts';
import { type DataType, dataTypeInfo, type NumericArray, type TensorData } from '../../onnx/data-types.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import type { OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { foldRemedy, refuse } from '../../operators/onnx/reading.ts';

/** One output. */
export interface Computed {
  readonly dims: readonly number[];
  readonly dataType: DataType;
  values(): TensorData;
  /** values read and products made beyond one for each value of the output */
  readonly work?: number;
}

export interface Operands {
  readonly node: OnnxNode;
  readonly opset: number;
  /** undefined where an optional input is left out */
  readonly inputs: readonly (OnnxTensor | undefined)[];
}

/** The outputs in their order. @throws FrostlineError naming the node for operands that do not fit each other */
export type ConstantOperator = (operands: Operands) => readonly Computed[];

/** An operand that must be there. */
export function operand({ node, inputs }: Operands, i: number): OnnxTensor {
  const tensor = inputs[i];
  if (tensor === undefined) refuse(node, `has no input ${i + 1}`, 'Export the model again.');
  return tensor;
}

/** A list of integers that is an attribute up to an operator set, and an input since; undefined where it is left out. */
export function integers({ node, inputs, opset }: Operands, name: string, input: number, since: number) {
  if (opset < since) return attribute(node, name, 'ints');
  return inputs[input]?.toIntegers();
}

/** An axis from the front. @throws FrostlineError where the rank has no such axis */
export function axisOf(node: OnnxNode, axis: number, rank: number): number {
  const place = axis < 0 ? axis + rank : axis;
  if (!(place >= 0 && place < rank)) {
    refuse(node, `has axis ${axis} for ${rank} dimensions`, `From ${-rank} to ${rank - 1} is expected.`);
  }
  return place;
}

/** Values as JavaScript numbers; 64-bit integers beyond 2^53 are rounded, which `filled` refuses to write. */
export function numbersOf(tensor: OnnxTensor): ArrayLike<number> {
  if (tensor.dataType === 'float16' || tensor.dataType === 'bfloat16') return tensor.toFloat32();
  const { data } = tensor;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  if (tensor.dataType === 'string')
    throw new FrostlineError(`tensor '${tensor.name}' holds text, numbers are expected.`);
  return data as ArrayLike<number>;
}

/** Results of 16-bit arithmetic are kept in 32 bits, rounded as 16 bits would be. */
export const kept = (type: DataType): DataType => (type === 'float16' || type === 'bfloat16' ? 'float32' : type);

/** The next value of 16-bit floating point: `bits` of fraction, exponents from `least`. */
function roundedTo(bits: number, least: number, largest: number, value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), least);
  const unit = 2 ** (exponent - bits);
  const scaled = value / unit;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const rounded = (up ? floor + 1 : floor) * unit;
  return Math.abs(rounded) > largest ? Math.sign(rounded) * Number.POSITIVE_INFINITY : rounded;
}

export function rounding(type: DataType): (value: number) => number {
  if (type === 'float16') return (value) => roundedTo(10, -14, 65504, value);
  if (type === 'bfloat16') return (value) => roundedTo(7, -126, 3.3895313892515355e38, value);
  return (value) => value;
}

/** An array of a type, value by value. */
export function filled(node: OnnxNode, type: DataType, count: number, value: (i: number) => number): NumericArray {
  const out = new (dataTypeInfo(type).array!)(count);
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) {
      const whole = Math.trunc(value(i));
      if (!Number.isSafeInteger(whole))
        refuse(node, `computes the integer ${whole}`, `Up to 2^53 they are computed here. ${foldRemedy}`);
      out[i] = BigInt(whole);
    }
    return out;
  }
  for (let i = 0; i < count; i++) out[i] = value(i);
  return out;
}

export const isFloat = (type: DataType): boolean => /^b?float/.test(type);
export const isInteger = (type: DataType): boolean => /^u?int/.test(type);

/** Elements between neighbours along each dimension. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let d = dims.length - 2; d >= 0; d--) strides[d] = strides[d + 1] * dims[d + 1];
  return strides;
}

/** Place in a tensor, given steps along the dimensions of the result, for a place in the result. */
export function walk(dims: readonly number[], steps: readonly number[], start = 0): (i: number) => number {
  // Dimensions that are walked as one are taken as one: most maps have one or two.
  const sizes: number[] = [];
  const by: number[] = [];
  for (let d = dims.length - 1; d >= 0; d--) {
    if (dims[d] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && steps[d] === by[last] * sizes[last]) sizes[last] *= dims[d];
    else {
      sizes.push(dims[d]);
      by.push(steps[d]);
    }
  }
  if (sizes.length === 0) return () => start;
  if (sizes.length === 1) return (i) => start + i * by[0];
  return (i) => {
    let place = start;
    for (let d = 0; d < sizes.length - 1; d++) {
      const rest = Math.floor(i / sizes[d]);
      place += (i - rest * sizes[d]) * by[d];
      i = rest;
    }
    return place + i * by[sizes.length - 1];
  };
}
