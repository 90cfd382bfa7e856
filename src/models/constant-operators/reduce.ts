/** Operators that make one value of many, and products of matrices. */
import { elementCount, type OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { refuse } from '../../operators/onnx/reading.ts';
import { broadcast, placesIn } from './elementwise.ts';
import {
  axisOf,
  type ConstantOperator,
  filled,
  kept,
  numbersOf,
  type Operands,
  operand,
  rounding,
  stridesOf,
  walk,
} from './operator.ts';

/** How values are gathered: the start, the step, and what is made of the sum and the number of values. */
interface Reduction {
  readonly start: number;
  step(sum: number, value: number): number;
  end?(sum: number, count: number): number;
}

/** log(exp(a) + exp(b)) where exp(a) or exp(b) may be beyond all numbers. */
function logOfSum(a: number, b: number): number {
  const largest = Math.max(a, b);
  return Number.isFinite(largest) ? largest + Math.log1p(Math.exp(Math.min(a, b) - largest)) : largest;
}

const add = (sum: number, value: number) => sum + value;
const reductions: Readonly<Record<string, Reduction>> = {
  ReduceSum: { start: 0, step: add },
  ReduceMean: { start: 0, step: add, end: (sum, count) => sum / count },
  ReduceProd: { start: 1, step: (product, value) => product * value },
  ReduceMax: { start: Number.NEGATIVE_INFINITY, step: Math.max },
  ReduceMin: { start: Number.POSITIVE_INFINITY, step: Math.min },
  ReduceL1: { start: 0, step: (sum, value) => sum + Math.abs(value) },
  ReduceL2: { start: 0, step: (sum, value) => sum + value * value, end: Math.sqrt },
  ReduceLogSum: { start: 0, step: add, end: Math.log },
  ReduceLogSumExp: { start: Number.NEGATIVE_INFINITY, step: logOfSum },
  ReduceSumSquare: { start: 0, step: (sum, value) => sum + value * value },
};

/** The axes are an attribute, and an input from operator set 18 on (ReduceSum: 13). */
export function reducedAxes(operands: Operands, rank: number): number[] {
  const { node, opset, inputs } = operands;
  const since = node.opType === 'ReduceSum' ? 13 : 18;
  const axes = (opset < since ? attribute(node, 'axes', 'ints') : inputs[1]?.toIntegers()) ?? [];
  if (axes.length === 0 && attribute(node, 'noop_with_empty_axes', 'int') === 1) return [];
  const all = Array.from({ length: rank }, (_, d) => d);
  return axes.length === 0 ? all : axes.map((axis) => axisOf(node, axis, rank));
}

const reduce =
  ({ start, step, end }: Reduction): ConstantOperator =>
  (operands) => {
    const { node } = operands;
    const x = operand(operands, 0);
    const axes = reducedAxes(operands, x.dims.length);
    const within = x.dims.map((size, d) => (axes.includes(d) ? 1 : size));
    const keeps = (attribute(node, 'keepdims', 'int') ?? 1) !== 0;
    const dims = keeps ? within : within.filter((_, d) => !axes.includes(d));
    const values = () => {
      const data = numbersOf(x);
      const results = new Float64Array(elementCount(dims)).fill(start);
      const at = placesIn(within, x.dims);
      for (let i = 0; i < x.size; i++) results[at(i)] = step(results[at(i)], data[i]);
      const count = x.size / results.length;
      const round = rounding(x.dataType);
      return filled(node, kept(x.dataType), results.length, (i) => round(end?.(results[i], count) ?? results[i]));
    };
    return [{ dims, dataType: kept(x.dataType), values, work: x.size }];
  };

/** Where the largest or the smallest stands along an axis; the first of equal ones unless the last is asked for. */
const argument =
  (better: (a: number, b: number) => boolean): ConstantOperator =>
  (operands) => {
    const { node } = operands;
    const x = operand(operands, 0);
    const axis = axisOf(node, attribute(node, 'axis', 'int') ?? 0, x.dims.length);
    const last = attribute(node, 'select_last_index', 'int') === 1;
    const keeps = (attribute(node, 'keepdims', 'int') ?? 1) !== 0;
    const within = x.dims.with(axis, 1);
    const stride = stridesOf(x.dims)[axis];
    const values = () => {
      const data = numbersOf(x);
      const at = walk(within, stridesOf(x.dims));
      return filled(node, 'int64', elementCount(within), (i) => {
        let best = 0;
        for (let k = 1; k < x.dims[axis]; k++) {
          const [a, b] = [data[at(i) + k * stride], data[at(i) + best * stride]];
          if (better(a, b) || (last && a === b)) best = k;
        }
        return best;
      });
    };
    return [{ dims: keeps ? within : within.toSpliced(axis, 1), dataType: 'int64', values, work: x.size }];
  };

const cumulate: ConstantOperator = (operands) => {
  const { node } = operands;
  const x = operand(operands, 0);
  const axis = axisOf(node, numbersOf(operand(operands, 1))[0], x.dims.length);
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((name) => attribute(node, name, 'int') === 1);
  const values = () => {
    const data = numbersOf(x);
    const stride = stridesOf(x.dims)[axis];
    const sums = new Float64Array(x.size);
    const size = x.dims[axis];
    const first = walk(x.dims.with(axis, 1), stridesOf(x.dims));
    for (let row = 0; row < x.size / size; row++) {
      let sum = 0;
      for (let k = 0; k < size; k++) {
        const place = first(row) + (reverse ? size - 1 - k : k) * stride;
        sums[place] = exclusive ? sum : sum + data[place];
        sum += data[place];
      }
    }
    return filled(node, kept(x.dataType), x.size, (i) => sums[i]);
  };
  return [{ dims: x.dims, dataType: kept(x.dataType), values }];
};

/** A product of matrices over the last two dimensions; a vector is a row on the left and a column on the right. */
const matMul: ConstantOperator = (operands) => {
  const [a, b] = [operand(operands, 0), operand(operands, 1)];
  const left = a.dims.length === 1 ? [1, ...a.dims] : a.dims;
  const right = b.dims.length === 1 ? [...b.dims, 1] : b.dims;
  const [rows, inner] = left.slice(-2);
  const [other, columns] = right.slice(-2);
  if (left.length < 2 || right.length < 2 || inner !== other)
    refuse(operands.node, `multiplies [${a.dims}] and [${b.dims}]`, '[..., M, K] and [..., K, P] are expected.');
  const outer = broadcast(operands.node, [left.slice(0, -2), right.slice(0, -2)]);
  const dims = [...outer, ...(a.dims.length === 1 ? [] : [rows]), ...(b.dims.length === 1 ? [] : [columns])];
  const values = () => product(operands, [a, left], [b, right], outer);
  return [{ dims, dataType: kept(a.dataType), values, work: elementCount(dims) * inner }];
};

type Factor = readonly [OnnxTensor, readonly number[]];

function product({ node }: Operands, [a, left]: Factor, [b, right]: Factor, outer: readonly number[]) {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const [rows, inner] = left.slice(-2);
  const columns = right.at(-1)!;
  const [atX, atY] = [left, right].map((dims) => placesIn(dims.slice(0, -2), outer));
  const round = rounding(a.dataType);
  return filled(node, kept(a.dataType), elementCount(outer) * rows * columns, (i) => {
    const matrix = Math.floor(i / (rows * columns));
    const row = Math.floor(i / columns) % rows;
    const from = (atX(matrix) * rows + row) * inner;
    const to = atY(matrix) * inner * columns + (i % columns);
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += x[from + k] * y[to + k * columns];
    return round(sum);
  });
}

/** Values divided by their length along an axis, of 0 where that is 0. */
const normalize: ConstantOperator = (operands) => {
  const { node } = operands;
  const x = operand(operands, 0);
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? -1, x.dims.length);
  const p = attribute(node, 'p', 'int') ?? 2;
  if (p !== 1 && p !== 2) refuse(node, `normalises by the norm ${p}`, '1 or 2 is expected.');
  const norm = reductions[p === 1 ? 'ReduceL1' : 'ReduceL2'];
  const values = () => {
    const data = numbersOf(x);
    const at = placesIn(x.dims.with(axis, 1), x.dims);
    const sums = new Float64Array(x.size / (x.dims[axis] || 1));
    for (let i = 0; i < x.size; i++) sums[at(i)] = norm.step(sums[at(i)], data[i]);
    const round = rounding(x.dataType);
    return filled(node, kept(x.dataType), x.size, (i) => {
      const length = norm.end?.(sums[at(i)], 0) ?? sums[at(i)];
      return length === 0 ? 0 : round(data[i] / length);
    });
  };
  return [{ dims: x.dims, dataType: kept(x.dataType), values, work: x.size }];
};

export const reducing: Readonly<Record<string, ConstantOperator>> = {
  ...Object.fromEntries(Object.entries(reductions).map(([name, reduction]) => [name, reduce(reduction)])),
  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),
  CumSum: cumulate,
  MatMul: matMul,
  LpNormalization: normalize,
};

export const reductionOf = (opType: string): Reduction | undefined => reductions[opType];
