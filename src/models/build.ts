/**
 * From a `Network` to tensors of the graph: one operation a node, one `Parameter` a weight and bias. The parameters are
 * made once (`parametersOf`) and shared by every batch size and purpose that the network is built for.
 */

import { add, divide, multiply, subtract } from '../graph/ops/arithmetic.ts';
import { type AxisRange, logSoftmax, softmax } from '../graph/ops/classification.ts';
import { concat } from '../graph/ops/concat.ts';
import { clip, dropout, flatten, reshape } from '../graph/ops/elementwise.ts';
import { linear } from '../graph/ops/linear.ts';
import { matMul } from '../graph/ops/matmul.ts';
import { pad } from '../graph/ops/pad.ts';
import { averagePool, globalAveragePool, lrn, maxPool } from '../graph/ops/spatial.ts';
import { transpose } from '../graph/ops/transpose.ts';
import { input, Parameter, type Tensor } from '../graph/tensor.ts';
import { type LegacyOp, type Network, type Node, operatorsOf, outputsOf, rolesOf } from './network.ts';

/** A network's parameters by name, in its order. Biases do not decay, as in MATLAB (BiasL2Factor 0). */
export function parametersOf(network: Network): Map<string, Parameter> {
  const biases = new Set(network.nodes.map((node) => node.bias));
  // Running statistics: forward itself writes them.
  const state = new Set(
    network.nodes.flatMap((node) => {
      const roles = operatorsOf(network).operatorOf(node.op)?.parameters ?? {};
      return Object.entries(rolesOf(node)).flatMap(([role, name]) => (roles[role]?.kind === 'state' ? [name] : []));
    }),
  );
  return new Map(
    [...network.parameters].map(([name, value]) => [
      name,
      new Parameter(name, value.shape, () => asOwnBuffer(value.data), {
        decayFactor: biases.has(name) ? 0 : 1,
        ...(state.has(name) && { mask: 0 }),
      }),
    ]),
  );
}

function asOwnBuffer(data: Float32Array): Float32Array<ArrayBuffer> {
  return data as Float32Array<ArrayBuffer>;
}

export interface BuildOptions {
  readonly batch: number;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** the image, where it is no plain input (the warp's output) */
  readonly image?: Tensor;
  /** leave dropout out */
  readonly withoutDropout?: boolean;
}

export interface BuiltNetwork {
  /** by name, without the image where it was given */
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** every activation by its value's name */
  readonly values: ReadonlyMap<string, Tensor>;
  /** the network's outputs, in its order */
  readonly outputs: readonly Tensor[];
  /** what goes into the softmax: the first output, or its input where a softmax ends the network */
  readonly logits: Tensor;
}

/** @throws FrostlineError when shapes do not fit; the message names the node */
export function buildNetwork(network: Network, options: BuildOptions): BuiltNetwork {
  const { batch, parameters, image, withoutDropout = false } = options;
  const inputs = new Map<string, Tensor>();
  const values = new Map<string, Tensor>();
  network.inputs.forEach(({ name, shape }, i) => {
    if (i === 0 && image !== undefined) values.set(name, image);
    else {
      const tensor = input(name, [batch, ...shape]);
      inputs.set(name, tensor);
      values.set(name, tensor);
    }
  });
  for (const node of network.nodes) {
    const reads = node.inputs.map((name) => values.get(name)!);
    const skip = node.op.kind === 'identity' || (node.op.kind === 'dropout' && withoutDropout);
    const operator = operatorsOf(network).operatorOf(node.op);
    const made = skip
      ? [reads[0]]
      : operator === undefined
        ? [build(node, node.op as LegacyOp, reads, parameters)]
        : operator.build({
            name: node.name,
            attributes: node.op,
            inputs: reads,
            parameters: Object.fromEntries(
              Object.entries(rolesOf(node)).map(([role, name]) => [role, parameters.get(name)]),
            ),
          });
    for (const [i, output] of outputsOf(node).entries()) if (output !== '') values.set(output, made[i]);
  }
  const outputs = network.outputs.map((name) => values.get(name)!);
  return { inputs, values, outputs, logits: beforeSoftmax(network, values) };
}

/** Walks back from the first output over a softmax and what only reshapes. */
function beforeSoftmax(network: Network, values: ReadonlyMap<string, Tensor>): Tensor {
  let name = network.outputs[0];
  for (;;) {
    const node = network.nodes.find((candidate) => candidate.output === name);
    if (node === undefined) break;
    const op = node.op as LegacyOp;
    const isSoftmax = op.kind === 'softmax' || op.kind === 'logSoftmax';
    if (isSoftmax && coversItem(op, values.get(node.output)!)) return values.get(node.inputs[0])!;
    if (!['flatten', 'reshape', 'identity'].includes(node.op.kind)) break;
    name = node.inputs[0];
  }
  return values.get(network.outputs[0])!;
}

/** Whether a softmax is over all of an item: what a classifier ends with. */
function coversItem(op: { axes?: AxisRange }, { shape }: Tensor): boolean {
  return op.axes === undefined || shape.every((size, axis) => axis === 0 || size === 1 || inside(axis, op.axes!));
}

const inside = (axis: number, [first, end]: AxisRange) => axis > first && axis <= end;

/** Dimensions of an item as those of the tensor. */
const shifted = ([first, end]: AxisRange): AxisRange => [first + 1, end + 1];

/** Of the operators that have not moved. */
function build(node: Node, op: LegacyOp, reads: readonly Tensor[], parameters: ReadonlyMap<string, Parameter>): Tensor {
  const { name } = node;
  const [x] = reads;
  const weight = node.weight === undefined ? undefined : parameters.get(node.weight);
  const bias = node.bias === undefined ? undefined : parameters.get(node.bias);
  switch (op.kind) {
    case 'linear':
      return linear(x, weight!, bias, name);
    case 'clip':
      return clip(x, op.low, op.high, name);
    case 'lrn':
      return lrn(x, { ...op, name });
    case 'maxPool':
      return maxPool(x, { ...op, name });
    case 'averagePool':
      return averagePool(x, { ...op, name });
    case 'globalAveragePool':
      return globalAveragePool(x, name);
    case 'softmax':
      return softmax(x, name, shifted(op.axes ?? [0, x.shape.length - 1]));
    case 'logSoftmax':
      return logSoftmax(x, name, shifted(op.axes ?? [0, x.shape.length - 1]));
    case 'dropout':
      return dropout(x, op.ratio, name);
    case 'flatten':
      return flatten(x, name);
    case 'reshape':
      return reshape(x, [x.shape[0], ...op.shape], name);
    case 'add':
      return add(x, reads[1], name);
    case 'subtract':
      return subtract(x, reads[1], name);
    case 'multiply':
      return multiply(x, reads[1], name);
    case 'divide':
      return divide(x, reads[1], name);
    case 'matMul': {
      if (weight === undefined) return matMul(x, reads[1], name);
      const width = x.shape.at(-1)!;
      const matrix = linear(reshape(x, [x.size / width, width], name), weight, bias, name);
      return reshape(matrix, [...x.shape.slice(0, -1), weight.shape[0]], name);
    }
    case 'concat':
      return concat(reads, name, (op.axis ?? 0) + 1);
    case 'transpose':
      return transpose(x, [0, ...op.perm.map((axis) => axis + 1)], name);
    case 'pad':
      return pad(x, { ...op, before: [0, ...op.before], after: [0, ...op.after], name });
    case 'identity':
      return x;
  }
}
