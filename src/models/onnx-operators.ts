/** Each supported ONNX operator as a node of a network. Traps of real files are noted where they are met. */
import type { OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import { readAffine } from '../operators/affine/onnx.ts';
import { attribute } from '../operators/onnx/attributes.ts';
import type { Reading, ReadParameter, Surroundings } from '../operators/onnx/form.ts';
import {
  flag,
  fromFront,
  isOne,
  itemAxis,
  padding,
  pair,
  parameter,
  plain as readAs,
  refuse,
} from '../operators/onnx/reading.ts';
import { type OperatorSet, ours } from '../operators/registry.ts';
import type { Op, Pair } from './network.ts';
import { transposed } from './onnx-constants.ts';
import { count } from './shapes.ts';

/** What an operator becomes. Parameters are tensors in the layout that the network's operation wants. */
export type Translation = Reading<Op>;
export type Parameter = ReadParameter;
export type { Surroundings };
export { flag, refuse };

type Translate = (node: OnnxNode, around: Surroundings) => Translation;

const operators: Record<string, Translate> = {
  Gemm: gemm,
  MatMul: matMul,
  Clip: clipping,
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
export const supportedBy = (set: OperatorSet): readonly string[] =>
  [
    ...set.reads.keys(),
    ...Object.keys(operators),
    ...['Sum', 'Constant', 'ConstantOfShape', 'Shape', 'Gather', 'Slice'],
  ].sort();

export const supportedOperators = supportedBy(ours);

export function translate(node: OnnxNode, around: Surroundings, set: OperatorSet): Translation {
  const supportedOperators = supportedBy(set);
  const moved = set.reads.get(node.domain === '' ? node.opType : `${node.domain}.${node.opType}`);
  const legacy = node.domain === '' && Object.hasOwn(operators, node.opType) ? operators[node.opType] : undefined;
  const operator = moved === undefined ? legacy : (moved.read as Translate);
  if (operator === undefined) {
    const shown = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    const computed = node.domain === '' && supportedOperators.includes(node.opType);
    throw refuse(
      node,
      computed ? `computes ${shown} of an activation` : `is of the unsupported operator ${shown}`,
      computed ? 'It is supported for constants and shapes alone.' : `Supported are ${supportedOperators.join(', ')}.`,
    );
  }
  if (around.lead === 0 && (moved?.owner.onnx.images || imageOperators.has(node.opType))) {
    throw refuse(node, 'works on a batch of images', 'Here the items of the batch are mixed.');
  }
  return operator(node, around);
}

/** Operators whose first dimension is the batch, whatever stands around them. */
const imageOperators = new Set([...['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LRN']]);

const plain = (node: OnnxNode, op: Op): Translation => readAs(node, op);

function toShape(node: OnnxNode, shape: readonly number[]): Translation {
  return plain(node, shape.length === 1 ? { kind: 'flatten' } : { kind: 'reshape', shape });
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
  if (!node.inputs.every((value) => around.isActivation(value))) return readAffine(node, around) as Translation;
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

function axesOf(node: OnnxNode, around: Surroundings): readonly number[] | undefined {
  if (around.opset < 13) return attribute(node, 'axes', 'ints');
  if (!node.inputs[1]) return undefined;
  const axes = around.constants.integersOf(node.inputs[1]);
  if (axes === undefined) throw refuse(node, `computes its axes '${node.inputs[1]}'`, 'Constants are expected.');
  return axes;
}
