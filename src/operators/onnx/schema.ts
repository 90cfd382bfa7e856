/**
 * ONNX's own operators as each operator set has them: how many inputs and outputs, which attributes of which type. What
 * does not follow its schema is refused by name, before anything is made of it: another runtime would read it otherwise.
 *
 * Of each version that changed anything of this: its operator set, inputs > outputs, attributes. `2-3` is from 2 to 3,
 * `1-` any number from 1 on; an attribute's type is a letter (see `types`), `!` says that it must be there.
 * Source: https://onnx.ai/onnx/operators/. Operators that are not here are supported nowhere.
 */
import { FrostlineError } from '../../errors.ts';
import type { Attribute, OnnxNode } from '../../onnx/model.ts';
import { describeNode } from './attributes.ts';
import { refuse } from './reading.ts';

/** The newest operator set whose changes stand below. */
export const newestOpset = 28;

const schemas: Readonly<Record<string, string>> = {
  Abs: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Acos: '7 1 > 1',
  Acosh: '9 1 > 1',
  Add: '1 2 > 1 axis:i broadcast:i consumed_inputs:I; 6 2 > 1 axis:i broadcast:i; 7 2 > 1',
  And: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  ArgMax: '1 1 > 1 axis:i keepdims:i; 12 1 > 1 axis:i keepdims:i select_last_index:i',
  ArgMin: '1 1 > 1 axis:i keepdims:i; 12 1 > 1 axis:i keepdims:i select_last_index:i',
  Asin: '7 1 > 1',
  Asinh: '9 1 > 1',
  Atan: '7 1 > 1',
  Atanh: '9 1 > 1',
  AveragePool:
    '1 1 > 1 auto_pad:s kernel_shape:I! pads:I strides:I; 7 1 > 1 auto_pad:s count_include_pad:i kernel_shape:I! pads:I strides:I; 10 1 > 1 auto_pad:s ceil_mode:i count_include_pad:i kernel_shape:I! pads:I strides:I; 19 1 > 1 auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I! pads:I strides:I',
  BatchNormalization:
    '1 5 > 1-5 consumed_inputs:I! epsilon:f is_test:i momentum:f spatial:i; 6 5 > 1-5 epsilon:f is_test:i momentum:f spatial:i; 7 5 > 1-5 epsilon:f momentum:f spatial:i; 9 5 > 1-5 epsilon:f momentum:f; 14 5 > 1-3 epsilon:f momentum:f training_mode:i',
  Cast: '1 1 > 1 to:s!; 6 1 > 1 to:i!; 19 1 > 1 saturate:i to:i!; 24 1 > 1 round_mode:s saturate:i to:i!',
  CastLike: '15 2 > 1; 19 2 > 1 saturate:i; 24 2 > 1 round_mode:s saturate:i',
  Ceil: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Clip: '1 1 > 1 consumed_inputs:I max:f min:f; 6 1 > 1 max:f min:f; 11 1-3 > 1',
  Concat: '1 1- > 1 axis:i; 4 1- > 1 axis:i!',
  Constant:
    '1 0 > 1 value:t!; 11 0 > 1 sparse_value:x value:t; 12 0 > 1 sparse_value:x value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s value_strings:S',
  ConstantOfShape: '9 1 > 1 value:t',
  Conv: '1 2-3 > 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I',
  Cos: '7 1 > 1',
  Cosh: '9 1 > 1',
  CumSum: '11 2 > 1 exclusive:i reverse:i',
  DepthToSpace: '1 1 > 1 blocksize:i!; 11 1 > 1 blocksize:i! mode:s',
  DequantizeLinear:
    '10 2-3 > 1; 13 2-3 > 1 axis:i; 21 2-3 > 1 axis:i block_size:i; 23 2-3 > 1 axis:i block_size:i output_dtype:i',
  Div: '1 2 > 1 axis:i broadcast:i consumed_inputs:I; 6 2 > 1 axis:i broadcast:i; 7 2 > 1',
  Dropout:
    '1 1 > 1-2 consumed_inputs:I is_test:i ratio:f; 6 1 > 1-2 is_test:i ratio:f; 7 1 > 1-2 ratio:f; 12 1-3 > 1-2 seed:i',
  Elu: '1 1 > 1 alpha:f consumed_inputs:I; 6 1 > 1 alpha:f',
  Equal: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  Erf: '9 1 > 1',
  Exp: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Expand: '8 2 > 1',
  EyeLike: '9 1 > 1 dtype:i k:i',
  Flatten: '1 1 > 1 axis:i',
  Floor: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Gather: '1 2 > 1 axis:i',
  GatherElements: '11 2 > 1 axis:i',
  Gemm: '1 3 > 1 alpha:f beta:f broadcast:i transA:i transB:i; 7 3 > 1 alpha:f beta:f transA:i transB:i; 11 2-3 > 1 alpha:f beta:f transA:i transB:i',
  GlobalAveragePool: '1 1 > 1',
  GlobalMaxPool: '1 1 > 1',
  Greater: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  GreaterOrEqual: '12 2 > 1',
  HardSigmoid: '1 1 > 1 alpha:f beta:f consumed_inputs:I; 6 1 > 1 alpha:f beta:f',
  HardSwish: '14 1 > 1',
  Identity: '1 1 > 1',
  If: '1 1 > 1- else_branch:g! then_branch:g!',
  IsInf: '10 1 > 1 detect_negative:i detect_positive:i',
  IsNaN: '9 1 > 1',
  LRN: '1 1 > 1 alpha:f beta:f bias:f size:i!',
  LeakyRelu: '1 1 > 1 alpha:f consumed_inputs:I; 6 1 > 1 alpha:f',
  Less: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  LessOrEqual: '12 2 > 1',
  Log: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  LogSoftmax: '1 1 > 1 axis:i',
  MatMul: '1 2 > 1',
  Max: '1 1- > 1 consumed_inputs:I; 6 1- > 1',
  MaxPool:
    '1 1 > 1 auto_pad:s kernel_shape:I! pads:I strides:I; 8 1 > 1-2 auto_pad:s kernel_shape:I! pads:I storage_order:i strides:I; 10 1 > 1-2 auto_pad:s ceil_mode:i dilations:I kernel_shape:I! pads:I storage_order:i strides:I',
  Mean: '1 1- > 1 consumed_inputs:I; 6 1- > 1',
  Min: '1 1- > 1 consumed_inputs:I; 6 1- > 1',
  Mod: '10 2 > 1 fmod:i',
  Mul: '1 2 > 1 axis:i broadcast:i consumed_inputs:I; 6 2 > 1 axis:i broadcast:i; 7 2 > 1',
  Neg: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Not: '1 1 > 1',
  OneHot: '9 3 > 1 axis:i',
  Or: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  PRelu: '1 2 > 1 consumed_inputs:I; 6 2 > 1',
  Pad: '1 1 > 1 mode:s paddings:I! value:f; 2 1 > 1 mode:s pads:I! value:f; 11 2-3 > 1 mode:s; 18 2-4 > 1 mode:s',
  Pow: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
  Range: '11 3 > 1; 27 3 > 1 stash_type:i',
  Reciprocal: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  ReduceL1: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceL2: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceLogSum: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceLogSumExp: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceMax: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceMean: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceMin: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceProd: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceSum: '1 1 > 1 axes:I keepdims:i; 13 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  ReduceSumSquare: '1 1 > 1 axes:I keepdims:i; 18 1-2 > 1 keepdims:i noop_with_empty_axes:i',
  Relu: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Reshape: '1 1 > 1 consumed_inputs:I shape:I; 5 2 > 1; 14 2 > 1 allowzero:i',
  Round: '11 1 > 1',
  Selu: '1 1 > 1 alpha:f consumed_inputs:I gamma:f; 6 1 > 1 alpha:f gamma:f',
  Shape: '1 1 > 1; 15 1 > 1 end:i start:i',
  Sigmoid: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Sign: '9 1 > 1',
  Sin: '7 1 > 1',
  Sinh: '9 1 > 1',
  Size: '1 1 > 1',
  Slice: '1 1 > 1 axes:I ends:I! starts:I!; 10 3-5 > 1',
  Softmax: '1 1 > 1 axis:i',
  Softplus: '1 1 > 1',
  Softsign: '1 1 > 1',
  SpaceToDepth: '1 1 > 1 blocksize:i!; 28 1 > 1 blocksize:i! mode:s',
  Split: '1 1-2 > 1- axis:i split:I; 2 1 > 1- axis:i split:I; 13 1-2 > 1- axis:i; 18 1-2 > 1- axis:i num_outputs:i',
  Sqrt: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  Squeeze: '1 1 > 1 axes:I; 13 1-2 > 1',
  Sub: '1 2 > 1 axis:i broadcast:i consumed_inputs:I; 6 2 > 1 axis:i broadcast:i; 7 2 > 1',
  Sum: '1 1- > 1 consumed_inputs:I; 6 1- > 1',
  Swish: '24 1 > 1 alpha:f',
  Tan: '7 1 > 1',
  Tanh: '1 1 > 1 consumed_inputs:I; 6 1 > 1',
  ThresholdedRelu: '10 1 > 1 alpha:f',
  Tile: '1 3 > 1; 6 2 > 1',
  Transpose: '1 1 > 1 perm:I',
  Trilu: '14 1-2 > 1 upper:i',
  Unsqueeze: '1 1 > 1 axes:I!; 13 2 > 1',
  Where: '9 3 > 1',
  Xor: '1 2 > 1 axis:i broadcast:i; 7 2 > 1',
};

const types: Readonly<Record<string, readonly Attribute['type'][]>> = {
  f: ['float'],
  i: ['int'],
  s: ['string'],
  t: ['tensor'],
  g: ['graph'],
  F: ['floats'],
  I: ['ints'],
  S: ['strings'],
  // Sparse tensors and types have no values here.
  x: ['opaque'],
};

interface Version {
  readonly since: number;
  readonly inputs: Range;
  readonly outputs: Range;
  readonly attributes: ReadonlyMap<string, { readonly type: string; readonly required: boolean }>;
}
type Range = readonly [least: number, most: number];

function range(text: string): Range {
  const [least, most = least] = text.split('-');
  return [Number(least), most === '' ? Number.POSITIVE_INFINITY : Number(most)];
}

function parsed(text: string): Version[] {
  return text.split('; ').map((version) => {
    const [since, inputs, , outputs, ...attributes] = version.split(' ');
    const named = attributes.map((one) => {
      const [name, type] = one.split(':');
      return [name, { type: type[0], required: type.endsWith('!') }] as const;
    });
    return { since: Number(since), inputs: range(inputs), outputs: range(outputs), attributes: new Map(named) };
  });
}

const versions: ReadonlyMap<string, readonly Version[]> = new Map(
  Object.entries(schemas).map(([opType, text]) => [opType, parsed(text)]),
);

/** The schema of an operator in an operator set, for tests; undefined where it has none. */
export const schemaOf = (opType: string, opset: number): Version | undefined =>
  versions.get(opType)?.findLast(({ since }) => since <= opset);

/** Operators with schemas, for tests. */
export const schemaNames: readonly string[] = [...versions.keys()];

const shown = ([least, most]: Range, what: string) => {
  const count =
    most === least ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
  return `${count} ${what}${count === '1' ? '' : 's'}`;
};

/**
 * Refuses a node that is none of its operator's in this operator set. Nodes of other domains, and of operators that are
 * not supported, are not judged.
 *
 * @throws FrostlineError naming the node, what it has and what the schema asks
 */
export function checkSchema(node: OnnxNode, opset: number): void {
  const known = node.domain === '' ? versions.get(node.opType) : undefined;
  if (known === undefined) return;
  const schema = known.findLast(({ since }) => since <= opset);
  if (schema === undefined) {
    throw refuse(
      node,
      `is of operator set ${known[0].since} or later, the model is of ${opset}`,
      'Export it again; its operator set is wrong.',
    );
  }
  const rule = `Operator set ${opset} has`;
  const inputs = node.inputs.length;
  if (inputs < schema.inputs[0] || inputs > schema.inputs[1])
    throw refuse(node, `has ${inputs} inputs`, `${rule} ${shown(schema.inputs, 'input')}.`);
  const missing = node.inputs.slice(0, schema.inputs[0]).indexOf('');
  if (missing >= 0 && node.opType !== 'Concat')
    throw refuse(node, `leaves out input ${missing + 1}`, `${rule} ${shown(schema.inputs, 'input')}.`);
  checkAttributes(node, schema, rule);
}

/** As `checkSchema`, of the number of outputs: what a node computes is judged before what is made of it. */
export function checkOutputs(node: OnnxNode, opset: number): void {
  const schema = node.domain === '' ? schemaOf(node.opType, opset) : undefined;
  if (schema === undefined) return;
  const outputs = node.outputs.length;
  if (outputs < schema.outputs[0] || outputs > schema.outputs[1])
    throw refuse(node, `has ${outputs} outputs`, `Operator set ${opset} has ${shown(schema.outputs, 'output')}.`);
}

function checkAttributes(node: OnnxNode, { attributes }: Version, rule: string): void {
  for (const [name, { type }] of node.attributes) {
    // Names that begin so are a tool's own; consumed_inputs was a hint for memory.
    if (name.startsWith('__')) continue;
    const known = attributes.get(name);
    if (known === undefined) {
      const names = [...attributes.keys()].join(', ') || 'none';
      throw refuse(node, `has an attribute '${name}'`, `${rule} ${names}.`);
    }
    if (!types[known.type].includes(type)) {
      throw new FrostlineError(
        `${describeNode(node)}: attribute '${name}' is of type ${type}, ${types[known.type].join(' or ')} is expected. ` +
          'Export the model again.',
      );
    }
  }
  for (const [name, { required }] of attributes) {
    if (required && name !== 'consumed_inputs' && !node.attributes.has(name))
      throw refuse(node, `has no ${name}`, `${rule} it for every ${node.opType}.`);
  }
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
    throw refuse(
      node,
      `has axis ${axis.value} for ${rank} dimensions`,
      `From ${-rank} to ${rank - 1 + more} is expected.`,
    );
  const perm = given('perm');
  if (node.opType === 'Transpose' && perm?.type === 'ints') {
    const sorted = [...perm.value].sort((a, b) => a - b);
    if (sorted.length !== rank || sorted.some((one, i) => one !== i))
      throw refuse(node, `has perm [${perm.value}] for ${rank} dimensions`, 'Each dimension is expected once.');
  }
  const attribute = given('axes');
  const all = attribute?.type === 'ints' ? attribute.value : (axes ?? []);
  const dims = node.opType === 'Unsqueeze' ? rank + all.length : reduces.test(node.opType) ? rank : undefined;
  if (dims === undefined) return;
  const places = all.map((one) => (one < 0 ? one + dims : one));
  if (places.some((one) => !(one >= 0 && one < dims)) || new Set(places).size !== places.length)
    throw refuse(
      node,
      `has axes [${all}] for ${dims} dimensions`,
      `From ${-dims} to ${dims - 1}, each once, is expected.`,
    );
}
