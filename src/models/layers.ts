/** Layer numbers, and what is frozen when one says "freeze up to layer 10". */
import { FrostlineError } from '../errors.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import { type Network, type Node, trainedOf } from './network.ts';

/** A layer with parameters: where the frost line may lie. */
export interface FreezePoint {
  readonly number: number;
  readonly name: string;
  /** Names of its trained parameters. */
  readonly parameters: readonly string[];
}

/**
 * Gives every layer MATLAB's number (see `Node.number`), or the one in `known` where there is one for its name.
 *
 * @param inputs names of the network's inputs
 */
export function numberLayers(
  nodes: readonly Node[],
  inputs: readonly string[],
  known: ReadonlyMap<string, number> = new Map(),
  operators: OperatorSet = ours,
): Node[] {
  const fromInput = new Set(inputs);
  let last = 1;
  return nodes.map((node) => {
    const { number: _, ...rest } = node;
    const numbered = operators.operatorOf(node.op)?.numbered;
    if (numbered === 'unlessInput' && fromInput.has(node.inputs[0])) {
      fromInput.add(node.outputs[0]);
      return rest;
    }
    if (numbered === 'never') return rest;
    last = known.get(node.name) ?? last + 1;
    return { ...rest, number: last };
  });
}

/** The learnable layers in order. The last is the classifier. */
export function freezePoints(network: Network): FreezePoint[] {
  return network.nodes
    .map((node) => ({ number: node.number!, name: node.name, parameters: trainedOf(network, node) }))
    .filter(({ parameters }) => parameters.length > 0);
}

/**
 * Names of the parameters that stand still when the network is frozen at a layer: those of every learnable layer up to
 * and including it.
 *
 * @param layer a layer's number or name; 'none'; or 'all': all but the last learnable layer
 * @throws FrostlineError when there is no such learnable layer
 */
export function freezeThrough(network: Network, layer: number | string): Set<string> {
  const points = freezePoints(network);
  const wanted = String(layer);
  if (wanted === 'none') return new Set();
  const last =
    wanted === 'all'
      ? points.length - 2
      : points.findIndex(({ number, name }) => String(number) === wanted || name === wanted);
  if (last < 0 && wanted !== 'all') {
    const other = network.nodes.find((node) => String(node.number) === wanted || node.name === wanted);
    throw new FrostlineError(
      `cannot freeze at '${wanted}': ${other ? `layer '${other.name}' (${other.op.kind}) has no parameters` : `${network.name} has no such layer`}. ` +
        `Give none, all, or one of ${points.map(({ number, name }) => `${number} (${name})`).join(', ')}.`,
    );
  }
  return new Set(points.slice(0, last + 1).flatMap(({ parameters }) => parameters));
}
