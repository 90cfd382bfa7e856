/**
 * Operators that move values and compute none: shape and, for each place of the result, the place in the first operand
 * that its value comes from. So they serve tensors of any type, and shapes of which some sizes are not known.
 */
import { elementCount, type OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../../operators/onnx/attributes.ts';
import { checkTarget, foldRemedy, refuse } from '../../operators/onnx/reading.ts';
import { broadcast, placesIn } from './elementwise.ts';
import { axisOf, integers, numbersOf, type Operands, operand, stridesOf, walk } from './operator.ts';

export interface Moved {
  readonly dims: readonly number[];
  /** made when the values are: of a place in the result, that in the first operand */
  places(): (i: number) => number;
}

type Dims = readonly number[];
/** @param dims of the first operand, whose values need not be known */
export type Movement = (operands: Operands, dims: Dims) => readonly Moved[];

const same = (i: number) => i;
const inPlace = (dims: Dims): Moved[] => [{ dims, places: () => same }];

function given(operands: Operands, name: string, input: number, since: number): readonly number[] {
  const found = integers(operands, name, input, since);
  if (found === undefined) refuse(operands.node, `has no ${name}`, 'Export the model again.');
  return found;
}

const reshape: Movement = (operands, dims) => {
  const { node } = operands;
  const wanted = given(operands, 'shape', 1, 5);
  checkTarget(node, wanted, `reshapes [${dims}] to [${wanted}]`);
  const zeros = attribute(node, 'allowzero', 'int') === 1;
  const known = wanted.map((size, i) => (size === 0 && !zeros ? dims[i] : size));
  const rest = elementCount(dims) / elementCount(known.filter((size) => size !== -1));
  const made = known.map((size) => (size === -1 ? rest : size));
  if (elementCount(made) !== elementCount(dims) || made.some((size) => !Number.isInteger(size) || size < 0)) {
    refuse(node, `reshapes [${dims}] to [${wanted}]`, 'The number of values must stay.');
  }
  return inPlace(made);
};

const flatten: Movement = ({ node }, dims) => {
  const axis = attribute(node, 'axis', 'int') ?? 1;
  const place = axis === dims.length ? axis : axisOf(node, axis, dims.length || 1);
  return inPlace([elementCount(dims.slice(0, place)), elementCount(dims.slice(place))]);
};

const squeeze: Movement = (operands, dims) => {
  const axes = integers(operands, 'axes', 1, 13)?.map((axis) => axisOf(operands.node, axis, dims.length));
  if (axes?.some((axis) => dims[axis] !== 1))
    refuse(operands.node, `removes dimensions [${axes}] of [${dims}]`, 'They must be 1.');
  return inPlace(dims.filter((size, d) => (axes ? !axes.includes(d) : size !== 1)));
};

const unsqueeze: Movement = (operands, dims) => {
  const axes = given(operands, 'axes', 1, 13);
  const rank = dims.length + axes.length;
  const places = new Set(axes.map((axis) => axisOf(operands.node, axis, rank)));
  if (places.size !== axes.length) refuse(operands.node, `has axes [${axes}]`, 'Each may be given once.');
  const rest = [...dims];
  return inPlace(Array.from({ length: rank }, (_, d) => (places.has(d) ? 1 : rest.shift()!)));
};

const transpose: Movement = ({ node }, dims) => {
  const perm = attribute(node, 'perm', 'ints') ?? dims.map((_, d) => d).reverse();
  if (String([...perm].sort((a, b) => a - b)) !== String(dims.map((_, d) => d)))
    refuse(node, `has perm [${perm}] for ${dims.length} dimensions`, 'Each is expected once.');
  const strides = stridesOf(dims);
  const made = perm.map((axis) => dims[axis]);
  return [
    {
      dims: made,
      places: () =>
        walk(
          made,
          perm.map((axis) => strides[axis]),
        ),
    },
  ];
};

const expand: Movement = (operands, dims) => {
  const made = broadcast(operands.node, [dims, given(operands, 'shape', 1, 1)]);
  return [{ dims: made, places: () => placesIn(dims, made) }];
};

const tile: Movement = (operands, dims) => {
  if (operands.opset < 6) refuse(operands.node, 'is of an operator set before 6', 'Export it in a newer one.');
  const repeats = given(operands, 'repeats', 1, 1);
  if (repeats.length !== dims.length || repeats.some((n) => n < 0))
    refuse(operands.node, `repeats [${dims}] by [${repeats}]`, 'One number a dimension is expected.');
  const made = dims.map((size, d) => size * repeats[d]);
  const [inner, outer] = [stridesOf(dims), stridesOf(made)];
  const places = () => (i: number) =>
    dims.reduce((place, size, d) => place + ((Math.floor(i / outer[d]) % made[d]) % size) * inner[d], 0);
  return [{ dims: made, places }];
};

/** Start and step along each dimension; ends beyond the tensor end with it. */
const slice: Movement = (operands, dims) => {
  const { node } = operands;
  const [starts, ends] = [given(operands, 'starts', 1, 10), given(operands, 'ends', 2, 10)];
  const axes = integers(operands, 'axes', 3, 10) ?? starts.map((_, i) => i);
  const steps = (operands.opset < 10 ? undefined : operands.inputs[4]?.toIntegers()) ?? starts.map(() => 1);
  const strides = stridesOf(dims);
  const made = [...dims];
  const by = [...strides];
  let start = 0;
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    refuse(node, `has ${starts.length} starts, ${ends.length} ends, ${axes.length} axes`, 'As many are expected.');
  axes.forEach((given, i) => {
    const axis = axisOf(node, given, dims.length);
    const size = dims[axis];
    const step = steps[i];
    if (step === 0) refuse(node, 'has a step of 0', 'Another one is expected.');
    const place = (value: number) => (value < 0 ? value + size : value);
    const bound = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
    const [first, end] =
      step > 0
        ? [bound(place(starts[i]), 0, size), bound(place(ends[i]), 0, size)]
        : [bound(place(starts[i]), -1, size - 1), bound(place(ends[i]), -1, size - 1)];
    made[axis] = Math.max(Math.ceil((end - first) / step), 0);
    by[axis] = step * strides[axis];
    start += first * strides[axis];
  });
  return [{ dims: made, places: () => walk(made, by, start) }];
};

/** In parts of these sizes; or in as many equal ones as there are outputs, the last the smallest. */
const split: Movement = (operands, dims) => {
  const { node } = operands;
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? 0, dims.length);
  const parts = attribute(node, 'num_outputs', 'int') ?? node.outputs.length;
  const chunk = Math.ceil(dims[axis] / parts);
  const equal = () => Array.from({ length: parts }, (_, i) => Math.max(Math.min(chunk, dims[axis] - i * chunk), 0));
  const given = integers(operands, 'split', 1, 13);
  if (given === undefined && operands.opset < 18 && dims[axis] % parts !== 0)
    refuse(node, `divides ${dims[axis]} into ${parts} equal parts`, 'A number that divides it is expected.');
  const sizes = given ?? equal();
  if (sizes.reduce((a, b) => a + b, 0) !== dims[axis] || sizes.length < node.outputs.length || sizes.some((n) => n < 0))
    refuse(node, `divides ${dims[axis]} into [${sizes}]`, 'The parts must sum to it.');
  const strides = stridesOf(dims);
  let start = 0;
  return sizes.slice(0, node.outputs.length).map((size) => {
    const made = dims.with(axis, size);
    const from = start * strides[axis];
    start += size;
    return { dims: made, places: () => walk(made, strides, from) };
  });
};

/** Of indices along an axis; negative ones count from the end. */
function indicesOf(operands: Operands, size: number): () => (i: number) => number {
  const tensor = operand(operands, 1);
  return () => {
    const indices = numbersOf(tensor);
    return (i) => axisOf(operands.node, indices[i], size);
  };
}

const gather: Movement = (operands, dims) => {
  const axis = axisOf(operands.node, attribute(operands.node, 'axis', 'int') ?? 0, dims.length);
  const indices = operand(operands, 1);
  const made = [...dims.slice(0, axis), ...indices.dims, ...dims.slice(axis + 1)];
  const inner = elementCount(dims.slice(axis + 1));
  const chosen = indicesOf(operands, dims[axis]);
  const places = () => {
    const index = chosen();
    return (i: number) => {
      const row = Math.floor(i / inner);
      const outer = Math.floor(row / indices.size);
      return (outer * dims[axis] + index(row - outer * indices.size)) * inner + (i - row * inner);
    };
  };
  return [{ dims: made, places }];
};

const gatherElements: Movement = (operands, dims) => {
  const axis = axisOf(operands.node, attribute(operands.node, 'axis', 'int') ?? 0, dims.length);
  const made = operand(operands, 1).dims;
  if (made.length !== dims.length || made.some((size, d) => d !== axis && size > dims[d]))
    refuse(operands.node, `gathers [${made}] of [${dims}]`, 'Indices of the same rank are expected.');
  const strides = stridesOf(dims);
  const chosen = indicesOf(operands, dims[axis]);
  const places = () => {
    const index = chosen();
    const at = walk(
      made,
      strides.map((stride, d) => (d === axis ? 0 : stride)),
    );
    return (i: number) => at(i) + index(i) * strides[axis];
  };
  return [{ dims: made, places }];
};

/** Blocks of channels to places (DCR or CRD), for images [N, C, H, W], and back. */
const depthToSpace: Movement = ({ node }, dims) => {
  const block = attribute(node, 'blocksize', 'int') ?? 0;
  const [batch, channels, height, width] = dims;
  const out = channels / block ** 2;
  if (dims.length !== 4 || block < 1 || !Number.isInteger(out))
    refuse(node, `has blocksize ${block} for [${dims}]`, 'Its square must divide the channels of an image.');
  const s = stridesOf(dims);
  const made = [batch, out, height * block, width * block];
  const crd = attribute(node, 'mode', 'string') === 'CRD';
  const apart = [batch, out, height, block, width, block];
  const step = crd
    ? [s[0], s[1] * block ** 2, s[2], s[1] * block, s[3], s[1]]
    : [s[0], s[1], s[2], s[1] * out * block, s[3], s[1] * out];
  return [{ dims: made, places: () => walk(apart, step) }];
};

const spaceToDepth: Movement = ({ node }, dims) => {
  const block = attribute(node, 'blocksize', 'int') ?? 0;
  const [batch, channels, height, width] = dims;
  if ((attribute(node, 'mode', 'string') ?? 'DCR') !== 'DCR') refuse(node, 'has another mode than DCR', foldRemedy);
  if (dims.length !== 4 || block < 1 || height % block || width % block)
    refuse(node, `has blocksize ${block} for [${dims}]`, 'It must divide height and width of an image.');
  const s = stridesOf(dims);
  const [rows, columns] = [height / block, width / block];
  return [
    {
      dims: [batch, channels * block ** 2, rows, columns],
      places: () =>
        walk([batch, block, block, channels, rows, columns], [s[0], s[2], s[3], s[1], s[2] * block, s[3] * block]),
    },
  ];
};

export const movements: Readonly<Record<string, Movement>> = {
  Identity: (_, dims) => inPlace(dims),
  Dropout: (_, dims) => inPlace(dims),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  Slice: slice,
  Split: split,
  Gather: gather,
  GatherElements: gatherElements,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};

/** The values of a tensor in the places of a result; the same array where none moves. */
export function movedData<T extends ArrayLike<unknown>>(data: T, { dims, places }: Moved): T {
  const at = places();
  if (at === same) return data;
  const count = elementCount(dims);
  const out = new (data.constructor as new (count: number) => unknown[])(count);
  for (let i = 0; i < count; i++) out[i] = data[at(i)];
  return out as unknown as T;
}

/** Operands joined along an axis, as one list of parts. */
export function concatenated(
  { node }: Operands,
  shapes: readonly Dims[],
): { readonly dims: Dims; join<T>(parts: readonly ArrayLike<T>[], put: (i: number, value: T) => void): void } {
  const rank = shapes[0].length;
  // Before operator set 4 the axis is 1 unless given.
  const axis = axisOf(node, attribute(node, 'axis', 'int') ?? 1, rank);
  if (shapes.some((shape) => shape.length !== rank || shape.some((size, d) => d !== axis && size !== shapes[0][d]))) {
    const shown = shapes.map((shape) => `[${shape.join(', ')}]`).join(', ');
    refuse(node, `joins ${shown} along dimension ${axis}`, 'They may differ in that dimension alone.');
  }
  const dims = shapes[0].with(
    axis,
    shapes.reduce((sum, shape) => sum + shape[axis], 0),
  );
  const rows = elementCount(dims.slice(0, axis));
  const lengths = shapes.map((shape) => elementCount(shape.slice(axis)));
  return {
    dims,
    join(parts, put) {
      let at = 0;
      for (let row = 0; row < rows; row++)
        parts.forEach((part, p) => {
          for (let k = 0; k < lengths[p]; k++) put(at++, part[row * lengths[p] + k]);
        });
    },
  };
}

export const tensorConcat = (operands: Operands) => {
  const tensors = operands.inputs.map((_, i) => operand(operands, i)) as readonly OnnxTensor[];
  const { dims, join } = concatenated(
    operands,
    tensors.map((tensor) => tensor.dims),
  );
  const other = tensors.find(({ dataType }) => dataType !== tensors[0].dataType);
  if (other) {
    refuse(operands.node, `joins ${tensors[0].dataType} and ${other.dataType}`, 'One type is expected.');
  }
  const values = () => {
    const parts = tensors.map(({ data }) => data as ArrayLike<number>);
    const out = new (parts[0].constructor as new (count: number) => number[])(elementCount(dims));
    join(parts, (i, value) => {
      out[i] = value;
    });
    return out as never;
  };
  return [{ dims, dataType: tensors[0].dataType, values }];
};
