/** What reading ONNX's operators has in common: parameters, windows, axes, constants that are the same for all images. */
import { FrostlineError } from '../../errors.ts';
import { withinLimit } from '../../limits.ts';
import type { OnnxNode } from '../../onnx/model.ts';
import type { OnnxTensor } from '../../onnx/tensor.ts';
import { count, type Shape } from '../operator.ts';
import { attribute, describeNode } from './attributes.ts';
import type { Reading, ReadParameter, Surroundings } from './form.ts';

/** Along y, and along x. */
export type Pair = readonly [number, number];
/** top, left, bottom, right: ONNX's order of `pads` for two spatial dimensions. */
export type Pads = readonly [number, number, number, number];

/** @throws FrostlineError that names the node */
export function refuse(node: OnnxNode, found: string, remedy: string): never {
  throw new FrostlineError(`${describeNode(node)} ${found}. ${remedy}`);
}

/** What computes constants that are not computed here; tried with onnxruntime 1.30. */
export const foldRemedy =
  'Have onnxruntime compute its constants: python -c "import onnxruntime as o; s = o.SessionOptions(); ' +
  "s.optimized_model_filepath = 'folded.onnx'; s.graph_optimization_level = " +
  "o.GraphOptimizationLevel.ORT_ENABLE_BASIC; o.InferenceSession('model.onnx', s)\"";

export function plain<Op extends { readonly kind: string }>(node: OnnxNode, op: Op): Reading<Op> {
  return { op, inputs: [node.inputs[0]] };
}

export function parameter(node: OnnxNode, input: number, role: string, around: Surroundings): ReadParameter {
  const name = node.inputs[input];
  const tensor = name ? around.constants.tensor(name) : undefined;
  if (tensor === undefined) {
    refuse(
      node,
      `has no constant ${role}${name ? `: '${name}' is computed or a graph input` : ''}`,
      'It must be an initialiser.',
    );
  }
  if (!/^b?float/.test(tensor.dataType)) {
    refuse(
      node,
      `has ${role} '${name}' of ${tensor.dataType}`,
      'Quantised models are not supported: use the float32 one.',
    );
  }
  return { name, tensor };
}

export function pair(node: OnnxNode, name: string, otherwise: Pair): Pair {
  const values = attribute(node, name, 'ints');
  if (values === undefined || values.length === 0) return otherwise;
  if (values.length !== 2) refuse(node, `has ${name} [${values}]`, 'Two spatial dimensions are expected.');
  return [values[0], values[1]];
}

export function padding(node: OnnxNode, around: Surroundings, kernel: Pair, strides: Pair, dilations: Pair): Pads {
  const auto = attribute(node, 'auto_pad', 'string') || 'NOTSET';
  const given = attribute(node, 'pads', 'ints');
  // Some exporters write zeros beside it for pools.
  if (auto !== 'NOTSET' && given !== undefined && (node.opType === 'Conv' || given.some((pad) => pad !== 0)))
    refuse(node, `has pads [${given}] beside auto_pad '${auto}'`, 'One of them is expected: take the other out.');
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
    refuse(node, `has auto_pad '${auto}'`, 'NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected.');
  }
  const pads = given ?? [0, 0, 0, 0];
  if (pads.length !== 4) refuse(node, `has pads [${pads}]`, 'Four numbers are expected: top, left, bottom, right.');
  return [pads[0], pads[1], pads[2], pads[3]];
}

export function flag(node: OnnxNode, name: string): boolean {
  return (attribute(node, name, 'int') ?? 0) !== 0;
}

export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The axes of Squeeze and the like: an attribute before operator set 13, an input since; none where they are left out. */
export function constantAxes(node: OnnxNode, around: Surroundings): readonly number[] | undefined {
  if (around.opset < 13) return attribute(node, 'axes', 'ints');
  if (!node.inputs[1]) return undefined;
  const axes = around.constants.integersOf(node.inputs[1]);
  if (axes === undefined) refuse(node, `computes its axes '${node.inputs[1]}'`, 'Constants are expected.');
  return axes;
}

/**
 * Refuses sizes that a Reshape does not take: two of them open, one below -1, one that is left of nothing.
 *
 * @param found says what is reshaped to what
 */
export function checkTarget(node: OnnxNode, target: readonly (number | 'batch')[], found: string): void {
  const open = target.filter((size) => size === -1).length;
  const nothing = flag(node, 'allowzero') && target.includes(0) && open > 0;
  if (open > 1 || nothing || target.some((size) => typeof size === 'number' && size < -1))
    refuse(node, found, `One size at most may be -1, which is what is left${nothing ? '; nothing is' : ''}.`);
}

/** An axis as a dimension of an item; -1 is the batch. */
export function itemAxis(axis: number, shape: Shape, { lead }: Surroundings): number {
  return fromFront(axis, shape.length + lead) - lead;
}

/** A constant broadcast to an image: one value, one a channel, or all. */
export function perImage(node: OnnxNode, around: Surroundings, constant: OnnxTensor, shape: Shape): number[] {
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
    refuse(
      node,
      `combines [batch, ${shape}] with a constant of shape [${constant.dims}]`,
      'The constant must be one value, one a channel, or one an element of an image.',
    );
  }
  const values = constant.toFloat32();
  if (values.length === 1) return [values[0]];
  if (image.slice(1).every((dim) => dim === 1)) return Array.from({ length: shape[0] }, (_, c) => values[c]);
  withinLimit(
    'image-constants',
    count(shape),
    `${describeNode(node)} lays its constant over the whole image: it makes`,
  );
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

export function isOne([a, b]: Pair): boolean {
  return a === 1 && b === 1;
}
