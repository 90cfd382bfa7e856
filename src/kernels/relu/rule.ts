/** ReLU's rule, once: its kernels, the kernels that apply it to what they write, and its derivative are made of these. */
import { belowZero } from '../nan.ts';

/** y, of `value`. */
export const RELU_VALUE = `select(value, 0.0, ${belowZero('value')})`;
/** dL/dx, of `gradient`, dL/dy, and `value`, y. */
export const RELU_DERIVATIVE = 'select(0.0, gradient, value > 0.0)';

/**
 * What the parameter `relu` says to kernels that apply an epilogue to what they write (../epilogue.ts). A ReLU and its
 * derivative, which most networks have, stand in every such text, so that there need be but one.
 */
export const RELU = {
  none: 0,
  /** the one that follows: y = max(value, 0) */
  after: 1,
  /** the derivative of the map before, a ReLU unless a run says otherwise; its outputs are in the binding `aux` */
  before: 2,
} as const;
/** A value of the parameter `relu` of kernels that apply an epilogue: 0 none, 1 the ReLU that follows, 2 the derivative of the map before. */
export type Relu = (typeof RELU)[keyof typeof RELU];
