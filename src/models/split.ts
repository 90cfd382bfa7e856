/** A network cut in two at a value that everything after it reads it through. */
import type { Network, Node } from './network.ts';
import { inferShapes } from './shapes.ts';

export interface Split {
  /** from the network's input to the value */
  readonly head: Network;
  /** from the value, its only input, to the network's outputs */
  readonly tail: Network;
}

/**
 * The last value that depends on no node for which `changes` holds, and through which alone all later nodes see the
 * input; nothing where the first node changes already. @param fits which values will do
 */
export function lastFixedValue(
  network: Network,
  changes: (node: Node) => boolean,
  fits: (value: string) => boolean = () => true,
): string | undefined {
  let last: string | undefined;
  for (const [i, node] of network.nodes.entries()) {
    if (changes(node)) break;
    const before = new Set([
      ...network.inputs.map(({ name }) => name),
      ...network.nodes.slice(0, i).flatMap((n) => n.outputs),
    ]);
    const later = network.nodes.slice(i + 1);
    const bypassed = later.some(({ inputs }) => inputs.some((name) => before.has(name)));
    const alone = later.length > 0 && !bypassed && !network.outputs.some((name) => before.has(name));
    if (alone && fits(node.outputs[0])) last = node.outputs[0];
  }
  return last;
}

/** Cuts at `value`, the output of a node through which alone later nodes see the input. Parameters stay shared. */
export function splitNetwork(network: Network, value: string): Split {
  const at = network.nodes.findIndex(({ outputs }) => outputs.includes(value));
  const [, ...shape] = inferShapes(network, 1).get(value)!;
  return {
    head: { ...network, nodes: network.nodes.slice(0, at + 1), outputs: [value] },
    tail: {
      ...network,
      nodes: network.nodes.slice(at + 1),
      inputs: [{ name: value, shape }],
      preprocessing: undefined,
    },
  };
}
