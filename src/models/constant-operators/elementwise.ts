/** Operators that compute each value of one value of each operand. */
import type { DataType } from '../../onnx/data-types.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { elementCount, type OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { refuse } from '../../operators/onnx/reading.ts';
import {
  axisOf,
  type Computed,
  type ConstantOperator,
  filled,
  isInteger,
  kept,
  numbersOf,
  type Operands,
  operand,
  rounding,
  stridesOf,
  walk,
} from './operator.ts';

/** ONNX's broadcasting, aligned from the right. @throws FrostlineError where the shapes do not fit */
export function broadcast(node: OnnxNode, shapes: readonly (readonly number[])[]): number[] {
  const rank = shapes.reduce((most, { length }) => Math.max(most, length), 0);
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = sizes.find((one) => one !== 1) ?? 1;
    if (sizes.some((one) => one !== 1 && one !== size)) {
      const shown = shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ');
      refuse(node, `combines shapes ${shown}`, 'Each dimension must be equal in all, or 1.');
    }
    return size;
  });
}

/** Where each value of a broadcast result comes from in an operand. */
export function placesIn(dims: readonly number[], result: readonly number[]): (i: number) => number {
  const padded = [...new Array<number>(result.length - dims.length).fill(1), ...dims];
  const strides = stridesOf(padded);
  return walk(
    result,
    strides.map((stride, d) => (padded[d] === 1 ? 0 : stride)),
  );
}

/** Before operator set 7 the second operand's first dimension stands at `axis`; slopes are of channels. */
function aligned({ node, opset }: Operands, first: OnnxTensor, other: OnnxTensor): readonly number[] {
  const own = node.opType === 'PRelu' && other.size > 1 ? 1 : attribute(node, 'axis', 'int');
  const axis = opset < 7 ? own : undefined;
  if (axis === undefined) return other.dims;
  const place = axisOf(node, axis, first.dims.length);
  const after = first.dims.length - place - other.dims.length;
  return [...other.dims, ...new Array<number>(Math.max(after, 0)).fill(1)];
}

type Formula = (...values: number[]) => number;

/** Any number of operands of one type: what is made of a value of each, of more than two one after the other. */
function combine(
  operands: Operands,
  tensors: readonly OnnxTensor[],
  type: DataType,
  formula: Formula,
  end: (value: number) => number = (value) => value,
): Computed[] {
  const { node } = operands;
  const shapes = tensors.map((tensor, i) => (i === 0 ? tensor.dims : aligned(operands, tensors[0], tensor)));
  const dims = broadcast(node, shapes);
  const round = rounding(type);
  const count = elementCount(dims);
  const values = () => {
    const data = tensors.map(numbersOf);
    const at = shapes.map((shape) => placesIn(shape, dims));
    const [a, b] = data;
    const [atA, atB] = at;
    if (tensors.length === 1) return filled(node, kept(type), count, (i) => round(formula(a[i])));
    if (tensors.length === 2) return filled(node, kept(type), count, (i) => round(end(formula(a[atA(i)], b[atB(i)]))));
    return filled(node, kept(type), count, (i) => {
      let value = a[atA(i)];
      for (let k = 1; k < data.length; k++) value = formula(value, data[k][at[k](i)]);
      return round(end(value));
    });
  };
  return [{ dims, dataType: kept(type), values, work: count * (tensors.length - 1) }];
}

const number = (node: OnnxNode, name: string, otherwise: number) => attribute(node, name, 'float') ?? otherwise;

/** The nearest whole number, of two the even one. */
function nearestEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** erf: its series near 0, a continued fraction of erfc beyond; to 1e-15. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
      if (z === 0) break;
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / ((z + fraction) * Math.sqrt(Math.PI)));
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** One operand: the formula for the node's attributes. */
const unary: Readonly<Record<string, (node: OnnxNode) => Formula>> = {
  Abs: () => Math.abs,
  Neg: () => (x) => -x,
  Sqrt: () => Math.sqrt,
  Reciprocal: () => (x) => 1 / x,
  Exp: () => Math.exp,
  Log: () => Math.log,
  Floor: () => Math.floor,
  Ceil: () => Math.ceil,
  Round: () => nearestEven,
  Sign: () => Math.sign,
  Sin: () => Math.sin,
  Cos: () => Math.cos,
  Tan: () => Math.tan,
  Asin: () => Math.asin,
  Acos: () => Math.acos,
  Atan: () => Math.atan,
  Sinh: () => Math.sinh,
  Cosh: () => Math.cosh,
  Tanh: () => Math.tanh,
  Asinh: () => Math.asinh,
  Acosh: () => Math.acosh,
  Atanh: () => Math.atanh,
  Erf: () => erf,
  Relu: () => (x) => Math.max(x, 0),
  Sigmoid: () => sigmoid,
  Softplus: () => (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0),
  Softsign: () => (x) => x / (1 + Math.abs(x)),
  LeakyRelu: (node) => (x) => (x < 0 ? number(node, 'alpha', 0.01) * x : x),
  Elu: (node) => (x) => (x < 0 ? number(node, 'alpha', 1) * Math.expm1(x) : x),
  Selu: (node) => (x) =>
    number(node, 'gamma', 1.0507010221481323) * (x < 0 ? number(node, 'alpha', 1.6732631921768188) * Math.expm1(x) : x),
  HardSigmoid: (node) => (x) => Math.max(0, Math.min(1, number(node, 'alpha', 0.2) * x + number(node, 'beta', 0.5))),
  HardSwish: () => (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  ThresholdedRelu: (node) => (x) => (x > number(node, 'alpha', 1) ? x : 0),
  Not: () => (x) => (x ? 0 : 1),
  IsNaN: () => (x) => (Number.isNaN(x) ? 1 : 0),
  IsInf: (node) => (x) =>
    (x === Number.POSITIVE_INFINITY && (attribute(node, 'detect_positive', 'int') ?? 1) !== 0) ||
    (x === Number.NEGATIVE_INFINITY && (attribute(node, 'detect_negative', 'int') ?? 1) !== 0)
      ? 1
      : 0,
};

const truth = new Set(['Not', 'IsNaN', 'IsInf']);

function divided(node: OnnxNode, type: DataType): Formula {
  if (!isInteger(type)) return (a, b) => a / b;
  return (a, b) => {
    if (b === 0) refuse(node, 'divides an integer by 0', 'Export the model again.');
    return Math.trunc(a / b);
  };
}

/** Python's remainder has the divisor's sign; with fmod = 1, C's has the dividend's. */
function remainder(node: OnnxNode): Formula {
  const asC = attribute(node, 'fmod', 'int') === 1;
  return (a, b) => {
    const rest = a % b;
    return asC || rest === 0 || Math.sign(rest) === Math.sign(b) ? rest : rest + b;
  };
}

const flag =
  (test: (a: number, b: number) => boolean): Formula =>
  (a, b) =>
    test(a, b) ? 1 : 0;

/** Two operands: the formula, and the type of what it makes where that is not the first's. */
const binary: Readonly<Record<string, (node: OnnxNode, type: DataType) => Formula>> = {
  Add: () => (a, b) => a + b,
  Sub: () => (a, b) => a - b,
  Mul: () => (a, b) => a * b,
  Div: divided,
  Mod: remainder,
  Pow: () => (a, b) => a ** b,
  PRelu: () => (a, slope) => (a < 0 ? slope * a : a),
};

const comparisons: Readonly<Record<string, Formula>> = {
  Equal: flag((a, b) => a === b),
  Less: flag((a, b) => a < b),
  Greater: flag((a, b) => a > b),
  LessOrEqual: flag((a, b) => a <= b),
  GreaterOrEqual: flag((a, b) => a >= b),
  And: flag((a, b) => a !== 0 && b !== 0),
  Or: flag((a, b) => a !== 0 || b !== 0),
  Xor: flag((a, b) => (a !== 0) !== (b !== 0)),
};

/** Of any number of operands, one after the other. */
const variadic: Readonly<Record<string, Formula>> = {
  Sum: (a, b) => a + b,
  Mean: (a, b) => a + b,
  Max: (a, b) => Math.max(a, b),
  Min: (a, b) => Math.min(a, b),
};

/** What is known of a comparison or an arithmetic step by name: for sizes, of which some are not known. */
export const stepOf = (node: OnnxNode, type: DataType): Formula | undefined =>
  binary[node.opType]?.(node, type) ??
  comparisons[node.opType] ??
  (node.opType === 'Mean' ? undefined : variadic[node.opType]);

const all = (operands: Operands) => operands.inputs.map((_, i) => operand(operands, i));

/** Selects by truth, without arithmetic: integers of any size stay what they are. */
const where: ConstantOperator = (operands) => {
  const [condition, yes, no] = [0, 1, 2].map((i) => operand(operands, i));
  const dims = broadcast(operands.node, [condition.dims, yes.dims, no.dims]);
  const values = () => {
    const [chosen, a, b] = [condition, yes, no].map(({ data }) => data as ArrayLike<number>);
    const [at, atA, atB] = [condition, yes, no].map((one) => placesIn(one.dims, dims));
    const out = new (a.constructor as new (count: number) => number[])(elementCount(dims));
    for (let i = 0; i < out.length; i++) out[i] = chosen[at(i)] ? a[atA(i)] : b[atB(i)];
    return out as never;
  };
  return [{ dims, dataType: yes.dataType, values }];
};

/** Bounds are attributes before operator set 11, inputs since. */
const clip: ConstantOperator = (operands) => {
  const { node, opset, inputs } = operands;
  const bound = (i: number, name: string, otherwise: number) => {
    if (opset < 11) return attribute(node, name, 'float') ?? otherwise;
    const given = inputs[i];
    return given === undefined ? otherwise : numbersOf(given)[0];
  };
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY);
  const high = bound(2, 'max', Number.POSITIVE_INFINITY);
  const x = operand(operands, 0);
  return combine(operands, [x], x.dataType, (value) => Math.min(Math.max(value, low), high));
};

/** A quantised constant as the numbers that it stands for: (x - zero) scale, both one, or one along an axis. */
const dequantize: ConstantOperator = (operands) => {
  const { node, inputs } = operands;
  const [x, scale] = [operand(operands, 0), operand(operands, 1)];
  const zero = inputs[2];
  const blocks = attribute(node, 'block_size', 'int') ?? 0;
  if (blocks !== 0) refuse(node, `has blocks of ${blocks}`, 'Export the model with float32 weights.');
  const axis = scale.dims.length === 0 ? 0 : axisOf(node, attribute(node, 'axis', 'int') ?? 1, x.dims.length);
  const along = x.dims.map((size, d) => (d === axis && scale.size > 1 ? size : 1));
  if (scale.size !== elementCount(along) || (zero && zero.size !== scale.size)) {
    refuse(node, `has ${scale.size} scales for [${x.dims}]`, 'One, or one along its axis, is expected.');
  }
  const type = kept(scale.dataType);
  const values = () => {
    const [a, s, z] = [numbersOf(x), numbersOf(scale), zero && numbersOf(zero)];
    const at = placesIn(along, x.dims);
    return filled(node, type, x.size, (i) => (a[i] - (z?.[at(i)] ?? 0)) * s[at(i)]);
  };
  return [{ dims: x.dims, dataType: type, values }];
};

const entries = <T>(table: Readonly<Record<string, T>>, make: (value: T, name: string) => ConstantOperator) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, make(value, name)]));

export const elementwise: Readonly<Record<string, ConstantOperator>> = {
  ...entries(unary, (formula, name) => (operands) => {
    const x = operand(operands, 0);
    return combine(operands, [x], truth.has(name) ? 'bool' : x.dataType, formula(operands.node));
  }),
  ...entries(binary, (formula) => (operands) => {
    const tensors = [operand(operands, 0), operand(operands, 1)];
    return combine(operands, tensors, tensors[0].dataType, formula(operands.node, tensors[0].dataType));
  }),
  ...entries(
    comparisons,
    (formula) => (operands) => combine(operands, [operand(operands, 0), operand(operands, 1)], 'bool', formula),
  ),
  ...entries(variadic, (formula, name) => (operands) => {
    const tensors = all(operands);
    const { dataType } = operand(operands, 0);
    const count = tensors.length;
    if (count === 1) return combine(operands, tensors, dataType, (value) => value);
    return combine(operands, tensors, dataType, formula, name === 'Mean' ? (sum) => sum / count : undefined);
  }),
  Where: where,
  Clip: clip,
  DequantizeLinear: dequantize,
};
