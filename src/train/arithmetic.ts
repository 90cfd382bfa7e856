/** The arithmetic of a network, in multiply-adds of its products; all else is little beside them. */
import { type Network, trainedOf } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';

/**
 * Of a training step for an image: every product forward, one for the gradient of a weight that is trained, and one for the gradient of what a
 * layer reads where that hangs on something trained; forward alone where nothing is.
 */
export function multiplyAdds(network: Network, isTrained: (parameter: string) => boolean = () => false): number {
  const shapes = inferShapes(network, 1);
  const moving = new Set<string>();
  let sum = 0;
  for (const node of network.nodes) {
    const reached = node.inputs.some((value) => moving.has(value));
    if (reached || trainedOf(network, node).some(isTrained)) for (const value of node.outputs) moving.add(value);
    const name = node.parameters['weight'];
    if (name === undefined) continue;
    const weight = network.parameters.get(name)!.shape.reduce((product, extent) => product * extent, 1);
    const places = shapes
      .get(node.outputs[0])!
      .slice(2)
      .reduce((product, extent) => product * extent, 1);
    sum += (1 + (isTrained(name) ? 1 : 0) + (reached ? 1 : 0)) * weight * places;
  }
  return sum;
}
