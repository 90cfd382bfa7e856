import { number, type Rule, whole } from '../operator.ts';
import { imageOf } from '../pooling/rule.ts';

/** Attributes of local response normalisation, as in ONNX's LRN. */
export interface LrnAttributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

export const rule: Rule<LrnAttributes> = {
  attributes: {
    size: whole('channels in the window', 1),
    // Below 0 it would take the root of a negative number.
    alpha: number('factor of the mean of squares', (v) => v >= 0, ' of 0 or more'),
    beta: number('power of the denominator'),
    bias: number('added to the mean of squares: with 0 a window of zeros divides by zero', (v) => v > 0, ' above 0'),
  },
  shape: ({ inputs: [x] }) => [imageOf(x)],
};
