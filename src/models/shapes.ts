/** Shapes of all activations of a network, before anything is built: a mistake is named here, not on the GPU. */
import { FrostlineError } from '../errors.ts';
import { withinLimit } from '../limits.ts';
import { asked, checkAttributes, count, type Role, refuse } from '../operators/operator.ts';
import type { OperatorSet } from '../operators/registry.ts';
import { type Network, type Node, operatorOf, operatorsOf, type ParameterValue, rolesOf } from './network.ts';

export type Shape = readonly number[];
export { count };

/**
 * The shape of every activation, inputs included, with the batch first.
 *
 * @throws FrostlineError naming node, value, what was found and what was expected
 */
export function inferShapes(network: Network, batch: number): Map<string, number[]> {
  if (!Number.isInteger(batch) || batch < 1) throw new FrostlineError(`the batch is ${batch}, at least 1 is expected.`);
  const shapes = new Map<string, Shape>(network.inputs.map(({ name, shape }) => [name, shape]));
  for (const node of network.nodes) {
    const inputs = node.inputs.map((value) => {
      const shape = shapes.get(value);
      if (shape === undefined) throw failure(node, `reads '${value}', which no earlier node makes`, 'Sort the nodes.');
      return shape;
    });
    for (const [output, shape] of outputShapes(node, inputs, network.parameters, operatorsOf(network))) {
      if (shapes.has(output)) throw failure(node, `makes '${output}' a second time`, 'Rename the value.');
      shapes.set(output, shape);
    }
  }
  for (const output of network.outputs) {
    if (!shapes.has(output)) throw new FrostlineError(`the network's output '${output}' is made by no node.`);
  }
  return new Map([...shapes].map(([name, shape]) => [name, [batch, ...shape]]));
}

/**
 * The shapes that a node makes of its inputs' shapes, by the names of its outputs; all without the batch.
 *
 * @throws FrostlineError when inputs, parameters and options do not fit each other
 */
export function outputShapes(
  node: Node,
  inputs: readonly Shape[],
  parameters: ReadonlyMap<string, ParameterValue>,
  operators: OperatorSet,
): ReadonlyMap<string, Shape> {
  const operator = operatorOf({ operators }, node);
  const outputs = node.outputs;
  const shapes = asked(`layer '${node.name}' (${node.op.kind})`, () => {
    const { kind: _, ...attributes } = node.op;
    checkAttributes(operator.attributes, attributes);
    const wanted = operator.inputs === 'several' ? Math.max(inputs.length, 1) : operator.inputs;
    if (inputs.length !== wanted)
      refuse(`has ${inputs.length} activations as input`, `${wanted === 1 ? 'One is' : `${wanted} are`} expected.`);
    if (outputs.length > operator.outputs) refuse(`has ${outputs.length} outputs`, `It makes ${operator.outputs}.`);
    const roles = Object.entries(rolesOf(node)).map(([role, name]) => {
      const shape = parameters.get(name)?.shape;
      if (shape === undefined) refuse(`has no parameter '${name}'`, 'Add its values.');
      return [role, { name, shape }] as const;
    });
    for (const [role, { kind, ...rest }] of Object.entries<Role>(operator.parameters)) {
      const given = roles.some(([one]) => one === role);
      if (!given && !('optional' in rest && rest.optional))
        refuse(`has no parameter '${role}'`, `Add its values (${kind}).`);
    }
    const values = inputs.map((shape, i) => ({ name: node.inputs[i], shape }));
    return operator.shape({ attributes, inputs: values, parameters: Object.fromEntries(roles) });
  });
  for (const shape of shapes) withinLimit('activation-values', count(shape), `layer '${node.name}' makes`);
  return new Map(outputs.map((output, i) => [output, shapes[i]] as const).filter(([output]) => output !== ''));
}

function failure(node: Node, found: string, expected: string): FrostlineError {
  return new FrostlineError(`layer '${node.name}' (${node.op.kind}) ${found}. ${expected}`);
}
