/** Which nodes of a graph are needed, and what is read of it. */
import type { OnnxGraph, OnnxNode } from '../onnx/model.ts';

/** Nodes that the outputs depend on, in the file's order: what else stands in the file need not be supported. */
export function liveNodes(nodes: readonly OnnxNode[], outputs: readonly string[]): OnnxNode[] {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const live = new Set<OnnxNode>();
  const wanted = [...outputs];
  for (let value = wanted.pop(); value !== undefined; value = wanted.pop()) {
    const maker = makers.get(value);
    if (maker === undefined || live.has(maker)) continue;
    live.add(maker);
    for (const read of readsOf(maker)) wanted.push(read);
  }
  return nodes.filter((node) => live.has(node));
}

/** The bodies of a node's branches. */
export const bodiesOf = (node: OnnxNode): OnnxGraph[] =>
  [...node.attributes.values()].flatMap((one) => (one.type === 'graph' ? [one.value] : []));

/** Of nodes with bodies: bodies stand within bodies, and would be walked again for each around them. */
const known = new WeakMap<OnnxNode, readonly string[]>();

/** What a node reads, and what the bodies of its branches read of the graph around it (each value once). */
export function readsOf(node: OnnxNode): readonly string[] {
  const bodies = bodiesOf(node);
  if (bodies.length === 0) return node.inputs;
  const found = known.get(node) ?? [...new Set([...node.inputs, ...bodies.flatMap(readsOfBody)])];
  known.set(node, found);
  return found;
}

function readsOfBody({ nodes, initializers, inputs, outputs }: OnnxGraph): readonly string[] {
  const own = new Set([...initializers.keys(), ...inputs.map(({ name }) => name), ...nodes.flatMap((n) => n.outputs)]);
  return [...nodes.flatMap(readsOf), ...outputs.map(({ name }) => name)].filter((value) => !own.has(value));
}

/** All names of values that stand in a graph, those of its bodies with them. */
export function* valuesOf({ nodes, initializers, inputs, outputs }: OnnxGraph): Generator<string> {
  yield* initializers.keys();
  for (const { name } of [...inputs, ...outputs]) yield name;
  for (const node of nodes) {
    yield* node.inputs;
    yield* node.outputs;
    for (const body of bodiesOf(node)) yield* valuesOf(body);
  }
}
