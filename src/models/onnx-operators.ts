/** Each supported ONNX operator as a node of a network. Traps of real files are noted where they are met. */
import { FrostlineError } from '../errors.ts';
import type { OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import type { Op, Pads, Pair } from './network.ts';
import { attribute, describeNode } from './onnx-attributes.ts';
import { type Constants, transposed } from './onnx-constants.ts';
import { count, type Shape } from './shapes.ts';

/** What an operator becomes. Parameters are tensors in the layout that the network's operation wants. */
export interface Translation {
  readonly op: Op;
  /** Activations read. */
  readonly inputs: readonly string[];
  readonly weight?: Parameter;
  readonly bias?: Parameter;
}

export interface Parameter {
  /** The initialiser's name. */
  readonly name: string;
  readonly tensor: OnnxTensor;
}

export interface Surroundings {
  readonly opset: number;
  /** 1 where the batch comes first in every shape of the file, 0 where the graph is one item. */
  readonly lead: 0 | 1;
  readonly constants: Constants;
  /** Shape of an activation's item; refuses a value that is no activation. */
  shapeOf(value: string, node: OnnxNode): Shape;
  isActivation(value: string): boolean;
  /** Whether any node or the graph's outputs read the value. */
  isRead(value: string): boolean;
}

type Translate = (node: OnnxNode, around: Surroundings) => Translation;

export function refuse(node: OnnxNode, found: string, remedy: string): FrostlineError {
  return new FrostlineError(`${describeNode(node)} ${found}. ${remedy}`);
}

const operators: Record<string, Translate> = {
  Conv: convolution,
  Gemm: gemm,
  MatMul: matMul,
  Relu: (node) => plain(node, { kind: 'relu' }),
  Clip: clipping,
  BatchNormalization: batchNormalization,
  Pad: padded,
  LRN: (node) => {
    const size = attribute(node, 'size', 'int');
    if (size === undefined) throw refuse(node, 'has no size', 'Export the model again.');
    return plain(node, {
      kind: 'lrn',
      size,
      alpha: attribute(node, 'alpha', 'float') ?? 1e-4,
      beta: attribute(node, 'beta', 'float') ?? 0.75,
      bias: attribute(node, 'bias', 'float') ?? 1,
    });
  },
  MaxPool: (node, around) => {
    if (node.outputs[1] && around.isRead(node.outputs[1])) {
      throw refuse(node, `hands on the places of its maxima ('${node.outputs[1]}')`, 'That output is not supported.');
    }
    const kernel = kernelShape(node);
    const dilations = pair(node, 'dilations', [1, 1]);
    const strides = pair(node, 'strides', [1, 1]);
    const pads = padding(node, around, kernel, strides, dilations);
    return plain(node, { kind: 'maxPool', kernel, strides, pads, dilations, ceilMode: flag(node, 'ceil_mode') });
  },
  AveragePool: (node, around) => {
    const kernel = kernelShape(node);
    const strides = pair(node, 'strides', [1, 1]);
    const dilations = pair(node, 'dilations', [1, 1]);
    if (!isOne(dilations)) throw refuse(node, `has dilations [${dilations}]`, 'Only [1, 1] is supported.');
    const pads = padding(node, around, kernel, strides, dilations);
    // torchvision's adaptive pool at the size the network was made for.
    if (isOne(kernel) && isOne(strides) && pads.every((pad) => pad === 0)) return plain(node, { kind: 'identity' });
    const ceilMode = flag(node, 'ceil_mode');
    const countIncludePad = flag(node, 'count_include_pad');
    return plain(node, { kind: 'averagePool', kernel, strides, pads, ceilMode, countIncludePad });
  },
  GlobalAveragePool: (node, around) => {
    const shape = around.shapeOf(node.inputs[0], node);
    return plain(node, { kind: shape.length === 3 && count(shape.slice(1)) === 1 ? 'identity' : 'globalAveragePool' });
  },
  GlobalMaxPool: (node, around) => {
    const [, height, width] = around.shapeOf(node.inputs[0], node);
    if (width === undefined) throw refuse(node, 'pools no image', 'Two spatial dimensions are expected.');
    const window = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
    return plain(node, { kind: 'maxPool', kernel: [height, width], ...window, ceilMode: false });
  },
  Dropout: (node, around) => {
    if (node.outputs[1] && around.isRead(node.outputs[1])) {
      throw refuse(node, `hands on its mask ('${node.outputs[1]}')`, 'That output is not supported.');
    }
    // An attribute before opset 12, an input since; is_test and training_mode are the run's business.
    let ratio = attribute(node, 'ratio', 'float') ?? 0.5;
    if (node.inputs[1]) {
      const given = around.constants.tensor(node.inputs[1]);
      if (given === undefined) throw refuse(node, `computes its ratio '${node.inputs[1]}'`, 'A constant is expected.');
      ratio = given.toFloat32()[0];
    }
    return plain(node, { kind: 'dropout', ratio });
  },
  Softmax: (node, around) => softmax(node, around, 'softmax'),
  LogSoftmax: (node, around) => softmax(node, around, 'logSoftmax'),
  Flatten: (node, around) => {
    const shape = around.shapeOf(node.inputs[0], node);
    const axis = fromFront(attribute(node, 'axis', 'int') ?? 1, shape.length + around.lead);
    if (around.lead === 0) return toShape(node, [count(shape.slice(0, axis)), count(shape.slice(axis))]);
    if (axis < 1 || count(shape.slice(0, axis - 1)) !== 1) {
      throw refuse(node, `flattens from axis ${axis}, which mixes images of a batch`, 'Axis 1 is expected.');
    }
    return plain(node, { kind: 'flatten' });
  },
  Reshape: reshape,
  Squeeze: (node, around) => {
    const shape = around.shapeOf(node.inputs[0], node);
    const axes = axesOf(node, around)?.map((axis) => itemAxis(axis, shape, around));
    if (axes?.some((axis) => shape[axis] !== 1)) {
      throw refuse(
        node,
        `removes dimensions [${axes}] of items of shape [${shape}] (-1 is the batch)`,
        'They must be 1, without the batch.',
      );
    }
    return toShape(
      node,
      shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
    );
  },
  Unsqueeze: (node, around) => {
    const shape = around.shapeOf(node.inputs[0], node);
    const axes = axesOf(node, around) ?? [];
    const rank = shape.length + around.lead + axes.length;
    const places = axes.map((axis) => fromFront(axis, rank) - around.lead);
    if (places.includes(-1)) throw refuse(node, 'puts an axis before the batch', 'The batch must come first.');
    const rest = [...shape];
    return toShape(
      node,
      Array.from({ length: rank - around.lead }, (_, i) => (places.includes(i) ? 1 : rest.shift()!)),
    );
  },
  Transpose: (node, around) => {
    const shape = around.shapeOf(node.inputs[0], node);
    const axes = Array.from({ length: shape.length + around.lead }, (_, i) => i);
    const perm = (attribute(node, 'perm', 'ints') ?? axes.toReversed()).map((axis) => axis - around.lead);
    if (around.lead === 1 && perm.shift() !== -1) {
      throw refuse(node, `moves the batch of [batch, ${shape}]`, 'It must stay the first dimension.');
    }
    // MATLAB wraps its softmax in transposes that move axes of size 1 alone: the values stay in their order.
    const order = perm.filter((axis) => shape[axis] !== 1);
    if (order.some((axis, i) => i > 0 && axis < order[i - 1])) return plain(node, { kind: 'transpose', perm });
    return toShape(
      node,
      perm.map((axis) => shape[axis]),
    );
  },
  Concat: (node, around) => {
    const axis = itemAxis(attribute(node, 'axis', 'int') ?? 1, around.shapeOf(node.inputs[0], node), around);
    if (axis < 0) throw refuse(node, 'joins batches', 'Only dimensions of an item can be joined.');
    return { op: { kind: 'concat', ...(axis > 0 && { axis }) }, inputs: node.inputs };
  },
  Add: (node, around) => arithmetic(node, around, 'add'),
  Sub: (node, around) => arithmetic(node, around, 'subtract'),
  Mul: (node, around) => arithmetic(node, around, 'multiply'),
  Div: (node, around) => arithmetic(node, around, 'divide'),
  Identity: (node) => plain(node, { kind: 'identity' }),
  Cast: (node) => {
    if (attribute(node, 'to', 'int') !== 1) throw refuse(node, 'casts to another type', 'Activations are float32.');
    return plain(node, { kind: 'identity' });
  },
};

/** Operators of activations, and those that may only compute constants and shapes. */
export const supportedOperators: readonly string[] = [
  ...Object.keys(operators),
  ...['Sum', 'Constant', 'ConstantOfShape', 'Shape', 'Gather', 'Slice'],
].sort();

export function translate(node: OnnxNode, around: Surroundings): Translation {
  const operator = node.domain === '' && Object.hasOwn(operators, node.opType) ? operators[node.opType] : undefined;
  if (operator === undefined) {
    const shown = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    const computed = node.domain === '' && supportedOperators.includes(node.opType);
    throw refuse(
      node,
      computed ? `computes ${shown} of an activation` : `is of the unsupported operator ${shown}`,
      computed ? 'It is supported for constants and shapes alone.' : `Supported are ${supportedOperators.join(', ')}.`,
    );
  }
  if (around.lead === 0 && imageOperators.has(node.opType)) {
    throw refuse(node, 'works on a batch of images', 'Here the items of the batch are mixed.');
  }
  return operator(node, around);
}

/** Operators whose first dimension is the batch, whatever stands around them. */
const imageOperators = new Set([
  ...['Conv', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LRN', 'BatchNormalization'],
]);

function plain(node: OnnxNode, op: Op): Translation {
  return { op, inputs: [node.inputs[0]] };
}

function toShape(node: OnnxNode, shape: readonly number[]): Translation {
  return plain(node, shape.length === 1 ? { kind: 'flatten' } : { kind: 'reshape', shape });
}

function convolution(node: OnnxNode, around: Surroundings): Translation {
  const weight = parameter(node, 1, 'weight', around);
  const { dims } = weight.tensor;
  if (dims.length !== 4) {
    throw refuse(
      node,
      `has weight '${weight.name}' of shape [${dims}]`,
      '[out, in / groups, height, width] is expected: one and three spatial dimensions are not supported.',
    );
  }
  const kernel: Pair = [dims[2], dims[3]];
  const declared = attribute(node, 'kernel_shape', 'ints');
  if (declared && String(declared) !== String(kernel)) {
    throw refuse(node, `has kernel_shape [${declared}] but weight '${weight.name}' of [${dims}]`, 'Both must agree.');
  }
  const strides = pair(node, 'strides', [1, 1]);
  const dilations = pair(node, 'dilations', [1, 1]);
  const pads = padding(node, around, kernel, strides, dilations);
  const groups = attribute(node, 'group', 'int') ?? 1;
  const bias = node.inputs[2] ? { bias: parameter(node, 2, 'bias', around) } : {};
  return { op: { kind: 'conv2d', strides, pads, dilations, groups }, inputs: [node.inputs[0]], weight, ...bias };
}

/** Y = alpha A B' + beta C. The factors go into the parameters, so that a layer is x W^T + b alone. */
function gemm(node: OnnxNode, around: Surroundings): Translation {
  if (flag(node, 'transA'))
    throw refuse(node, 'has transA = 1, which makes the batch the last axis', 'transA = 0 is expected.');
  const alpha = attribute(node, 'alpha', 'float') ?? 1;
  const beta = attribute(node, 'beta', 'float') ?? 1;
  const given = parameter(node, 1, 'weight', around);
  if (given.tensor.dims.length !== 2) {
    throw refuse(node, `has weight '${given.name}' of shape [${given.tensor.dims}]`, 'A matrix is expected.');
  }
  const outFirst = flag(node, 'transB') ? given.tensor : transposed(given.tensor, given.name);
  const weight = { name: given.name, tensor: scaled(outFirst, alpha) };
  if (!node.inputs[2] || beta === 0) return { op: { kind: 'linear' }, inputs: [node.inputs[0]], weight };
  const bias = parameter(node, 2, 'bias', around);
  const tensor = scaled(asBias(node, bias, outFirst.dims[0]), beta);
  return { op: { kind: 'linear' }, inputs: [node.inputs[0]], weight, bias: { name: bias.name, tensor } };
}

/** Gemm broadcasts C to [batch, out]: [out], [1, out], [1] and a scalar are the same for all images. */
function asBias(node: OnnxNode, { name, tensor }: Parameter, out: number): OnnxTensor {
  const { dims } = tensor;
  if (dims.length > 2 || (tensor.size !== 1 && (dims.at(-1) !== out || tensor.size !== out))) {
    throw refuse(node, `has bias '${name}' of shape [${dims}]`, `[${out}] is expected, the same for all images.`);
  }
  if (dims.length === 1 && tensor.size === out) return tensor;
  return new OnnxTensor(name, [out], 'float32', () => {
    const values = tensor.toFloat32();
    return values.length === out ? values : new Float32Array(out).fill(values[0]);
  });
}

function matMul(node: OnnxNode, around: Surroundings): Translation {
  const shape = around.shapeOf(node.inputs[0], node);
  if (around.isActivation(node.inputs[1])) {
    const other = around.shapeOf(node.inputs[1], node);
    if (shape.length < 2 || other.length !== shape.length) {
      throw refuse(
        node,
        `multiplies activations of shapes [batch, ${shape}] and [batch, ${other}]`,
        'Two or more dimensions behind the batch are expected in both.',
      );
    }
    return { op: { kind: 'matMul' }, inputs: node.inputs };
  }
  const given = parameter(node, 1, 'weight', around);
  if (given.tensor.dims.length !== 2 || shape.length < 1) {
    throw refuse(
      node,
      `multiplies [batch, ${shape}] by '${given.name}' of [${given.tensor.dims}]`,
      'A constant operand must be a matrix.',
    );
  }
  const weight = { name: given.name, tensor: transposed(given.tensor, given.name) };
  const kind = shape.length === 1 && around.lead === 1 ? 'linear' : 'matMul';
  return { op: { kind }, inputs: [node.inputs[0]], weight };
}

/** Before opset 13 all axes from `axis` on are taken as one; since then `axis` alone. */
function softmax(node: OnnxNode, around: Surroundings, kind: 'softmax' | 'logSoftmax'): Translation {
  const shape = around.shapeOf(node.inputs[0], node);
  const old = around.opset < 13;
  const first = itemAxis(attribute(node, 'axis', 'int') ?? (old ? 1 : -1), shape, around);
  if (first < 0) throw refuse(node, 'normalises over the batch', 'It must be over dimensions of an item.');
  const end = old ? shape.length : first + 1;
  const all = count(shape.slice(first, end)) === count(shape);
  return plain(node, all ? { kind } : { kind, axes: [first, end] });
}

/** Pads and value are attributes before operator set 11, inputs since; 18 adds the axes that they are for. */
function padded(node: OnnxNode, around: Surroundings): Translation {
  const shape = around.shapeOf(node.inputs[0], node);
  const rank = shape.length + around.lead;
  const constant = (input: number, what: string) => {
    if (!node.inputs[input]) return undefined;
    const values = around.constants.integersOf(node.inputs[input]);
    if (values === undefined)
      throw refuse(node, `computes its ${what} '${node.inputs[input]}'`, 'Constants are expected.');
    return values;
  };
  const old = around.opset < 11;
  const pads = old ? attribute(node, around.opset < 2 ? 'paddings' : 'pads', 'ints') : constant(1, 'pads');
  const axes = (constant(3, 'axes') ?? [...Array(rank).keys()]).map((axis) => itemAxis(axis, shape, around));
  if (pads?.length !== 2 * axes.length) {
    throw refuse(node, `has pads [${pads ?? ''}] for ${axes.length} axes`, 'Two numbers an axis are expected.');
  }
  const given = old ? undefined : around.constants.tensor(node.inputs[2] ?? '');
  if (!old && node.inputs[2] && given?.size !== 1) {
    throw refuse(node, `computes its value '${node.inputs[2]}'`, 'A constant is expected.');
  }
  const value = (old ? attribute(node, 'value', 'float') : given?.toFloat32()[0]) ?? 0;
  const mode = attribute(node, 'mode', 'string') || 'constant';
  if (mode !== 'constant' && mode !== 'edge' && mode !== 'reflect') {
    throw refuse(node, `pads by '${mode}'`, 'constant, edge or reflect is expected.');
  }
  const side = (from: number) => (axis: number) => pads[from + axes.indexOf(axis)] ?? 0;
  const batch = axes.includes(-1) ? [side(0)(-1), side(axes.length)(-1)] : [];
  if (batch.some((pad) => pad !== 0)) throw refuse(node, `pads the batch by [${batch}]`, 'Only items can be padded.');
  const [before, after] = [0, axes.length].map((from) =>
    shape.map((_, axis) => (axes.includes(axis) ? side(from)(axis) : 0)),
  );
  return plain(node, { kind: 'pad', before, after, mode, value: mode === 'constant' ? value : 0 });
}

/** The batch that was used at export may be baked in, or computed by Shape and Gather: it is the first dimension anyway. */
function reshape(node: OnnxNode, around: Surroundings): Translation {
  const shape = around.shapeOf(node.inputs[0], node);
  const target = around.opset < 5 ? attribute(node, 'shape', 'ints') : around.constants.extentsOf(node.inputs[1] ?? '');
  if (target === undefined) {
    throw refuse(node, `takes its shape from '${node.inputs[1] ?? ''}'`, 'A constant shape is expected.');
  }
  const asked = `reshapes [batch, ${shape}] to [${target.join(', ')}]`;
  const copiesZero = !flag(node, 'allowzero');
  const rest = target.slice(around.lead).map((dim, i) => (dim === 0 && copiesZero ? shape[i] : dim));
  if (target.length < 1 + around.lead || rest.some((dim) => dim === 'batch' || dim === undefined)) {
    throw refuse(node, asked, 'The batch must stay the first dimension.');
  }
  const dims = rest as number[];
  const open = dims.indexOf(-1);
  if (open >= 0) dims[open] = count(shape) / count(dims.filter((dim) => dim !== -1));
  if (count(dims) !== count(shape) || dims.some((dim) => !Number.isInteger(dim) || dim < 1)) {
    throw refuse(
      node,
      asked,
      `An image has ${count(shape)} values here: give the input size the network was made for.`,
    );
  }
  return toShape(node, dims);
}

/** Of two activations, or of one and a constant. */
function arithmetic(
  node: OnnxNode,
  around: Surroundings,
  kind: 'add' | 'subtract' | 'multiply' | 'divide',
): Translation {
  if (!node.inputs.every((value) => around.isActivation(value))) return affine(node, around);
  const shapes = node.inputs.map((value) => around.shapeOf(value, node));
  if (shapes[0].length !== shapes[1].length) {
    throw refuse(
      node,
      `combines activations of ${shapes.map((shape) => `[batch, ${shape}]`).join(' and ')}`,
      'Both must have the same number of dimensions.',
    );
  }
  return { op: { kind }, inputs: node.inputs };
}

/**
 * Arithmetic with a constant: MATLAB's mean subtraction, a scale, a bias that stands alone. Constants that are the same
 * within each channel become one a channel.
 */
function affine(node: OnnxNode, around: Surroundings): Translation {
  const [left, right] = node.inputs.map((value) => around.constants.tensor(value));
  const constant = left ?? right;
  for (const value of node.inputs) if (!around.constants.has(value)) around.shapeOf(value, node);
  const activation = node.inputs[left ? 1 : 0];
  const shape = around.shapeOf(activation, node);
  if (constant === undefined) {
    throw refuse(node, `reads '${node.inputs[1]}', which is no tensor of numbers`, 'Fold it before exporting.');
  }
  const values = perImage(node, around, constant, shape);
  const ones = [1];
  const none = [0];
  const forms: Record<string, () => { scale: readonly number[]; shift: readonly number[] }> = {
    Add: () => ({ scale: ones, shift: values }),
    Sub: () => (left ? { scale: [-1], shift: values } : { scale: ones, shift: values.map((value) => -value) }),
    Mul: () => ({ scale: values, shift: none }),
    Div: () => {
      if (left) throw refuse(node, 'divides a constant by an activation', 'Only division by a constant is supported.');
      return { scale: values.map((value) => 1 / value), shift: none };
    },
  };
  return { op: { kind: 'affine', ...forms[node.opType]() }, inputs: [activation] };
}

/** Bounds are attributes before operator set 11, inputs since; one that is absent does nothing. */
function clipping(node: OnnxNode, around: Surroundings): Translation {
  const bound = (input: number, name: string, otherwise: number) => {
    if (around.opset < 11) return attribute(node, name, 'float') ?? otherwise;
    if (!node.inputs[input]) return otherwise;
    const given = around.constants.tensor(node.inputs[input]);
    if (given?.size !== 1) throw refuse(node, `computes its bound '${node.inputs[input]}'`, 'A constant is expected.');
    return given.toFloat32()[0];
  };
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY);
  return plain(node, { kind: 'clip', low, high: bound(2, 'max', Number.POSITIVE_INFINITY) });
}

/**
 * At inference a map of each channel: y = (x - mean) / sqrt(var + epsilon) * scale + bias. All of it is constant here:
 * fine-tuning leaves it as it is.
 */
function batchNormalization(node: OnnxNode, around: Surroundings): Translation {
  // Before operator set 7 training is the default.
  if (flag(node, 'training_mode') || (around.opset < 7 && !flag(node, 'is_test'))) {
    throw refuse(node, 'normalises by the statistics of the batch', 'Export the model for inference.');
  }
  if (around.opset < 9 && attribute(node, 'spatial', 'int') === 0) {
    throw refuse(node, 'has spatial = 0, statistics for every element', 'Statistics for every channel are expected.');
  }
  if (node.outputs.slice(1).some((output) => output && around.isRead(output))) {
    throw refuse(node, 'hands on its statistics', 'Only its first output is supported.');
  }
  const [channels] = around.shapeOf(node.inputs[0], node);
  const [scale, bias, mean, variance] = ['scale', 'bias', 'mean', 'variance'].map((role, i) => {
    const { name, tensor } = parameter(node, i + 1, role, around);
    if (tensor.dims.length !== 1 || tensor.size !== channels) {
      throw refuse(
        node,
        `has ${role} '${name}' of shape [${tensor.dims}]`,
        `[${channels}] is expected, one a channel.`,
      );
    }
    return tensor.toFloat32();
  });
  const epsilon = attribute(node, 'epsilon', 'float') ?? 1e-5;
  const factor = Array.from(scale, (value, c) => value / Math.sqrt(variance[c] + epsilon));
  const shift = factor.map((value, c) => bias[c] - mean[c] * value);
  return plain(node, { kind: 'affine', scale: factor, shift });
}

/** A constant broadcast to an image: one value, one a channel, or all. */
function perImage(node: OnnxNode, around: Surroundings, constant: OnnxTensor, shape: Shape): number[] {
  const rank = shape.length + around.lead;
  // Before opset 7 the constant's first dimension stands at `axis`; since then the last ones are aligned.
  const axis = around.opset < 7 ? attribute(node, 'axis', 'int') : undefined;
  const before = axis === undefined ? rank - constant.dims.length : fromFront(axis, rank);
  const after = rank - before - constant.dims.length;
  const dims = [...Array(Math.max(before, 0)).fill(1), ...constant.dims, ...Array(Math.max(after, 0)).fill(1)];
  const image = dims.slice(around.lead);
  if (
    dims.length !== rank ||
    (around.lead === 1 && dims[0] !== 1) ||
    image.some((dim, i) => dim !== 1 && dim !== shape[i])
  ) {
    throw refuse(
      node,
      `combines [batch, ${shape}] with a constant of shape [${constant.dims}]`,
      'The constant must be one value, one a channel, or one an element of an image.',
    );
  }
  const values = constant.toFloat32();
  if (values.length === 1) return [values[0]];
  const full = Float32Array.from({ length: count(shape) }, (_, i) => {
    let place = 0;
    let stride = 1;
    for (let d = shape.length - 1, rest = i; d >= 0; d--) {
      if (image[d] !== 1) place += (rest % shape[d]) * stride;
      rest = Math.floor(rest / shape[d]);
      stride *= image[d];
    }
    return values[place];
  });
  const area = count(shape.slice(1));
  const byChannel = full.every((value, i) => value === full[i - (i % area)]);
  return byChannel ? Array.from({ length: shape[0] }, (_, c) => full[c * area]) : Array.from(full);
}

function parameter(node: OnnxNode, input: number, role: string, around: Surroundings): Parameter {
  const name = node.inputs[input];
  const tensor = name ? around.constants.tensor(name) : undefined;
  if (tensor === undefined) {
    throw refuse(
      node,
      `has no constant ${role}${name ? `: '${name}' is computed or a graph input` : ''}`,
      'It must be an initialiser.',
    );
  }
  if (!/^b?float/.test(tensor.dataType)) {
    throw refuse(
      node,
      `has ${role} '${name}' of ${tensor.dataType}`,
      'Quantised models are not supported: use the float32 one.',
    );
  }
  return { name, tensor };
}

/** The tensor times a constant. */
export function scaled(tensor: OnnxTensor, factor: number): OnnxTensor {
  if (factor === 1) return tensor;
  return new OnnxTensor(tensor.name, tensor.dims, 'float32', () => tensor.toFloat32().map((value) => value * factor));
}

function kernelShape(node: OnnxNode): Pair {
  const kernel = attribute(node, 'kernel_shape', 'ints');
  if (kernel?.length !== 2)
    throw refuse(node, `has kernel_shape [${kernel ?? ''}]`, 'Two spatial dimensions are expected.');
  return [kernel[0], kernel[1]];
}

function pair(node: OnnxNode, name: string, otherwise: Pair): Pair {
  const values = attribute(node, name, 'ints');
  if (values === undefined || values.length === 0) return otherwise;
  if (values.length !== 2) throw refuse(node, `has ${name} [${values}]`, 'Two spatial dimensions are expected.');
  return [values[0], values[1]];
}

function padding(node: OnnxNode, around: Surroundings, kernel: Pair, strides: Pair, dilations: Pair): Pads {
  const auto = attribute(node, 'auto_pad', 'string') || 'NOTSET';
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const shape = around.shapeOf(node.inputs[0], node);
    const [vertical, horizontal] = [0, 1].map((axis) => {
      const size = shape[axis + 1];
      const out = Math.ceil(size / strides[axis]);
      const total = Math.max((out - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - size, 0);
      const half = Math.floor(total / 2);
      return auto === 'SAME_UPPER' ? [half, total - half] : [total - half, half];
    });
    return [vertical[0], horizontal[0], vertical[1], horizontal[1]];
  }
  if (auto !== 'NOTSET') {
    throw refuse(node, `has auto_pad '${auto}'`, 'NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected.');
  }
  const pads = attribute(node, 'pads', 'ints') ?? [0, 0, 0, 0];
  if (pads.length !== 4)
    throw refuse(node, `has pads [${pads}]`, 'Four numbers are expected: top, left, bottom, right.');
  return [pads[0], pads[1], pads[2], pads[3]];
}

function axesOf(node: OnnxNode, around: Surroundings): readonly number[] | undefined {
  if (around.opset < 13) return attribute(node, 'axes', 'ints');
  if (!node.inputs[1]) return undefined;
  const axes = around.constants.integersOf(node.inputs[1]);
  if (axes === undefined) throw refuse(node, `computes its axes '${node.inputs[1]}'`, 'Constants are expected.');
  return axes;
}

export function flag(node: OnnxNode, name: string): boolean {
  return (attribute(node, name, 'int') ?? 0) !== 0;
}

function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** An axis as a dimension of an item; -1 is the batch. */
function itemAxis(axis: number, shape: Shape, { lead }: Surroundings): number {
  return fromFront(axis, shape.length + lead) - lead;
}

function isOne([a, b]: Pair): boolean {
  return a === 1 && b === 1;
}
