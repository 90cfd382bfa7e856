/** The logistic function as an operation of tensors; the mathematics stands in ../../kernels/sigmoid/sigmoid.ts. */
import { mapValues } from '../../graph/map.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { sigmoidMap } from '../../kernels/sigmoid/sigmoid.ts';

/** y = 1 / (1 + exp(-x)) */
export function sigmoid(x: Tensor, name = 'sigmoid'): Tensor {
  return mapValues(x, { operation: 'sigmoid', name, params: {}, ...sigmoidMap, epilogue: sigmoidMap.epilogue({}) });
}
