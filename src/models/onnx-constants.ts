/**
 * What an ONNX graph computes without looking at an image: weights behind any chain of nodes, and the shape arithmetic
 * that exporters write in place of a flatten. It is worked out at import. Sizes of activations are numbers like others,
 * but for the batch, which is known when a graph is built: a list that holds it stands beside the tensors, symbolic.
 */
import { withinLimit } from '../limits.ts';
import type { DataType } from '../onnx/data-types.ts';
import type { OnnxNode } from '../onnx/model.ts';
import { elementCount, OnnxTensor } from '../onnx/tensor.ts';
import { attribute, castsTo, describeNode } from '../operators/onnx/attributes.ts';
import { broadcast, placesIn, stepOf } from './constant-operators/elementwise.ts';
import { computed } from './constant-operators/index.ts';
import { concatenated, movedData, movements } from './constant-operators/movement.ts';
import { isInteger } from './constant-operators/operator.ts';

/** One number of a computed shape; the batch is not known at import. */
export type Extent = number | 'batch';

/** Integers of which some are the batch. */
interface Symbolic {
  readonly dims: readonly number[];
  readonly values: readonly Extent[];
}

export class Constants {
  private readonly tensors: Map<string, OnnxTensor>;
  private readonly symbolic = new Map<string, Symbolic>();
  private work = 0;

  constructor(initializers: ReadonlyMap<string, OnnxTensor>) {
    this.tensors = new Map(initializers);
  }

  has(value: string): boolean {
    return this.tensors.has(value) || this.symbolic.has(value);
  }

  /** Adds a constant that is not in the file, under its own name or another. */
  define(tensor: OnnxTensor, name = tensor.name): void {
    this.tensors.set(name, tensor);
  }

  tensor(value: string): OnnxTensor | undefined {
    return this.tensors.get(value);
  }

  /** The shape of a constant. */
  dimsOf(value: string): readonly number[] | undefined {
    return this.tensors.get(value)?.dims ?? this.symbolic.get(value)?.dims;
  }

  /** A shape, a list of axes or a single integer, or undefined when the value is no such constant. */
  extentsOf(value: string): readonly Extent[] | undefined {
    const tensor = this.tensors.get(value);
    if (tensor && /^int(32|64)$/.test(tensor.dataType) && tensor.dims.length <= 1) return tensor.toIntegers();
    return this.symbolic.get(value)?.values;
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
   * @returns whether the node was such a one; its outputs are constants from now on
   */
  fold(node: OnnxNode, opset: number, shapeOf: (value: string) => readonly Extent[] | undefined): boolean {
    if (node.opType === 'Shape' || node.opType === 'Size') return this.foldShape(node, shapeOf);
    const given = node.inputs.filter((value) => value !== '');
    if (!given.every((value) => this.has(value))) return false;
    const [input] = node.inputs;
    // The same tensor under another name, so that a weight that two layers share stays one.
    if (node.opType === 'Identity' || (node.opType === 'Cast' && castsTo(node) === 1)) {
      const tensor = this.tensors.get(input);
      if (tensor !== undefined && (node.opType === 'Identity' || tensor.dataType === 'float32')) {
        this.define(tensor, node.outputs[0]);
        return true;
      }
    }
    const operands = { node, opset, inputs: node.inputs.map((value) => this.tensors.get(value)) };
    if (!given.every((value) => this.tensors.has(value))) {
      const made = this.foldSymbolic(operands);
      if (made !== undefined) this.put(node.outputs[0], made);
      return made !== undefined;
    }
    const made = computed(operands, (work) => this.spend(work));
    for (const tensor of made ?? []) if (tensor.name !== '') this.define(tensor);
    return made !== undefined;
  }

  /** Counts values and products that are computed, together. */
  spend(work: number): void {
    this.work += work;
    withinLimit('constant-work', this.work, 'the model computes of constants');
  }

  private put(name: string, { dims, values }: Symbolic): void {
    if (values.includes('batch')) this.symbolic.set(name, { dims, values });
    else this.define(integersAs(name, dims, values as readonly number[]));
  }

  private foldShape(node: OnnxNode, shapeOf: (value: string) => readonly Extent[] | undefined): boolean {
    const [input, output] = [node.inputs[0], node.outputs[0]];
    const shape = shapeOf(input) ?? this.tensor(input)?.dims ?? this.symbolic.get(input)?.dims;
    if (shape === undefined) return false;
    if (node.opType === 'Size') {
      if (shape.includes('batch')) return false;
      this.put(output, { dims: [], values: [elementCount(shape as readonly number[])] });
      return true;
    }
    const start = attribute(node, 'start', 'int') ?? 0;
    const end = attribute(node, 'end', 'int') ?? shape.length;
    const values = shape.slice(start, end);
    this.put(output, { dims: [values.length], values });
    return true;
  }

  private sizes(value: string): Symbolic | undefined {
    const tensor = this.tensors.get(value);
    if (tensor === undefined) return this.symbolic.get(value);
    return isInteger(tensor.dataType) || tensor.dataType === 'bool'
      ? { dims: tensor.dims, values: Array.from(tensor.data as ArrayLike<number | bigint>, Number) }
      : undefined;
  }

  /** Arithmetic of sizes of which some are the batch, as far as it leaves the batch what it is. */
  private foldSymbolic(operands: Parameters<typeof computed>[0]): Symbolic | undefined {
    const { node } = operands;
    const given = node.inputs.map((value) => this.sizes(value));
    const [data] = given;
    const movement = movements[node.opType];
    if (movement !== undefined && data !== undefined && node.outputs.length === 1) {
      // Indices, starts and axes must be known.
      if (node.inputs.slice(1).some((value) => value !== '' && !this.tensors.has(value))) return undefined;
      const [moved] = movement(operands, data.dims);
      this.spendOnShapes(node, moved.dims);
      return { dims: moved.dims, values: movedData(data.values as Extent[], moved) };
    }
    if (given.includes(undefined)) return undefined;
    const all = given as readonly Symbolic[];
    switch (node.opType) {
      case 'Cast':
        // As numbers with a fraction they would be divided otherwise.
        return [6, 7].includes(castsTo(node) ?? 0) ? data : undefined;
      case 'Concat': {
        const { dims, join } = concatenated(
          operands,
          all.map((one) => one.dims),
        );
        this.spendOnShapes(node, dims);
        const values: Extent[] = [];
        join(
          all.map((one) => one.values),
          (_, value) => values.push(value),
        );
        return { dims, values };
      }
      case 'ReduceProd':
        return product(node, all[0]);
      default:
        return this.combined(node, all);
    }
  }

  /** Values chosen by a condition, or made of two. */
  private combined(node: OnnxNode, all: readonly Symbolic[]): Symbolic | undefined {
    if (all.length !== (node.opType === 'Where' ? 3 : 2)) return undefined;
    const dims = broadcast(
      node,
      all.map((one) => one.dims),
    );
    this.spendOnShapes(node, dims);
    const at = all.map((one) => placesIn(one.dims, dims));
    const values = Array.from({ length: elementCount(dims) }, (_, i) => {
      const [a, b, c] = all.map((one, k) => one.values[at[k](i)]);
      if (node.opType !== 'Where') return step(node, a, b);
      return a ? b : c;
    });
    return values.includes(undefined) ? undefined : { dims, values: values as Extent[] };
  }

  /** Lists of sizes are JavaScript's own, of which each value takes many bytes. */
  private spendOnShapes(node: OnnxNode, dims: readonly number[]): void {
    const count = elementCount(dims);
    withinLimit('shape-values', count, `${describeNode(node)} makes`);
    this.spend(count);
  }
}

function integersAs(name: string, dims: readonly number[], values: readonly number[], type: DataType = 'int64') {
  const data = type === 'int64' ? BigInt64Array.from(values, BigInt) : Uint8Array.from(values);
  return OnnxTensor.of(name, dims, type, data);
}

/** A product over all, or over the one dimension there is, of which the others are 1. */
function product(node: OnnxNode, { dims, values }: Symbolic): Symbolic | undefined {
  const others = values.filter((value) => value !== 'batch');
  if (values.length - others.length !== 1 || others.some((value) => value !== 1)) return undefined;
  const keeps = (attribute(node, 'keepdims', 'int') ?? 1) !== 0;
  return { dims: keeps ? dims.map(() => 1) : [], values: ['batch'] };
}

/** One value of two; nothing where that would be another number than the batch and depend on it. */
function step(node: OnnxNode, a: Extent, b: Extent): Extent | undefined {
  if (a !== 'batch' && b !== 'batch') return stepOf(node, 'int64')?.(a, b);
  const [other, first] = a === 'batch' ? [b, true] : [a, false];
  if (other === 'batch') return undefined;
  switch (node.opType) {
    case 'Mul':
      return other === 1 ? 'batch' : undefined;
    case 'Div':
      return other === 1 && first ? 'batch' : undefined;
    case 'Add':
      return other === 0 ? 'batch' : undefined;
    case 'Sub':
      return other === 0 && first ? 'batch' : undefined;
    case 'Equal':
      // A batch is 1 at least: it is no -1 that stands for "what is left".
      return other < 1 ? 0 : undefined;
    default:
      return undefined;
  }
}
