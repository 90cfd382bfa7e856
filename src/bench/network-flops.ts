/**
 * The arithmetic of a network as its layers define it: the multiply-adds of convolutions and fully connected layers, two
 * operations each, however they are computed. Kernels may need fewer (Winograd's tiles) or more (tiles that hang over).
 */
import { trainedOf } from '../models/network.ts';
import { inferShapes } from '../models/shapes.ts';
import type { Model } from '../train/model.ts';

/**
 * Of one forward pass, or of a training step with the masks that the model has now: forward, then for each layer the
 * gradient of its weight where that is trained, and of its input where something before it is.
 */
export function networkFlops({ network, parameters }: Model, batch: number, training: boolean): number {
  const shapes = inferShapes(network, batch);
  /** values whose gradient is needed */
  const needed = new Set<string>();
  let flops = 0;
  for (const node of network.nodes) {
    const { inputs, outputs: made } = node;
    const { weight } = node.parameters;
    const trained = (name: string | undefined) => name !== undefined && parameters.get(name)!.trainable;
    const inherited = inputs.some((name) => needed.has(name));
    if (training && (inherited || trainedOf(network, node).some(trained))) for (const name of made) needed.add(name);
    if (weight === undefined) continue;
    const [, ...rest] = network.parameters.get(weight)!.shape;
    const outputs = shapes.get(made[0])!.reduce((product, extent) => product * extent, 1);
    const products = 2 * outputs * rest.reduce((product, extent) => product * extent, 1);
    flops += products * (1 + (training && inherited ? 1 : 0) + (training && trained(weight) ? 1 : 0));
  }
  return flops;
}
