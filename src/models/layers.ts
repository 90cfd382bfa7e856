/** Layer numbers, and what is frozen when one says "freeze up to layer 10". */
import { checkArguments } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import type { Role } from '../operators/operator.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import { NETWORK, type Network, type Node, operatorOf, trainedOf } from './network.ts';

/** A layer with parameters, and what follows it (its batch normalisation): where the frost line may lie. */
export interface FreezePoint {
  readonly number: number;
  readonly name: string;
  /** Names of its trained parameters, and of those that follow it. */
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

/**
 * The learnable layers in order. The last is the classifier. A layer whose parameters all follow another (batch
 * normalisation) is none of its own: it stands still with the last learnable layer that it depends on, or, before all of
 * them, with the first.
 */
export function freezePoints(network: Network): FreezePoint[] {
  checkArguments('freezePoints', { network: [network, NETWORK] });
  return withFollowers(network).map(({ node, followers }) => ({
    number: node.number!,
    name: node.name,
    parameters: [node, ...followers].flatMap((one) => trainedOf(network, one)),
  }));
}

/** Each learnable layer, and the layers whose parameters follow it. */
function withFollowers(network: Network): { node: Node; followers: Node[] }[] {
  const learnable = network.nodes.filter((node) => trainedOf(network, node).length > 0);
  const following = (node: Node) =>
    Object.entries<Role>(operatorOf(network, node).parameters).every(
      ([role, known]) => node.parameters[role] === undefined || known.kind === 'state' || known.follows,
    );
  const own = learnable.filter((node) => !following(node));
  // Where nothing is followed, each stands for itself.
  const points = (own.length > 0 ? own : learnable).map((node) => ({ node, followers: [] as Node[] }));
  /** the last learnable layer that a value depends on, by its place */
  const last = new Map<string, number>();
  for (const node of network.nodes) {
    const before = Math.max(-1, ...node.inputs.map((value) => last.get(value) ?? -1));
    const at = points.findIndex((point) => point.node === node);
    if (at < 0 && learnable.includes(node)) points[Math.max(before, 0)].followers.push(node);
    for (const value of node.outputs) last.set(value, Math.max(before, at));
  }
  return points;
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
    throw new FrostlineError(
      `cannot freeze at '${wanted}': ${whyNot(network, wanted)}. ` +
        `Give none, all, or one of ${points.map(({ number, name }) => `${number} (${name})`).join(', ')}.`,
    );
  }
  return new Set(points.slice(0, last + 1).flatMap(({ parameters }) => parameters));
}

function whyNot(network: Network, wanted: string): string {
  const node = network.nodes.find((one) => String(one.number) === wanted || one.name === wanted);
  if (node === undefined) return `${network.name} has no such layer`;
  const leader = withFollowers(network).find(({ followers }) => followers.includes(node))?.node;
  return `layer '${node.name}' (${node.op.kind}) ${leader ? `is frozen with '${leader.name}', which it follows` : 'has no parameters'}`;
}
