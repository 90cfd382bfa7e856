/** Operators that take values from places, or put them there, by lists of indices. */
import type { NumericArray } from '../../onnx/data-types.ts';
import { elementCount, type OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { refuse } from '../../operators/onnx/reading.ts';
import type { Movement } from './movement.ts';
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

/** Places of a tensor from tuples of indices, the last dimension of theirs; where a tuple's values begin. */
function tuples({ node }: Operands, indices: OnnxTensor, dims: readonly number[], batch = 0): (row: number) => number {
  const width = indices.dims.at(-1)!;
  const data = numbersOf(indices);
  const strides = stridesOf(dims);
  const perItem = elementCount(indices.dims.slice(batch, -1));
  const itemSize = elementCount(dims.slice(batch));
  return (row) => {
    let place = batch === 0 ? 0 : Math.floor(row / perItem) * itemSize;
    for (let d = 0; d < width; d++) {
      place += axisOf(node, data[row * width + d], dims[batch + d]) * strides[batch + d];
    }
    return place;
  };
}

const gatherNd: Movement = (operands, dims) => {
  const { node } = operands;
  const indices = operand(operands, 1);
  const batch = attribute(node, 'batch_dims', 'int') ?? 0;
  const width = indices.dims.at(-1) ?? 0;
  const same = indices.dims.slice(0, batch).every((size, d) => size === dims[d]);
  if (batch < 0 || batch >= indices.dims.length || width < 1 || batch + width > dims.length || !same)
    refuse(node, `gathers from [${dims}] by [${indices.dims}]`, 'Tuples of at most as many indices are expected.');
  const rest = dims.slice(batch + width);
  const inner = elementCount(rest);
  const places = () => {
    const at = tuples(operands, indices, dims, batch);
    return (i: number) => at(Math.floor(i / inner)) + (i % inner);
  };
  return [{ dims: [...indices.dims.slice(0, -1), ...rest], places }];
};

/** Where a tensor is not 0. */
function placesOfNonZero(tensor: OnnxTensor): Uint32Array {
  const data = numbersOf(tensor);
  let count = 0;
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) count++;
  const found = new Uint32Array(count);
  for (let i = 0, next = 0; i < data.length; i++) if (data[i] !== 0) found[next++] = i;
  return found;
}

/** What a condition lets through, along an axis or of all values in their order. */
const compress: Movement = (operands, dims) => {
  const { node } = operands;
  const given = attribute(node, 'axis', 'int');
  const flat = given === undefined;
  const from = flat ? [elementCount(dims)] : dims;
  const axis = flat ? 0 : axisOf(node, given, dims.length);
  const condition = operand(operands, 1);
  if (condition.dims.length !== 1 || condition.size > from[axis])
    refuse(node, `has a condition of [${condition.dims}] for ${from[axis]} values`, 'A list of at most as many.');
  const through = placesOfNonZero(condition);
  const made = from.with(axis, through.length);
  const inner = elementCount(made.slice(axis + 1));
  const places = () => (i: number) => {
    const row = Math.floor(i / inner);
    const outer = Math.floor(row / through.length);
    return (outer * from[axis] + through[row % through.length]) * inner + (i % inner);
  };
  return [{ dims: made, places }];
};

export const selections: Readonly<Record<string, Movement>> = { GatherND: gatherNd, Compress: compress };

const reductions: Readonly<Record<string, (old: number, value: number) => number>> = {
  add: (old, value) => old + value,
  mul: (old, value) => old * value,
  max: Math.max,
  min: Math.min,
};

/** The first operand with values put in places, or combined with what is there; one after another. */
function scattered(operands: Operands, updates: OnnxTensor, places: () => (i: number) => number) {
  const { node } = operands;
  const x = operand(operands, 0);
  const combine = reductions[attribute(node, 'reduction', 'string') ?? 'none'];
  const values = () => {
    const at = places();
    const out = combine === undefined ? x.data.slice() : Float64Array.from(numbersOf(x));
    const news = combine === undefined ? updates.data : numbersOf(updates);
    const round = rounding(x.dataType);
    for (let i = 0; i < updates.size; i++) {
      const place = at(i);
      // Of any type: values are moved as they lie.
      const data = out as unknown[];
      data[place] = combine === undefined ? news[i] : round(combine(data[place] as number, news[i] as number));
    }
    if (combine === undefined) return out as NumericArray;
    return filled(node, kept(x.dataType), x.size, (i) => out[i] as number);
  };
  const dataType = combine === undefined ? x.dataType : kept(x.dataType);
  return [{ dims: x.dims, dataType, values, work: updates.size }];
}

const scatterNd: ConstantOperator = (operands) => {
  const [x, indices, updates] = [0, 1, 2].map((i) => operand(operands, i));
  const width = indices.dims.at(-1) ?? 0;
  const rest = x.dims.slice(width);
  const expected = [...indices.dims.slice(0, -1), ...rest];
  if (width < 1 || width > x.dims.length || String(updates.dims) !== String(expected)) {
    const found = `puts [${updates.dims}] into [${x.dims}] by [${indices.dims}]`;
    refuse(operands.node, found, `Values of [${expected}] are expected.`);
  }
  const inner = elementCount(rest);
  return scattered(operands, updates, () => {
    const at = tuples(operands, indices, x.dims);
    return (i) => at(Math.floor(i / inner)) + (i % inner);
  });
};

const scatterElements: ConstantOperator = (operands) => {
  const { node } = operands;
  const [x, indices, updates] = [0, 1, 2].map((i) => operand(operands, i));
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? 0, x.dims.length);
  const { dims } = indices;
  const fits = dims.length === x.dims.length && dims.every((size, d) => d === axis || size <= x.dims[d]);
  if (!fits || String(dims) !== String(updates.dims))
    refuse(node, `puts [${updates.dims}] into [${x.dims}] by [${dims}]`, 'Indices and values of one shape.');
  return scattered(operands, updates, () => {
    const strides = stridesOf(x.dims);
    const chosen = numbersOf(indices);
    const at = walk(
      dims,
      strides.map((stride, d) => (d === axis ? 0 : stride)),
    );
    return (i) => at(i) + axisOf(node, chosen[i], x.dims[axis]) * strides[axis];
  });
};

/** The k largest or smallest along an axis, sorted, and where they stand; of equal ones the first. */
const topK: ConstantOperator = (operands) => {
  const { node, opset } = operands;
  const x = operand(operands, 0);
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? -1, x.dims.length);
  const list = opset < 10 ? [attribute(node, 'k', 'int') ?? 0] : operand(operands, 1).toIntegers();
  const [k] = list;
  const size = x.dims[axis];
  if (list.length !== 1 || !(k >= 0 && k <= size))
    refuse(node, `takes the first [${list}] of ${size}`, `One number from 0 to ${size} is expected.`);
  const sign = (attribute(node, 'largest', 'int') ?? 1) === 1 ? -1 : 1;
  const dims = x.dims.with(axis, k);
  const strides = stridesOf(x.dims);
  const pick = (made: (place: number, index: number) => number): Float64Array => {
    const data = numbersOf(x);
    const first = walk(x.dims.with(axis, 1), strides);
    const put = walk(dims.with(axis, 1), stridesOf(dims));
    const step = stridesOf(dims)[axis];
    const out = new Float64Array(elementCount(dims));
    for (let row = 0; row < elementCount(x.dims.with(axis, 1)); row++) {
      const value = (index: number) => data[first(row) + index * strides[axis]];
      const order = Uint32Array.from({ length: size }, (_, i) => i).sort(
        (a, b) => sign * (value(a) - value(b)) || a - b,
      );
      for (let i = 0; i < k; i++) out[put(row) + i * step] = made(first(row) + order[i] * strides[axis], order[i]);
    }
    return out;
  };
  const work = x.size * Math.ceil(Math.log2(size + 1));
  const numbers = (values: Float64Array, type: typeof x.dataType) =>
    filled(node, type, values.length, (i) => values[i]);
  const picked = () => {
    const data = numbersOf(x);
    return numbers(
      pick((place) => data[place]),
      kept(x.dataType),
    );
  };
  return [
    { dims, dataType: kept(x.dataType), values: picked, work },
    {
      dims,
      dataType: 'int64',
      values: () =>
        numbers(
          pick((_, index) => index),
          'int64',
        ),
      work,
    },
  ];
};

/** The places of what is not 0, a row for each dimension. */
const nonZero: ConstantOperator = (operands) => {
  const x = operand(operands, 0);
  const found = placesOfNonZero(x);
  const strides = stridesOf(x.dims);
  const dims = [x.dims.length, found.length];
  const at = (i: number) => {
    const d = Math.floor(i / found.length);
    return Math.floor(found[i % found.length] / strides[d]) % x.dims[d];
  };
  const values = () => filled(operands.node, 'int64', elementCount(dims), at);
  return [{ dims, dataType: 'int64', values, work: x.size }];
};

export const selecting: Readonly<Record<string, ConstantOperator>> = {
  ScatterND: scatterNd,
  ScatterElements: scatterElements,
  TopK: topK,
  NonZero: nonZero,
};
