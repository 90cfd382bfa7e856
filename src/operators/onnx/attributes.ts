import { FrostlineError } from '../../errors.ts';
import type { AttributeValues, OnnxNode } from '../../onnx/model.ts';

/** An attribute's value, or undefined when it is not there. Throws FrostlineError when it has another type. */
export function attribute<T extends keyof AttributeValues>(
  node: OnnxNode,
  name: string,
  type: T,
): AttributeValues[T] | undefined {
  const found = node.attributes.get(name);
  if (found === undefined) return undefined;
  if (found.type !== type) {
    throw new FrostlineError(
      `${describeNode(node)}: attribute '${name}' is of type ${found.type}, ${type} is expected. Export the model again.`,
    );
  }
  return found.value as AttributeValues[T];
}

/** How messages name a node: by its name, or by the value it makes. */
export function describeNode(node: OnnxNode): string {
  if (node.name) return `node '${node.name}' (${node.opType})`;
  const [made] = node.outputs.filter((value) => value !== '');
  return made === undefined ? `a ${node.opType} node` : `the ${node.opType} node that makes '${made}'`;
}

/** ONNX's number of the type that a Cast makes, which before operator set 6 stands by name. */
export function castsTo(node: OnnxNode): number | undefined {
  if (node.attributes.get('to')?.type !== 'string') return attribute(node, 'to', 'int');
  return { FLOAT: 1, INT32: 6, INT64: 7 }[attribute(node, 'to', 'string')!];
}
