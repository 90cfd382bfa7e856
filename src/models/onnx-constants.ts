/**
 * What an ONNX graph computes without looking at an image: weights behind Constant, Reshape or Transpose nodes, and
 * the shape arithmetic that exporters write in place of a flatten. It is worked out at import.
 */
import { FrostlineError } from '../errors.ts';
import type { OnnxNode } from '../onnx/model.ts';
import { elementCount, OnnxTensor } from '../onnx/tensor.ts';
import { attribute, castsTo } from '../operators/onnx/attributes.ts';
import { transposed } from '../operators/onnx/tensors.ts';

/** One number of a computed shape; the batch is not known at import. */
export type Extent = number | 'batch';

export class Constants {
  private readonly tensors: Map<string, OnnxTensor>;
  private readonly extents = new Map<string, readonly Extent[]>();

  constructor(initializers: ReadonlyMap<string, OnnxTensor>) {
    this.tensors = new Map(initializers);
  }

  has(value: string): boolean {
    return this.tensors.has(value) || this.extents.has(value);
  }

  /** Adds a constant that is not in the file. */
  define(tensor: OnnxTensor): void {
    this.tensors.set(tensor.name, tensor);
  }

  tensor(value: string): OnnxTensor | undefined {
    return this.tensors.get(value);
  }

  /** A shape, a list of axes or a single integer, or undefined when the value is no such constant. */
  extentsOf(value: string): readonly Extent[] | undefined {
    const tensor = this.tensors.get(value);
    if (tensor && /^int(32|64)$/.test(tensor.dataType) && tensor.dims.length <= 1) return tensor.toIntegers();
    return this.extents.get(value);
  }

  /** As `extentsOf`, where the batch has no place. */
  integersOf(value: string): readonly number[] | undefined {
    const extents = this.extentsOf(value);
    return extents?.every((extent) => extent !== 'batch') ? (extents as readonly number[]) : undefined;
  }

  /**
   * Works out a node that reads constants and shapes alone.
   *
   * @param shapeOf an activation's shape, the batch included where it comes first
   * @returns whether the node was such a one; its output is a constant from now on
   */
  fold(node: OnnxNode, opset: number, shapeOf: (value: string) => readonly Extent[] | undefined): boolean {
    const [output] = node.outputs;
    if (node.opType === 'Shape') return this.foldShape(node, shapeOf);
    if (node.inputs.some((value) => value !== '' && !this.has(value))) return false;
    const extents = this.foldExtents(node);
    if (extents !== undefined) {
      this.extents.set(output, extents);
      return true;
    }
    const tensor = this.foldTensor(node, opset);
    if (tensor === undefined) return false;
    this.tensors.set(output, tensor);
    return true;
  }

  private foldShape(node: OnnxNode, shapeOf: (value: string) => readonly Extent[] | undefined): boolean {
    const [input] = node.inputs;
    const shape = shapeOf(input) ?? this.tensor(input)?.dims;
    if (shape === undefined) return false;
    const start = attribute(node, 'start', 'int') ?? 0;
    const end = attribute(node, 'end', 'int') ?? shape.length;
    this.extents.set(node.outputs[0], shape.slice(start, end));
    return true;
  }

  /** Shape arithmetic: a scalar and a list of one are not told apart. */
  private foldExtents(node: OnnxNode): readonly Extent[] | undefined {
    const inputs = node.inputs.map((value) => this.extentsOf(value));
    const [data] = inputs;
    if (data === undefined) return undefined;
    switch (node.opType) {
      case 'Cast':
        // As numbers with a fraction they would be divided otherwise.
        if (![6, 7].includes(castsTo(node) ?? 0)) return undefined;
        return this.tensors.has(node.inputs[0]) ? undefined : data;
      case 'Identity':
      case 'Unsqueeze':
      case 'Squeeze':
        // A tensor keeps its dimensions on the other path.
        return this.tensors.has(node.inputs[0]) ? undefined : data;
      case 'Gather': {
        const indices = this.integersOf(node.inputs[1]);
        if (indices === undefined || data.length === 0) return undefined;
        return indices.map((index) => data.at(index)!);
      }
      case 'Concat':
        return inputs.every((input) => input !== undefined) ? inputs.flat() : undefined;
      case 'Slice': {
        const at = (i: number, name: string) => attribute(node, name, 'ints') ?? this.integersOf(node.inputs[i] ?? '');
        const [starts, ends, steps] = [at(1, 'starts'), at(2, 'ends'), at(4, 'steps') ?? [1]];
        if (starts?.length !== 1 || ends?.length !== 1 || steps[0] !== 1) return undefined;
        return data.slice(starts[0], ends[0]);
      }
      case 'Mul':
      case 'Add':
      case 'Sub':
      case 'Div': {
        const [a, b] = node.inputs.map((value) => this.integersOf(value));
        if (a?.length !== 1 || b?.length !== 1) return undefined;
        const [x, y] = [a[0], b[0]];
        const results = { Mul: x * y, Add: x + y, Sub: x - y, Div: Math.trunc(x / y) };
        return [results[node.opType]];
      }
      default:
        return undefined;
    }
  }

  private foldTensor(node: OnnxNode, opset: number): OnnxTensor | undefined {
    const [output] = node.outputs;
    if (node.opType === 'Constant') return constantNode(node, output);
    const [input] = node.inputs.map((value) => this.tensor(value));
    if (node.opType === 'ConstantOfShape') {
      const dims = this.integersOf(node.inputs[0]);
      if (dims === undefined) return undefined;
      const value = attribute(node, 'value', 'tensor') ?? OnnxTensor.of('', [1], 'float32', Float32Array.of(0));
      return new OnnxTensor(output, dims, value.dataType, () => {
        const { data } = value;
        if (!(data instanceof Float32Array || data instanceof BigInt64Array)) {
          throw new FrostlineError(
            `ConstantOfShape '${output}' fills with ${value.dataType}: float32 or int64 expected.`,
          );
        }
        const count = elementCount(dims);
        return data instanceof Float32Array
          ? new Float32Array(count).fill(data[0])
          : new BigInt64Array(count).fill(data[0]);
      });
    }
    if (input === undefined) return undefined;
    const renamed = (dims: readonly number[]) => new OnnxTensor(output, dims, input.dataType, () => input.data);
    switch (node.opType) {
      case 'Identity':
        return input;
      case 'Cast': {
        const to = castsTo(node);
        if (to !== 1) return to === 7 && input.dataType === 'int64' ? input : undefined;
        return new OnnxTensor(output, input.dims, 'float32', () => input.toFloat32());
      }
      case 'Reshape': {
        const shape = opset < 5 ? attribute(node, 'shape', 'ints') : this.integersOf(node.inputs[1]);
        // A 0 that is meant as such makes a tensor of nothing.
        if (shape === undefined || (attribute(node, 'allowzero', 'int') === 1 && shape.includes(0))) return undefined;
        const known = shape.map((dim, i) => (dim === 0 ? input.dims[i] : dim));
        const rest = input.size / elementCount(known.filter((dim) => dim !== -1));
        return renamed(known.map((dim) => (dim === -1 ? rest : dim)));
      }
      case 'Flatten': {
        const axis = attribute(node, 'axis', 'int') ?? 1;
        return renamed([elementCount(input.dims.slice(0, axis)), elementCount(input.dims.slice(axis))]);
      }
      case 'Squeeze':
      case 'Unsqueeze': {
        const axes = opset < 13 ? attribute(node, 'axes', 'ints') : this.integersOf(node.inputs[1] ?? '');
        const removing = node.opType === 'Squeeze';
        if (axes === undefined) return removing ? renamed(input.dims.filter((dim) => dim !== 1)) : undefined;
        const rank = removing ? input.dims.length : input.dims.length + axes.length;
        const places = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
        if (removing) return renamed(input.dims.filter((_, i) => !places.has(i)));
        const dims = [...input.dims];
        return renamed(Array.from({ length: rank }, (_, i) => (places.has(i) ? 1 : dims.shift()!)));
      }
      case 'Transpose': {
        const perm = attribute(node, 'perm', 'ints') ?? [1, 0];
        if (input.dims.length !== 2 || String(perm) !== '1,0') return undefined;
        return transposed(input, output);
      }
      default:
        return undefined;
    }
  }
}

function constantNode(node: OnnxNode, output: string): OnnxTensor | undefined {
  const value = attribute(node, 'value', 'tensor');
  if (value) return new OnnxTensor(output, value.dims, value.dataType, () => value.data);
  const float = attribute(node, 'value_float', 'float');
  const floats = attribute(node, 'value_floats', 'floats') ?? (float === undefined ? undefined : [float]);
  if (floats)
    return OnnxTensor.of(output, float === undefined ? [floats.length] : [], 'float32', Float32Array.from(floats));
  const int = attribute(node, 'value_int', 'int');
  const ints = attribute(node, 'value_ints', 'ints') ?? (int === undefined ? undefined : [int]);
  if (ints) {
    return OnnxTensor.of(output, int === undefined ? [ints.length] : [], 'int64', BigInt64Array.from(ints.map(BigInt)));
  }
  return undefined;
}
