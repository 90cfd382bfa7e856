/** Softmax and LogSoftmax in ONNX, whose meaning changed with operator set 13. */
import type { OnnxNode } from '../../onnx/model.ts';
import { attribute } from '../onnx/attributes.ts';
import { int, type OnnxForm, type Reading, type Surroundings } from '../onnx/form.ts';
import { itemAxis, plain, refuse } from '../onnx/reading.ts';
import { count } from '../operator.ts';
import type { SoftmaxAttributes } from './rule.ts';

/** Before opset 13 all axes from `axis` on are taken as one; since then `axis` alone. */
function read(node: OnnxNode, around: Surroundings, kind: string): Reading {
  const shape = around.shapeOf(node.inputs[0], node);
  const old = around.opset < 13;
  const first = itemAxis(attribute(node, 'axis', 'int') ?? (old ? 1 : -1), shape, around);
  if (first < 0) refuse(node, 'normalises over the batch', 'It must be over dimensions of an item.');
  const end = old ? shape.length : first + 1;
  const all = count(shape.slice(first, end)) === count(shape);
  return plain(node, all ? { kind } : { kind, axes: [first, end] });
}

export const onnxOf = (kind: string, opType: string): OnnxForm<SoftmaxAttributes, never> => ({
  reads: { [opType]: (node, around) => read(node, around, kind) },
  /** Operator set 13 takes one axis: that which has all the values. Others are joined by a Reshape, and taken apart. */
  write({ name, attributes: { axes }, inputs: [x], outputs: [y], shapes: [shape] }, to) {
    const [first, end] = axes ?? [0, shape.length];
    const within = shape.map((dim, i) => (i >= first && i < end ? dim : 1));
    const normalise = (from: string, result: string, axis: number) =>
      to.node(opType, [from], [result], { name, attributes: { axis: int(axis + 1) } });
    if (within.filter((dim) => dim !== 1).length <= 1) {
      const place = within.findIndex((dim) => dim !== 1);
      normalise(x, y, Math.max(place, Math.min(first, shape.length - 1)));
      return;
    }
    const step = (role: string, from: string, result: string, dims: readonly number[]) =>
      to.node('Reshape', [from, to.integers(`${name}.${role}`, [0, ...dims])], [result], { name: `${name}/${role}` });
    step('joined', x, `${y}/joined`, [...shape.slice(0, first), -1, ...shape.slice(end)]);
    normalise(`${y}/joined`, `${y}/normalised`, first);
    step('apart', `${y}/normalised`, y, shape);
  },
});
