import { checkArguments, INTEGER, listOf, TEXT } from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { glorotUniform, zeros } from './initialise.ts';
import { NETWORK, type Network, type Node, rolesOf } from './network.ts';
import { count, inferShapes } from './shapes.ts';

/**
 * A network whose last learnable layer is a new one for the given classes: weight Glorot uniform, bias zero. It keeps
 * its name, place and the names of its parameters; a softmax after it stays.
 *
 * @param classes names of the classes, in the order of the outputs
 * @returns the network, and the names of the new parameters (those that get the new layer's learning rate)
 * @throws FrostlineError when what follows that layer depends on the old number of classes, or makes other than one
 *   value of each class
 */
export function replaceClassifier(
  network: Network,
  classes: readonly string[],
  seed: number,
): { network: Network; newParameters: string[] } {
  checkArguments('replaceClassifier', {
    network: [network, NETWORK],
    classes: [classes, listOf(TEXT, 'a list of names')],
    seed: [seed, INTEGER],
  });
  if (classes.length < 2) throw new FrostlineError(`${classes.length} classes are given, at least 2 are expected.`);
  const at = network.nodes.findLastIndex((node) => node.parameters['weight'] !== undefined);
  if (at < 0) throw new FrostlineError(`${network.name} has no learnable layer that could be replaced.`);
  const old = network.nodes[at];
  const weight = old.parameters['weight']!;
  const bias = old.parameters['bias'] ?? `${old.name}.bias`;
  const shared = (node: Node) => Object.values(rolesOf(node)).some((name) => name === weight || name === bias);
  if (network.nodes.some((node) => node !== old && shared(node))) {
    throw new FrostlineError(`layer '${old.name}' shares its parameters with another one and cannot be replaced.`);
  }
  const shape = network.parameters.get(weight)!.shape;
  if (old.op.kind === 'conv2d' && old.op.groups !== 1) {
    throw new FrostlineError(`layer '${old.name}' is a convolution in ${old.op.groups} groups and no classifier.`);
  }
  const newShape = [classes.length, ...shape.slice(1)];
  const parameters = new Map(network.parameters);
  parameters.set(weight, glorotUniform(newShape, seed, weight));
  parameters.set(bias, zeros([classes.length]));
  const nodes = network.nodes.map((node, i): Node => {
    if (i === at) return { ...node, parameters: { ...node.parameters, bias } };
    if (i > at && node.op.kind === 'reshape') {
      // The old number of classes is baked in, once: [1000, 1, 1] -> [2, 1, 1].
      const place = node.op.shape.indexOf(shape[0]);
      return place < 0 ? node : { ...node, op: { kind: 'reshape', shape: node.op.shape.with(place, classes.length) } };
    }
    return node;
  });
  const replaced: Network = { ...network, nodes, parameters, labels: [...classes] };
  const [, ...output] = inferShapes(replaced, 1).get(network.outputs[0])!;
  if (count(output) !== classes.length) {
    throw new FrostlineError(
      `with ${classes.length} classes in its last learnable layer, '${old.name}', ${network.name} gives ` +
        `[${output.join(', ')}] an item; one value a class is expected of a classifier.`,
    );
  }
  return { network: replaced, newParameters: [weight, bias] };
}
