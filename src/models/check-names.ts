/** Each value of a graph is made once: what two nodes make under one name would be the one or the other. */
import { FrostlineError } from '../errors.ts';
import type { OnnxGraph } from '../onnx/model.ts';
import { refuse } from '../operators/onnx/reading.ts';
import { bodiesOf } from './live-nodes.ts';

/**
 * Refuses a graph in which a name stands for two values: nodes', initialisers', inputs', in the whole graph, needed or
 * not; in the body of a branch those of the graphs around it count as well, those of other branches do not. A node that
 * makes nothing is refused with them.
 *
 * @param visible names of the graphs around this one
 * @throws FrostlineError naming the value and the node that makes it again
 */
export function checkNames(graph: OnnxGraph, visible = new Set<string>()): void {
  const { inputs, initializers, sparseInitializers, nodes } = graph;
  const own: string[] = [];
  const add = (name: string): boolean => {
    if (visible.has(name)) return false;
    visible.add(name);
    own.push(name);
    return true;
  };
  // Before IR version 4 initialisers stand among the inputs.
  const given = [...initializers.keys(), ...sparseInitializers];
  const open = inputs.map(({ name }) => name).filter((name) => !initializers.has(name));
  const twice = [...given, ...open].find((name) => !add(name));
  if (twice !== undefined) {
    throw new FrostlineError(`the model has two inputs or initialisers called '${twice}'. ${remedy}`);
  }
  for (const node of nodes) {
    if (node.outputs.every((name) => name === '')) {
      refuse(node, 'makes nothing', 'A node has an output at least: take it out of the model, or export it again.');
    }
    for (const body of bodiesOf(node)) checkNames(body, visible);
    const again = node.outputs.find((name) => name !== '' && !add(name));
    if (again === undefined) continue;
    const what = initializers.has(again)
      ? `makes '${again}', which is an initialiser's name as well`
      : open.includes(again)
        ? `makes '${again}', which is an input's name as well`
        : `makes '${again}', which another node makes as well`;
    refuse({ ...node, outputs: [again] }, what, remedy);
  }
  for (const name of own) visible.delete(name);
}

const remedy = 'Each value is made once: give them different names, or export the model again.';
