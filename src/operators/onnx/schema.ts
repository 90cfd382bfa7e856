/**
 * Nodes held to their operators' schemas: what does not follow is refused by name, before anything is made of it. Another
 * runtime would refuse it, or read it otherwise.
 */
import { FrostlineError } from '../../errors.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import { describeNode } from './attributes.ts';
import { refuse } from './reading.ts';
import { rangeOf, type Schema, schemaOf, versionsOf } from './schema-table.ts';

const shown = ([least, most]: readonly [number, number], what: string) => {
  const count =
    most === least ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
  return `${count} ${what}${count === '1' ? '' : 's'}`;
};

/**
 * Refuses a node that is none of its operator's in this operator set: in the number of its inputs and outputs, and in its
 * attributes. Nodes of other domains, and of operators that are not supported, are not judged.
 *
 * @throws FrostlineError naming the node, what it has and what the schema asks
 */
export function checkSchema(node: OnnxNode, opset: number): void {
  const known = node.domain === '' ? versionsOf(node.opType) : undefined;
  if (known === undefined) return;
  const schema = schemaOf(node.opType, opset);
  if (schema === undefined) {
    refuse(
      node,
      `is of operator set ${known[0].since} or later, the model is of ${opset}`,
      'Export it again; its operator set is wrong.',
    );
  }
  const rule = `Operator set ${opset} has`;
  for (const what of ['input', 'output'] as const) {
    const given = node[`${what}s`];
    const range = rangeOf(schema[`${what}s`]);
    if (given.length < range[0] || given.length > range[1])
      refuse(node, `has ${given.length} ${what}s`, `${rule} ${shown(range, what)}.`);
    // Concat joins what is there.
    const missing = node.opType === 'Concat' ? -1 : given.slice(0, range[0]).indexOf('');
    if (missing >= 0) refuse(node, `leaves out ${what} ${missing + 1}`, `${rule} ${shown(range, what)}.`);
  }
  checkAttributes(node, schema, rule);
}

function checkAttributes(node: OnnxNode, { attributes }: Schema, rule: string): void {
  for (const [name, given] of node.attributes) {
    // Names that begin so are a tool's own; consumed_inputs was a hint for memory.
    if (name.startsWith('__')) continue;
    const known = attributes.get(name);
    if (known === undefined) {
      const names = [...attributes.keys()].join(', ') || 'none';
      refuse(node, `has an attribute '${name}'`, `${rule} ${names}.`);
    }
    if (known.type !== given.type) {
      throw new FrostlineError(
        `${describeNode(node)}: attribute '${name}' is of type ${given.type}, ${known.type} is expected. ` +
          'Export the model again.',
      );
    }
    if (known.allows !== undefined && 'value' in given && !known.allows(given.value)) {
      const text = String(given.value);
      const value = given.type === 'string' ? `'${text}'` : given.type === 'ints' ? `[${text}]` : text;
      refuse(node, `has ${name} ${value}`, `${known.expected} is expected: correct it, or export the model again.`);
    }
  }
  for (const [name, { required }] of attributes) {
    if (required && name !== 'consumed_inputs' && !node.attributes.has(name))
      refuse(node, `has no ${name}`, `${rule} it for every ${node.opType}.`);
  }
}

/** Inputs that are lists, of one dimension, by their places; where a Reduce or Squeeze has its axes as an attribute, none is. */
const lists: Readonly<Record<string, readonly number[]>> = {
  ...{ ConstantOfShape: [0], Expand: [1], Pad: [1, 3], Reshape: [1], Slice: [1, 2, 3, 4], Split: [1], Squeeze: [1] },
  ...{ Tile: [1], TopK: [1] },
};

/** Refuses what is no list where one is expected: a single number, or a table. */
export function checkLists(node: OnnxNode, shapes: readonly (readonly Size[] | undefined)[]): void {
  if (node.domain !== '') return;
  const places = lists[node.opType] ?? (node.opType.startsWith('Reduce') ? [1] : []);
  for (const place of places) {
    const shape = shapes[place];
    if (shape !== undefined && shape.length !== 1) {
      const found = `reads '${node.inputs[place]}' of shape [${shape}] as its input ${place + 1}`;
      refuse(node, found, 'A list is expected, of one dimension: export the model again.');
    }
  }
}

/** One size of a shape; of the batch it is not known here. */
type Size = number | 'batch';

/** Operators that combine operands of equal shapes alone, before they had an attribute or rule for it. */
const equalBefore8 = ['Sum', 'Mean', 'Max', 'Min'];

/**
 * Refuses operands that old operator sets do not combine. Before 7 the second operand of arithmetic and comparisons is laid
 * along the first one where `broadcast` says so, from `axis` on or at the end; before 8 those of Sum, Mean, Max and Min
 * are of one shape.
 *
 * @param shapes of the operands, the batch included; undefined where one is not known
 */
export function checkBroadcast(node: OnnxNode, opset: number, shapes: readonly (readonly Size[] | undefined)[]): void {
  if (node.domain !== '' || opset >= 8 || shapes.includes(undefined)) return;
  const limited = schemaOf(node.opType, opset)?.attributes.has('broadcast') ?? false;
  if (!limited && !equalBefore8.includes(node.opType)) return;
  const [first, ...others] = shapes as readonly (readonly Size[])[];
  const given = (name: string) => {
    const found = node.attributes.get(name);
    return found?.type === 'int' ? found.value : undefined;
  };
  const laid = limited && given('broadcast') === 1;
  const alike = (a: Size, b: Size) => a === b || a === 'batch' || b === 'batch';
  const fits = (other: readonly Size[], i: number) => {
    // Its third operand is laid along the product, of two dimensions.
    if (node.opType === 'Gemm') return i === 0 || laid || other.length === 2;
    if (!laid) return other.length === first.length && other.every((size, d) => alike(size, first[d]));
    const axis = given('axis') ?? first.length - other.length;
    const from = axis < 0 ? axis + first.length : axis;
    return other.every((size, d) => size === 1 || (from + d < first.length && alike(size, first[from + d])));
  };
  const other = others.find((one, i) => !fits(one, i));
  if (other === undefined) return;
  refuse(
    node,
    `combines [${first.join(', ')}] with [${other.join(', ')}]${limited && !laid ? ' without broadcast=1' : ''}`,
    `Operator set ${opset} does not. Convert the model: onnx.version_converter.convert_version(model, 13)`,
  );
}

/** How many dimensions an axis may name, of an operator whose first input has `rank`: one more between dimensions. */
const axisRank: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    ['Softmax', 'LogSoftmax', 'Concat', 'ArgMax', 'ArgMin', 'Gather', 'GatherElements', 'Split'].map((name) => [
      name,
      0,
    ]),
  ),
  Flatten: 1,
};

const reduces = /^(Reduce|Squeeze$)/;

/**
 * Refuses axes that the first input, of so many dimensions with its batch, does not have.
 *
 * @param axes those that are an input, where they are constants
 */
export function checkAxes(node: OnnxNode, rank: number, axes: readonly number[] | undefined): void {
  if (node.domain !== '') return;
  const given = (name: string) => node.attributes.get(name);
  const inside = (axis: number, most: number) => axis >= -rank && axis < most;
  const axis = given('axis');
  const more = axisRank[node.opType];
  if (axis?.type === 'int' && more !== undefined && !inside(axis.value, rank + more))
    refuse(node, `has axis ${axis.value} for ${rank} dimensions`, `From ${-rank} to ${rank - 1 + more} is expected.`);
  const perm = given('perm');
  if (node.opType === 'Transpose' && perm?.type === 'ints') {
    const sorted = [...perm.value].sort((a, b) => a - b);
    if (sorted.length !== rank || sorted.some((one, i) => one !== i))
      refuse(node, `has perm [${perm.value}] for ${rank} dimensions`, 'Each dimension is expected once.');
  }
  const attribute = given('axes');
  const all = attribute?.type === 'ints' ? attribute.value : (axes ?? []);
  const dims = node.opType === 'Unsqueeze' ? rank + all.length : reduces.test(node.opType) ? rank : undefined;
  if (dims === undefined) return;
  const places = all.map((one) => (one < 0 ? one + dims : one));
  if (places.some((one) => !(one >= 0 && one < dims)) || new Set(places).size !== places.length)
    refuse(node, `has axes [${all}] for ${dims} dimensions`, `From ${-dims} to ${dims - 1}, each once, is expected.`);
}
