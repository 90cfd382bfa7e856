import { numbers, type Rule, refuse, show } from '../operator.ts';

export interface TransposeAttributes {
  /** dimension i of an item becomes what dimension perm[i] was */
  readonly perm: readonly number[];
}

export const rule: Rule<TransposeAttributes> = {
  attributes: { perm: numbers<readonly number[]>('the dimensions of an item in their new order') },
  shape({ attributes: { perm }, inputs: [x] }) {
    if (String(perm.toSorted((a, b) => a - b)) !== String([...x.shape.keys()])) {
      refuse(`orders ${show(x.shape)} by ${show(perm)}`, 'Every dimension is expected once.');
    }
    return [perm.map((axis) => x.shape[axis])];
  },
};
