/** Operators that make tensors: constants themselves, ranges, masks, types. */
import { type DataType, dataTypeInfo, dataTypeOf, type TensorData } from '../../onnx/data-types.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { elementCount, OnnxTensor } from '../../onnx/tensor.ts';
import { attribute, castsTo } from '../../operators/onnx/attributes.ts';
import { foldRemedy, refuse } from '../../operators/onnx/reading.ts';
import {
  axisOf,
  type Computed,
  type ConstantOperator,
  filled,
  isFloat,
  kept,
  numbersOf,
  operand,
  rounding,
} from './operator.ts';

const whole = (tensor: OnnxTensor): Computed => ({
  dims: tensor.dims,
  dataType: tensor.dataType,
  values: () => tensor.data,
});

const constant: ConstantOperator = ({ node }) => {
  const value = attribute(node, 'value', 'tensor');
  if (value) return [whole(value)];
  const [float, int, text] = [
    attribute(node, 'value_float', 'float'),
    attribute(node, 'value_int', 'int'),
    attribute(node, 'value_string', 'string'),
  ];
  const floats = attribute(node, 'value_floats', 'floats') ?? (float === undefined ? undefined : [float]);
  if (floats) return [list(floats.length, float, 'float32', Float32Array.from(floats))];
  const ints = attribute(node, 'value_ints', 'ints') ?? (int === undefined ? undefined : [int]);
  if (ints) return [list(ints.length, int, 'int64', BigInt64Array.from(ints.map(BigInt)))];
  const texts = attribute(node, 'value_strings', 'strings') ?? (text === undefined ? undefined : [text]);
  if (texts) return [list(texts.length, text, 'string', texts)];
  refuse(node, 'has no value', 'Sparse constants are not supported: export it in dense form.');
};

const list = (count: number, single: unknown, dataType: DataType, data: TensorData): Computed => ({
  dims: single === undefined ? [count] : [],
  dataType,
  values: () => data,
});

const constantOfShape: ConstantOperator = (operands) => {
  const { node } = operands;
  const dims = operand(operands, 0).toIntegers();
  if (dims.some((size) => size < 0)) refuse(node, `makes the shape [${dims}]`, 'Sizes of 0 or more are expected.');
  const value = attribute(node, 'value', 'tensor') ?? OnnxTensor.of('', [1], 'float32', Float32Array.of(0));
  const { array } = dataTypeInfo(value.dataType);
  if (value.size !== 1 || array === undefined)
    refuse(node, `fills with ${value.size} values`, 'One number is expected.');
  return [
    {
      dims,
      dataType: value.dataType,
      values: () => new array(elementCount(dims)).fill((value.data as ArrayLike<unknown>)[0] as never),
    },
  ];
};

const cast =
  (typeOf: (node: OnnxNode, like: OnnxTensor | undefined) => DataType | undefined): ConstantOperator =>
  (operands) => {
    const { node, inputs } = operands;
    const x = operand(operands, 0);
    const to = typeOf(node, inputs[1]);
    if (to === undefined || to === 'string' || x.dataType === 'string')
      refuse(node, 'casts to or from a type without numbers', foldRemedy);
    if (to === x.dataType) return [whole(x)];
    if (to === 'float32') return [{ dims: x.dims, dataType: to, values: () => x.toFloat32() }];
    const round = rounding(to);
    // Integers end where a fraction begins; true is whatever is not 0.
    const one = to === 'bool' ? (value: number) => (value === 0 ? 0 : 1) : isFloat(to) ? round : Math.trunc;
    const values = () => {
      const data = numbersOf(x);
      return filled(node, kept(to), x.size, (i) => one(data[i]));
    };
    return [{ dims: x.dims, dataType: kept(to), values }];
  };

const range: ConstantOperator = (operands) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => numbersOf(operand(operands, i))[0]);
  if (delta === 0) refuse(operands.node, 'has a step of 0', 'Another one is expected.');
  const count = Math.max(Math.ceil((limit - start) / delta), 0);
  const { dataType } = operand(operands, 0);
  return [
    {
      dims: [count],
      dataType: kept(dataType),
      values: () => filled(operands.node, kept(dataType), count, (i) => start + i * delta),
    },
  ];
};

const eyeLike: ConstantOperator = (operands) => {
  const { node } = operands;
  const { dims, dataType } = operand(operands, 0);
  const code = attribute(node, 'dtype', 'int');
  const type = code === undefined ? dataType : dataTypeOf(code);
  const k = attribute(node, 'k', 'int') ?? 0;
  if (dims.length !== 2 || type === undefined || type === 'string')
    refuse(node, `is of [${dims}]`, 'A matrix is expected.');
  const at = (i: number) => (Math.floor(i / dims[1]) + k === i % dims[1] ? 1 : 0);
  return [{ dims, dataType: kept(type), values: () => filled(node, kept(type), elementCount(dims), at) }];
};

const trilu: ConstantOperator = (operands) => {
  const { node, inputs } = operands;
  const x = operand(operands, 0);
  const upper = (attribute(node, 'upper', 'int') ?? 1) !== 0;
  const k = inputs[1] === undefined ? 0 : numbersOf(inputs[1])[0];
  const [rows, columns] = x.dims.slice(-2);
  if (columns === undefined) refuse(node, `is of [${x.dims}]`, 'A matrix is expected.');
  const keeps = (i: number) => {
    const off = (i % columns) - (Math.floor(i / columns) % rows);
    return upper ? off >= k : off <= k;
  };
  const values = () => {
    const data = numbersOf(x);
    return filled(node, kept(x.dataType), x.size, (i) => (keeps(i) ? data[i] : 0));
  };
  return [{ dims: x.dims, dataType: kept(x.dataType), values }];
};

const oneHot: ConstantOperator = (operands) => {
  const { node } = operands;
  const [indices, depth, pair] = [0, 1, 2].map((i) => operand(operands, i));
  const size = numbersOf(depth)[0];
  const rank = indices.dims.length + 1;
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? -1, rank);
  if (depth.size !== 1 || !(size >= 1) || pair.size !== 2)
    refuse(node, `has depth ${size}`, 'A number of 1 or more is expected.');
  const dims = indices.dims.toSpliced(axis, 0, size);
  const inner = elementCount(indices.dims.slice(axis));
  const values = () => {
    const [data, [off, on]] = [numbersOf(indices), Array.from(numbersOf(pair))];
    return filled(node, kept(pair.dataType), elementCount(dims), (i) => {
      const outer = Math.floor(i / (inner * size));
      const wanted = data[outer * inner + (i % inner)];
      return (wanted < 0 ? wanted + size : wanted) === Math.floor(i / inner) % size ? on : off;
    });
  };
  return [{ dims, dataType: kept(pair.dataType), values }];
};

/** Zeros, or another value, around a constant; other modes are the operator's own. */
export const making: Readonly<Record<string, ConstantOperator>> = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Cast: cast((node) => dataTypeOf(castsTo(node) ?? 0)),
  CastLike: cast((_, like) => like?.dataType),
  Range: range,
  EyeLike: eyeLike,
  Trilu: trilu,
  OneHot: oneHot,
  Size: (operands) => {
    const { size } = operand(operands, 0);
    return [{ dims: [], dataType: 'int64', values: () => BigInt64Array.of(BigInt(size)) }];
  },
};
