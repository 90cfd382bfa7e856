/** Which nodes of a graph are needed. */
import type { OnnxNode } from '../onnx/model.ts';

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

/** What a node reads, with what the bodies of its branches read of the graph around them. */
export function readsOf(node: OnnxNode): readonly string[] {
  const bodies = [...node.attributes.values()].flatMap((one) => (one.type === 'graph' ? [one.value] : []));
  if (bodies.length === 0) return node.inputs;
  const inner = bodies.flatMap(({ nodes, outputs }) => [...nodes.flatMap(readsOf), ...outputs.map(({ name }) => name)]);
  return [...node.inputs, ...inner];
}
