/**
 * Means, sums and extremes over dimensions of an item, by the pools that there are. Keras and PyTorch write the head of
 * most networks so: a mean over height and width is a global average pool.
 */
import type { OnnxNode } from '../../onnx/model.ts';
import { OnnxTensor } from '../../onnx/tensor.ts';
import { attribute } from '../onnx/attributes.ts';
import { ints, type Surroundings } from '../onnx/form.ts';
import { itemAxis, refuse } from '../onnx/reading.ts';
import { count } from '../operator.ts';
import { type Expansion, node as step } from './match.ts';

interface Kind {
  readonly pool: 'GlobalAveragePool' | 'GlobalMaxPool';
  /** a factor before the pool, and one behind it, of the number of values that are reduced */
  readonly before?: number;
  after?(values: number): number;
}

const kinds: Readonly<Record<string, Kind>> = {
  ReduceMean: { pool: 'GlobalAveragePool' },
  ReduceSum: { pool: 'GlobalAveragePool', after: (values) => values },
  ReduceMax: { pool: 'GlobalMaxPool' },
  ReduceMin: { pool: 'GlobalMaxPool', before: -1, after: () => -1 },
};

/** The axes are an attribute, and an input from operator set 18 on (ReduceSum: 13); none are all. */
function axesOf(node: OnnxNode, around: Surroundings, rank: number): readonly number[] {
  const since = node.opType === 'ReduceSum' ? 13 : 18;
  const given = node.inputs[1] ? around.constants.integersOf(node.inputs[1]) : [];
  if (given === undefined) refuse(node, `computes its axes '${node.inputs[1]}'`, 'Constants are expected.');
  const axes = around.opset < since ? (attribute(node, 'axes', 'ints') ?? []) : given;
  if (axes.length > 0 || attribute(node, 'noop_with_empty_axes', 'int') === 1) return axes;
  return Array.from({ length: rank }, (_, axis) => axis);
}

function expand(node: OnnxNode, around: Surroundings, kind: Kind): readonly OnnxNode[] | undefined {
  const [x] = node.inputs;
  if (!around.isActivation(x)) return undefined;
  const shape = around.shapeOf(x, node);
  const axes = axesOf(node, around, shape.length + around.lead).map((axis) => itemAxis(axis, shape, around));
  if (axes.some((axis) => axis < 0 && around.lead === 1))
    refuse(node, 'reduces over the batch', 'Only dimensions of an item can be reduced.');
  if (axes.length === 0) return [step('Identity', [x], node.outputs[0], new Map(), node.name)];
  const all = [...shape.keys()];
  const kept = all.filter((axis) => !axes.includes(axis));
  const reduced = all.filter((axis) => axes.includes(axis));
  const sizes = (which: readonly number[]) => which.map((axis) => shape[axis]);
  const values = count(sizes(reduced));
  const keeps = (attribute(node, 'keepdims', 'int') ?? 1) !== 0;
  const result = keeps ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) : sizes(kept);

  const steps = new Steps(node, around);
  steps.times(kind.before);
  const isImage = shape.length === 3 && String(reduced) === '1,2';
  if (!isImage) {
    const order = [...kept, ...reduced];
    if (order.some((axis, i) => axis !== i)) steps.transpose(order);
    steps.reshape([count(sizes(kept)), values, 1]);
  }
  steps.add(kind.pool, []);
  steps.times(kind.after?.(values));
  const made = isImage ? [shape[0], 1, 1] : [count(sizes(kept)), 1, 1];
  if (String(made) !== String(result)) steps.reshape(result.length === 0 ? [1] : result);
  return steps.finished();
}

/** Nodes in a row. */
class Steps {
  private readonly nodes: OnnxNode[] = [];
  private readonly source: OnnxNode;
  private readonly around: Surroundings;

  constructor(source: OnnxNode, around: Surroundings) {
    this.source = source;
    this.around = around;
  }

  add(opType: string, operands: readonly string[], attributes?: OnnxNode['attributes']): void {
    const last = this.nodes.at(-1)?.outputs[0] ?? this.source.inputs[0];
    this.nodes.push(step(opType, [last, ...operands], this.name('step'), attributes));
  }

  times(factor: number | undefined): void {
    if (factor === undefined || factor === 1) return;
    const name = this.name('factor');
    this.around.constants.define(OnnxTensor.of(name, [], 'float32', Float32Array.of(factor)));
    this.add('Mul', [name]);
  }

  transpose(order: readonly number[]): void {
    const { lead } = this.around;
    const perm = [...(lead === 1 ? [0] : []), ...order.map((axis) => axis + lead)];
    this.add('Transpose', [], new Map([['perm', ints(perm)]]));
  }

  reshape(item: readonly number[]): void {
    const shape = BigInt64Array.from([...(this.around.lead === 1 ? [-1] : []), ...item], BigInt);
    const name = this.name('shape');
    this.around.constants.define(OnnxTensor.of(name, [shape.length], 'int64', shape));
    if (this.around.opset < 5) this.add('Reshape', [], new Map([['shape', ints([...shape].map(Number))]]));
    else this.add('Reshape', [name]);
  }

  private name(role: string): string {
    return `${this.source.outputs[0]}/${role}${this.nodes.length + 1}`;
  }

  /** The last one makes what the source makes; the pool is called as the source is. */
  finished(): readonly OnnxNode[] {
    const last = this.nodes.length - 1;
    return this.nodes.map((one, i) => ({
      ...one,
      name: one.opType.startsWith('Global') ? this.source.name : '',
      outputs: i === last ? this.source.outputs : one.outputs,
    }));
  }
}

export const reductions: readonly Expansion[] = Object.entries(kinds).map(([opType, kind]) => ({
  opType,
  when: 'read',
  expand: (node, around) => expand(node, around, kind),
}));
