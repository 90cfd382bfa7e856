import { count, numbers, type Rule, refuse, type Shape, show, type Value } from '../operator.ts';

export interface ReshapeAttributes {
  /** of an item, without the batch */
  readonly shape: readonly number[];
}

/** Refuses a shape of another number of values. */
export function checkReshape(x: Value, shape: Shape): void {
  if (count(shape) !== count(x.shape)) {
    refuse(
      `reshapes '${x.name}' of shape ${show(x.shape)}, ${count(x.shape)} values, to ${show(shape)}, ${count(shape)} values`,
      'Their number must stay: give the input size the network was made for.',
    );
  }
}

export const rule: Rule<ReshapeAttributes> = {
  attributes: { shape: numbers<readonly number[]>('of an item, without the batch') },
  shape({ attributes: { shape }, inputs: [x] }) {
    checkReshape(x, shape);
    return [shape];
  },
};
