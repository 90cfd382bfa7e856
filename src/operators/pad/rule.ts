import { type PadMode, padModes } from '../../kernels/pad/pad.ts';
import { extended, numbers, oneOf, type Rule, refuse, show } from '../operator.ts';

export interface PadAttributes {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly mode: PadMode;
  readonly value: number;
}

export const rule: Rule<PadAttributes> = {
  attributes: {
    before: numbers<readonly number[]>('elements before each dimension of an item; negative ones are cut off'),
    after: numbers<readonly number[]>('elements behind each dimension, likewise'),
    mode: oneOf('what stands there', padModes),
    value: extended('of constant padding'),
  },
  shape({ attributes: { before, after, mode }, inputs: [x] }) {
    const shape = x.shape.map((size, axis) => size + before[axis] + after[axis]);
    const most = x.shape.map((size) => (mode === 'reflect' ? size - 1 : Number.POSITIVE_INFINITY));
    if (
      before.length !== x.shape.length ||
      after.length !== x.shape.length ||
      ![...before, ...after].every(Number.isInteger) ||
      shape.some((size, axis) => !(size >= 1) || Math.max(before[axis], after[axis]) > most[axis])
    ) {
      refuse(
        `pads an item of '${x.name}', ${show(x.shape)}, by ${show(before)} before and ${show(after)} behind (${mode})`,
        'A whole number for each dimension is expected; something must be left, and a reflection is shorter than what it reflects.',
      );
    }
    return [shape];
  },
};
