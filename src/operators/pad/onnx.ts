import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import type { OnnxForm, Reading, Surroundings } from '../onnx/form.ts';
import { itemAxis, plain, refuse } from '../onnx/reading.ts';
import type { PadAttributes } from './rule.ts';

/** Pads and value are attributes before operator set 11, inputs since; 18 adds the axes that they are for. */
function read(node: OnnxNode, around: Surroundings): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const rank = shape.length + around.lead;
  const constant = (input: number, what: string) => {
    if (!node.inputs[input]) return undefined;
    const values = around.constants.integersOf(node.inputs[input]);
    if (values === undefined) refuse(node, `computes its ${what} '${node.inputs[input]}'`, 'Constants are expected.');
    return values;
  };
  const old = around.opset < 11;
  const pads = old ? attribute(node, around.opset < 2 ? 'paddings' : 'pads', 'ints') : constant(1, 'pads');
  const axes = (constant(3, 'axes') ?? [...Array(rank).keys()]).map((axis) => itemAxis(axis, shape, around));
  if (pads?.length !== 2 * axes.length) {
    refuse(node, `has pads [${pads ?? ''}] for ${axes.length} axes`, 'Two numbers an axis are expected.');
  }
  const given = old ? undefined : around.constants.tensor(node.inputs[2] ?? '');
  if (!old && node.inputs[2] && given?.size !== 1) {
    refuse(node, `computes its value '${node.inputs[2]}'`, 'A constant is expected.');
  }
  const value = (old ? attribute(node, 'value', 'float') : given?.toFloat32()[0]) ?? 0;
  const mode = attribute(node, 'mode', 'string') || 'constant';
  if (mode !== 'constant' && mode !== 'edge' && mode !== 'reflect') {
    refuse(node, `pads by '${mode}'`, 'constant, edge or reflect is expected.');
  }
  const side = (from: number) => (axis: number) => pads[from + axes.indexOf(axis)] ?? 0;
  const batch = axes.includes(-1) ? [side(0)(-1), side(axes.length)(-1)] : [];
  if (batch.some((pad) => pad !== 0)) refuse(node, `pads the batch by [${batch}]`, 'Only items can be padded.');
  const [before, after] = [0, axes.length].map((from) =>
    shape.map((_, axis) => (axes.includes(axis) ? side(from)(axis) : 0)),
  );
  return plain(node, { kind: 'pad', before, after, mode, value: mode === 'constant' ? value : 0 });
}

export const onnx: OnnxForm<PadAttributes, never> = {
  reads: { Pad: read },
  write({ name, attributes, inputs, outputs }, to) {
    const { before, after, mode, value } = attributes;
    const pads = to.integers(`${name}.pads`, [0, ...before, 0, ...after]);
    const filled = value === 0 ? [] : [to.constant(`${name}.value`, [], Float32Array.of(value))];
    to.node('Pad', [...inputs, pads, ...filled], outputs, {
      name,
      attributes: { mode: { type: 'string', value: mode } },
    });
  },
};
