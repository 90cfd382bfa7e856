import { numbers, optional, type Rule, refuse, show } from '../operator.ts';

/** Dimensions first .. end - 1 of an item, taken as one. */
export type ItemAxes = readonly [first: number, end: number];

export interface SoftmaxAttributes {
  /** all of an item where left out */
  readonly axes?: ItemAxes;
}

export const rule: Rule<SoftmaxAttributes> = {
  attributes: {
    axes: optional(numbers<ItemAxes>('the first dimension of an item and the one behind the last, taken as one', 2)),
  },
  shape({ attributes: { axes }, inputs: [x] }) {
    const [first, end] = axes ?? [0, x.shape.length];
    if (![first, end].every(Number.isInteger) || !(first >= 0 && first <= end && end <= x.shape.length)) {
      refuse(`normalises ${show(x.shape)} over dimensions ${first} to ${end - 1}`, "They must be an item's.");
    }
    if (first === end) {
      refuse(
        `normalises ${show(x.shape)} over no dimension, where every result would be 1`,
        'Give [N, classes], or axes of one dimension or more.',
      );
    }
    return [x.shape];
  },
};
