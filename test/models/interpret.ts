/** A plain float64 interpreter of networks for inference, by the operators' references. */
import { type Network, operatorOf, rolesOf } from '../../src/models/network.ts';
import { inferShapes } from '../../src/models/shapes.ts';

export function interpret(network: Network, inputs: Record<string, ArrayLike<number>>, batch: number): Float64Array[] {
  const shapes = inferShapes(network, batch);
  const values = new Map<string, Float64Array>(Object.entries(inputs).map(([name, x]) => [name, Float64Array.from(x)]));
  for (const node of network.nodes) {
    const roles = Object.entries(rolesOf(node)).map(([role, name]) => [role, network.parameters.get(name)!] as const);
    const { outputs } = node;
    const made = operatorOf(network, node).reference({
      attributes: node.op,
      inputs: node.inputs.map((name) => ({ name, shape: shapes.get(name)! })),
      parameters: Object.fromEntries(roles.map(([role, { shape }]) => [role, { name: role, shape }])),
      values: node.inputs.map((name) => values.get(name)!),
      weights: Object.fromEntries(roles.map(([role, { data }]) => [role, data])),
      batch,
      outputs: outputs.map((name) => shapes.get(name)!),
    });
    outputs.forEach((name, i) => {
      values.set(name, Float64Array.from(made[i]));
    });
  }
  return network.outputs.map((name) => values.get(name)!);
}
