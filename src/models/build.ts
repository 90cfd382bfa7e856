/**
 * From a `Network` to tensors of the graph: one operation a node, one `Parameter` a weight and bias. The parameters are
 * made once (`parametersOf`) and shared by every batch size and purpose that the network is built for.
 */

import { checkArguments, type Expectation, FLAG, isMap, OBJECT, wholeFrom } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { input, Parameter, type Shape, Tensor } from '../graph/tensor.ts';
import type { Role } from '../operators/operator.ts';
import type { OurOp } from '../operators/registry.ts';
import { checkOptions, type OptionNames } from '../options.ts';
import { NETWORK, type Network, type Node, operatorOf, operatorsOf, rolesOf } from './network.ts';
import { inferShapes } from './shapes.ts';

/** A network's parameters by name, in its order. What decays and what forward itself writes, the operators' roles say. */
export function parametersOf(network: Network): Map<string, Parameter> {
  checkArguments('parametersOf', { network: [network, NETWORK] });
  const operators = operatorsOf(network);
  const roles = network.nodes.flatMap((node) => {
    const known: Readonly<Record<string, Role>> = operators.operatorOf(node.op)?.parameters ?? {};
    return Object.entries(rolesOf(node)).map(([role, name]) => ({ name, role: known[role] }));
  });
  const still = new Set(roles.flatMap(({ name, role }) => (role?.kind === 'trained' && !role.decays ? [name] : [])));
  const state = new Set(roles.flatMap(({ name, role }) => (role?.kind === 'state' ? [name] : [])));
  return new Map(
    [...network.parameters].map(([name, value]) => [
      name,
      new Parameter(name, value.shape, () => asOwnBuffer(value.data), {
        decayFactor: still.has(name) ? 0 : 1,
        ...(state.has(name) && { mask: 0 }),
      }),
    ]),
  );
}

/** @throws FrostlineError where an operator makes other tensors than its shape rule says */
function checkMade({ name, op, outputs }: Node, made: readonly Tensor[], shapes: ReadonlyMap<string, Shape>): void {
  outputs.forEach((output, i) => {
    if (output === '') return;
    const [expected, found] = [shapes.get(output)!, made[i]?.shape].map((shape) => shape && `[${shape.join(', ')}]`);
    if (found === expected) return;
    throw new FrostlineError(
      `layer '${name}' (${op.kind}): build makes ${found ?? 'nothing'} of output ${i + 1}, the shape rule ${expected}. Mend the operator.`,
    );
  });
}

function asOwnBuffer(data: Float32Array): Float32Array<ArrayBuffer> {
  return data as Float32Array<ArrayBuffer>;
}

const PARAMETERS: Expectation = { is: isMap, words: 'the Map of parametersOf' };

/** How a network becomes tensors: batch, parameters, where it ends. */
export interface BuildOptions {
  readonly batch: number;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** the image, where it is no plain input (the sampler's output) */
  readonly image?: Tensor;
  /** leave dropout out */
  readonly withoutDropout?: boolean;
  /**
   * Training normalises by the statistics of the batch, and keeps running ones, in layers whose parameters are trained by
   * their masks as they are now; default false: by the running ones, which stand still
   */
  readonly batchStatistics?: boolean;
}

const BUILD_OPTIONS: OptionNames<BuildOptions> = {
  batch: true,
  parameters: true,
  image: { is: (value) => value instanceof Tensor, words: 'a tensor' },
  withoutDropout: FLAG,
  batchStatistics: FLAG,
};

/** A network as tensors of the graph, by name. */
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
  checkArguments('buildNetwork', { network: [network, NETWORK], options: [options, OBJECT] });
  checkOptions('buildNetwork', options, BUILD_OPTIONS);
  const { batch, parameters, image, withoutDropout = false, batchStatistics } = options;
  checkArguments('buildNetwork', { batch: [batch, wholeFrom(1)], parameters: [parameters, PARAMETERS] });
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
  const shapes = inferShapes(network, batch);
  for (const node of network.nodes) {
    const reads = node.inputs.map((name) => values.get(name)!);
    const made =
      withoutDropout && node.op.kind === 'dropout'
        ? reads
        : operatorOf(network, node).build({
            name: node.name,
            attributes: node.op,
            inputs: reads,
            batchStatistics,
            parameters: Object.fromEntries(
              Object.entries(rolesOf(node)).map(([role, name]) => [role, parameters.get(name)]),
            ),
          });
    checkMade(node, made, shapes);
    for (const [i, output] of node.outputs.entries()) if (output !== '') values.set(output, made[i]);
  }
  const outputs = network.outputs.map((name) => values.get(name)!);
  return { inputs, values, outputs, logits: beforeSoftmax(network, values) };
}

/** Walks back from the first output over a softmax and what only reshapes. */
function beforeSoftmax(network: Network, values: ReadonlyMap<string, Tensor>): Tensor {
  let name = network.outputs[0];
  for (;;) {
    const node = network.nodes.find((candidate) => candidate.outputs.includes(name));
    if (node === undefined) break;
    const { op } = node as { readonly op: OurOp };
    const isSoftmax = op.kind === 'softmax' || op.kind === 'logSoftmax';
    if (isSoftmax && coversItem(op.axes, values.get(name)!)) return values.get(node.inputs[0])!;
    if (!['flatten', 'reshape', 'identity'].includes(op.kind)) break;
    name = node.inputs[0];
  }
  return values.get(network.outputs[0])!;
}

/** Whether a softmax is over all of an item: what a classifier ends with. */
function coversItem(axes: readonly [number, number] | undefined, { shape: [, ...item] }: Tensor): boolean {
  return axes === undefined || item.every((size, i) => size === 1 || (i >= axes[0] && i < axes[1]));
}
