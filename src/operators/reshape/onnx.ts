/** What only changes the shape, in ONNX: five operators that become two kinds. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { checkTarget, constantAxes, flag, fromFront, itemAxis, plain, refuse } from '../onnx/reading.ts';
import { count, type None } from '../operator.ts';
import type { ReshapeAttributes } from './rule.ts';

export function toShape(node: OnnxNode, shape: readonly number[]): Reading {
  return plain(node, shape.length === 1 ? { kind: 'flatten' } : { kind: 'reshape', shape });
}

function flatten(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const axis = fromFront(attribute(node, 'axis', 'int') ?? 1, shape.length + around.lead);
  if (around.lead === 0) return toShape(node, [count(shape.slice(0, axis)), count(shape.slice(axis))]);
  if (axis < 1 || count(shape.slice(0, axis - 1)) !== 1) {
    refuse(node, `flattens from axis ${axis}, which mixes images of a batch`, 'Axis 1 is expected.');
  }
  return plain(node, { kind: 'flatten' });
}

/** The batch that was used at export may be baked in, or computed by Shape and Gather: it is the first dimension anyway. */
function reshape(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const target = around.opset < 5 ? attribute(node, 'shape', 'ints') : around.constants.extentsOf(node.inputs[1] ?? '');
  if (target === undefined) {
    refuse(node, `takes its shape from '${node.inputs[1] ?? ''}'`, 'A constant shape is expected.');
  }
  const asked = `reshapes [batch, ${shape}] to [${target.join(', ')}]`;
  checkTarget(node, target, asked);
  const copiesZero = !flag(node, 'allowzero');
  const rest = target.slice(around.lead).map((dim, i) => (dim === 0 && copiesZero ? shape[i] : dim));
  if (around.lead === 1 && target[0] === 0 && !copiesZero) refuse(node, asked, 'A batch has an item at least.');
  if (target.length < 1 + around.lead || rest.some((dim) => dim === 'batch' || dim === undefined)) {
    refuse(node, asked, 'The batch must stay the first dimension.');
  }
  const dims = rest as number[];
  const open = dims.indexOf(-1);
  if (open >= 0) dims[open] = count(shape) / count(dims.filter((dim) => dim !== -1));
  if (count(dims) !== count(shape) || dims.some((dim) => !Number.isInteger(dim) || dim < 1)) {
    refuse(node, asked, `An image has ${count(shape)} values here: give the input size the network was made for.`);
  }
  return toShape(node, dims);
}

function squeeze(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const axes = constantAxes(node, around)?.map((axis) => itemAxis(axis, shape, around));
  if (axes?.some((axis) => shape[axis] !== 1)) {
    refuse(
      node,
      `removes dimensions [${axes}] of items of shape [${shape}] (-1 is the batch)`,
      'They must be 1, without the batch.',
    );
  }
  return toShape(
    node,
    shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
  );
}

function unsqueeze(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const axes = constantAxes(node, around) ?? [];
  const rank = shape.length + around.lead + axes.length;
  const places = axes.map((axis) => fromFront(axis, rank) - around.lead);
  if (places.includes(-1)) refuse(node, 'puts an axis before the batch', 'The batch must come first.');
  const rest = [...shape];
  return toShape(
    node,
    Array.from({ length: rank - around.lead }, (_, i) => (places.includes(i) ? 1 : rest.shift()!)),
  );
}

export const flattenOnnx: OnnxForm<None, never> = {
  reads: { Flatten: flatten },
  write: ({ name, inputs, outputs }, to) =>
    to.node('Flatten', inputs, outputs, { name, attributes: { axis: { type: 'int', value: 1 } } }),
};

export const reshapeOnnx: OnnxForm<ReshapeAttributes, never> = {
  reads: { Reshape: reshape, Squeeze: squeeze, Unsqueeze: unsqueeze },
  write({ name, attributes: { shape }, inputs, outputs }, to) {
    to.node('Reshape', [...inputs, to.integers(`${name}.shape`, [-1, ...shape])], outputs, { name });
  },
};
