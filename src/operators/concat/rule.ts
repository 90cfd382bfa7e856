import { optional, type Rule, refuse, type Shape, show, whole } from '../operator.ts';

export interface ConcatAttributes {
  /** of an item; 0, the channels, where left out */
  readonly axis?: number;
}

export const rule: Rule<ConcatAttributes> = {
  attributes: { axis: optional(whole('dimension of an item; by default the first, the channels', 0)) },
  shape({ attributes: { axis = 0 }, inputs }) {
    const shapes = inputs.map(({ shape }) => shape);
    const [first] = shapes;
    const fits = (shape: Shape) =>
      shape.length === first.length &&
      axis < shape.length &&
      String(shape.with(axis, 0)) === String(first.with(axis, 0));
    if (!shapes.every(fits)) {
      refuse(
        `joins activations of shapes ${shapes.map(show).join(' and ')} along dimension ${axis} of an item`,
        'They may differ in that dimension alone.',
      );
    }
    return [
      first.with(
        axis,
        shapes.reduce((sum, shape) => sum + shape[axis], 0),
      ),
    ];
  },
};
