/** Shapes of all activations of a network, before anything is built: a mistake is named here, not on the GPU. */
import { FrostlineError } from '../errors.ts';
import { asked, checkAttributes, type Role, refuse } from '../operators/operator.ts';
import type { OperatorSet } from '../operators/registry.ts';
import {
  type LegacyOp,
  type Network,
  type Node,
  operatorsOf,
  outputsOf,
  type Pads,
  type Pair,
  type ParameterValue,
  rolesOf,
} from './network.ts';

export type Shape = readonly number[];

/**
 * The shape of every activation, inputs included, with the batch first.
 *
 * @throws FrostlineError naming node, value, what was found and what was expected
 */
export function inferShapes(network: Network, batch: number): Map<string, number[]> {
  if (!Number.isInteger(batch) || batch < 1) throw new FrostlineError(`the batch is ${batch}, at least 1 is expected.`);
  const shapes = new Map<string, Shape>(network.inputs.map(({ name, shape }) => [name, shape]));
  for (const node of network.nodes) {
    const inputs = node.inputs.map((value) => {
      const shape = shapes.get(value);
      if (shape === undefined) throw failure(node, `reads '${value}', which no earlier node makes`, 'Sort the nodes.');
      return shape;
    });
    for (const [output, shape] of outputShapes(node, inputs, network.parameters, operatorsOf(network))) {
      if (shapes.has(output)) throw failure(node, `makes '${output}' a second time`, 'Rename the value.');
      shapes.set(output, shape);
    }
  }
  for (const output of network.outputs) {
    if (!shapes.has(output)) throw new FrostlineError(`the network's output '${output}' is made by no node.`);
  }
  return new Map([...shapes].map(([name, shape]) => [name, [batch, ...shape]]));
}

/**
 * The shapes that a node makes of its inputs' shapes, by the names of its outputs; all without the batch.
 *
 * @throws FrostlineError when inputs, parameters and options do not fit each other
 */
export function outputShapes(
  node: Node,
  inputs: readonly Shape[],
  parameters: ReadonlyMap<string, ParameterValue>,
  operators: OperatorSet,
): ReadonlyMap<string, Shape> {
  const operator = operators.operatorOf(node.op);
  const outputs = outputsOf(node);
  if (operator === undefined)
    return new Map([[node.output, outputShape(node, node.op as LegacyOp, inputs, parameters)]]);
  const shapes = asked(`layer '${node.name}' (${node.op.kind})`, () => {
    const { kind: _, ...attributes } = node.op;
    checkAttributes(operator.attributes, attributes);
    const wanted = operator.inputs === 'several' ? Math.max(inputs.length, 1) : operator.inputs;
    if (inputs.length !== wanted)
      refuse(`has ${inputs.length} activations as input`, `${wanted === 1 ? 'One is' : `${wanted} are`} expected.`);
    if (outputs.length > operator.outputs) refuse(`has ${outputs.length} outputs`, `It makes ${operator.outputs}.`);
    const roles = Object.entries(rolesOf(node)).map(([role, name]) => {
      const shape = parameters.get(name)?.shape;
      if (shape === undefined) refuse(`has no parameter '${name}'`, 'Add its values.');
      return [role, { name, shape }] as const;
    });
    for (const [role, { kind, ...rest }] of Object.entries<Role>(operator.parameters)) {
      const given = roles.some(([one]) => one === role);
      if (!given && !('optional' in rest && rest.optional))
        refuse(`has no parameter '${role}'`, `Add its values (${kind}).`);
    }
    const values = inputs.map((shape, i) => ({ name: node.inputs[i], shape }));
    return operator.shape({ attributes, inputs: values, parameters: Object.fromEntries(roles) });
  });
  return new Map(outputs.map((output, i) => [output, shapes[i]] as const).filter(([output]) => output !== ''));
}

/** Of the operators that have not moved. */
function outputShape(
  node: Node,
  op: LegacyOp,
  inputs: readonly Shape[],
  parameters: ReadonlyMap<string, ParameterValue>,
): number[] {
  const [input] = inputs;
  switch (op.kind) {
    case 'add':
    case 'subtract':
    case 'multiply':
    case 'divide':
      return broadcastShape(node, inputs);
    case 'concat':
      return concatShape(node, op.axis ?? 0, inputs);
    case 'matMul':
      if (node.weight === undefined) return productShape(node, inputs);
  }
  if (inputs.length !== 1) throw failure(node, `has ${inputs.length} activations as input`, 'One is expected.');
  switch (op.kind) {
    case 'linear':
      return linearShape(node, input, parameters);
    case 'maxPool': {
      const { kernel, strides, pads, dilations, ceilMode } = op;
      checkPads(node, pads, kernel, dilations);
      return pooled(node, imageShape(node, input), { kernel, strides, pads, dilations, ceilMode });
    }
    case 'averagePool': {
      const { kernel, strides, pads, ceilMode } = op;
      checkPads(node, pads, kernel, [1, 1]);
      return pooled(node, imageShape(node, input), { kernel, strides, pads, dilations: [1, 1], ceilMode });
    }
    case 'globalAveragePool':
      return [imageShape(node, input)[0], 1, 1];
    case 'lrn':
      if (!(op.size >= 1)) throw failure(node, `normalises over ${op.size} channels`, 'At least 1 is expected.');
      imageShape(node, input);
      return [...input];
    case 'flatten':
      return [count(input)];
    case 'reshape':
      if (count(op.shape) !== count(input)) {
        throw failure(
          node,
          `reshapes ${nameOf(node)} of shape ${show(input)}, ${count(input)} values an image, to ${show(op.shape)}, ${count(op.shape)} values`,
          'Give the input size the network was made for.',
        );
      }
      return [...op.shape];
    case 'dropout':
      if (!(op.ratio >= 0 && op.ratio < 1)) {
        throw failure(node, `drops a share of ${op.ratio}`, 'A number from 0 up to, but not, 1 is expected.');
      }
      return [...input];
    case 'matMul': {
      if (input.length === 0)
        throw failure(node, 'multiplies single numbers', 'Items of one dimension or more are expected.');
      const width = input.at(-1)!;
      return [...input.slice(0, -1), ...linearShape(node, [width], parameters)];
    }
    case 'transpose':
      if (String(op.perm.toSorted((a, b) => a - b)) !== String([...input.keys()])) {
        throw failure(node, `orders ${show(input)} by ${show(op.perm)}`, 'Every dimension is expected once.');
      }
      return op.perm.map((axis) => input[axis]);
    case 'pad': {
      const { before, after, mode } = op;
      const shape = input.map((size, axis) => size + before[axis] + after[axis]);
      const most = input.map((size) => (mode === 'reflect' ? size - 1 : Number.POSITIVE_INFINITY));
      if (
        before.length !== input.length ||
        after.length !== input.length ||
        shape.some((size, axis) => !(size >= 1) || Math.max(before[axis], after[axis]) > most[axis])
      ) {
        throw failure(
          node,
          `pads ${nameOf(node)} of shape ${show(input)} by ${show(before)} before and ${show(after)} behind (${mode})`,
          'Something must be left, and a reflection is shorter than what it reflects.',
        );
      }
      return shape;
    }
    case 'softmax':
    case 'logSoftmax': {
      const [first, end] = op.axes ?? [0, input.length];
      if (!(first >= 0 && first <= end && end <= input.length)) {
        throw failure(
          node,
          `normalises ${show(input)} over dimensions ${first} to ${end - 1}`,
          "They must be an item's.",
        );
      }
      return [...input];
    }
    case 'clip':
    case 'identity':
      return [...input];
  }
}

function broadcastShape(node: Node, inputs: readonly Shape[]): number[] {
  const [a, b] = inputs;
  if (inputs.length !== 2 || a.length !== b.length || a.some((n, i) => n !== b[i] && n !== 1 && b[i] !== 1)) {
    throw failure(
      node,
      `combines activations of shapes ${inputs.map(show).join(' and ')}`,
      'Each dimension of an item must be equal in both, or 1 in one of them.',
    );
  }
  return a.map((n, i) => Math.max(n, b[i]));
}

function concatShape(node: Node, axis: number, inputs: readonly Shape[]): number[] {
  const [first] = inputs;
  const fits = (shape: Shape) =>
    shape.length === first.length && axis < shape.length && String(shape.with(axis, 0)) === String(first.with(axis, 0));
  if (inputs.length === 0 || !inputs.every(fits)) {
    throw failure(
      node,
      `joins activations of shapes ${inputs.map(show).join(' and ')} along dimension ${axis} of an item`,
      'They may differ in that dimension alone.',
    );
  }
  return first.with(
    axis,
    inputs.reduce((sum, shape) => sum + shape[axis], 0),
  );
}

function productShape(node: Node, inputs: readonly Shape[]): number[] {
  const [a, b] = inputs;
  const fits =
    inputs.length === 2 &&
    a.length >= 2 &&
    a.length === b.length &&
    a.at(-1) === b.at(-2) &&
    String(a.slice(0, -2)) === String(b.slice(0, -2));
  if (!fits) {
    throw failure(
      node,
      `multiplies activations of shapes ${inputs.map(show).join(' and ')}`,
      '[..., M, K] and [..., K, P] with the same leading dimensions are expected.',
    );
  }
  return [...a.slice(0, -1), b.at(-1)!];
}

type Window = { kernel: Pair; strides: Pair; pads: Pads; dilations: Pair; ceilMode: boolean };

function linearShape(node: Node, input: Shape, parameters: ReadonlyMap<string, ParameterValue>): number[] {
  const weight = parameterShape(node, node.weight, parameters);
  if (weight.length !== 2) {
    throw failure(node, `has weight '${node.weight}' of shape ${show(weight)}`, '[out, in] is expected.');
  }
  if (weight[1] !== count(input)) {
    throw failure(
      node,
      `reads ${nameOf(node)} of shape ${show(input)}, ${count(input)} values an image, its weight '${node.weight}' ${show(weight)} needs ${weight[1]}`,
      'Give the input size the network was made for.',
    );
  }
  checkBias(node, weight[0], parameters);
  return [weight[0]];
}

/** Height and width after a window has moved over the padded input. */
function pooled(node: Node, [channels, height, width]: Shape, window: Window): number[] {
  const { kernel, strides, pads, dilations, ceilMode } = window;
  const extent = (axis: 0 | 1, size: number) => {
    if (!(strides[axis] >= 1 && dilations[axis] >= 1 && kernel[axis] >= 1 && pads[axis] >= 0 && pads[axis + 2] >= 0)) {
      throw failure(
        node,
        `has kernel [${kernel}], strides [${strides}], pads [${pads}], dilations [${dilations}]`,
        'Kernel, strides and dilations of at least 1 and pads of at least 0 are expected.',
      );
    }
    const steps = size + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1;
    if (steps < 0) {
      throw failure(
        node,
        `reads ${nameOf(node)} of ${height} x ${width}, too small for kernel [${kernel}], dilations [${dilations}], pads [${pads}]`,
        'Give a larger input size.',
      );
    }
    if (!ceilMode) return Math.floor(steps / strides[axis]) + 1;
    const up = Math.ceil(steps / strides[axis]) + 1;
    // As in Caffe, PyTorch and onnxruntime: the last window must begin inside the input or its leading padding.
    return (up - 1) * strides[axis] >= size + pads[axis] ? up - 1 : up;
  };
  return [channels, extent(0, height), extent(1, width)];
}

/** A window that sees padding alone has no maximum and no mean. */
function checkPads(node: Node, pads: Pads, kernel: Pair, dilations: Pair): void {
  const reach = kernel.map((size, axis) => dilations[axis] * (size - 1) + 1);
  if (pads.some((pad, i) => pad >= reach[i % 2])) {
    throw failure(node, `has pads [${pads}] for kernel [${kernel}]`, 'Padding must be smaller than the kernel.');
  }
}

function checkBias(node: Node, out: number, parameters: ReadonlyMap<string, ParameterValue>): void {
  if (node.bias === undefined) return;
  const bias = parameterShape(node, node.bias, parameters);
  if (bias.length !== 1 || bias[0] !== out) {
    throw failure(node, `has bias '${node.bias}' of shape ${show(bias)}`, `[${out}] is expected, one a channel out.`);
  }
}

function parameterShape(node: Node, name: string | undefined, parameters: ReadonlyMap<string, ParameterValue>): Shape {
  const shape = name === undefined ? undefined : parameters.get(name)?.shape;
  if (shape === undefined) throw failure(node, `has no parameter '${name ?? 'weight'}'`, 'Add its values.');
  return shape;
}

function imageShape(node: Node, shape: Shape): Shape {
  if (shape.length !== 3) {
    throw failure(
      node,
      `reads ${nameOf(node)} of shape ${show(shape)} an image`,
      '[channels, height, width] is expected: one and three spatial dimensions are not supported.',
    );
  }
  return shape;
}

/** Values an image. */
export function count(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

function show(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

function nameOf(node: Node): string {
  return `'${node.inputs[0]}'`;
}

function failure(node: Node, found: string, expected: string): FrostlineError {
  return new FrostlineError(`layer '${node.name}' (${node.op.kind}) ${found}. ${expected}`);
}
