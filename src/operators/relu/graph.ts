/** ReLU as an operation of tensors; the mathematics stands in ../../kernels/relu/relu.ts. */

import { mapValues } from '../../graph/map.ts';
import { mapPieces } from '../../graph/pieces.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Epilogue } from '../../kernels/epilogue.ts';
import { belowZero } from '../../kernels/nan.ts';
import { RELU, reluBackward, reluForward } from '../../kernels/relu/relu.ts';

const epilogue: Epilogue = {
  name: 'relu',
  wgsl: `select(value, 0.0, ${belowZero('value')})`,
  derivativeOf: 'output',
  code: RELU.after,
};

/** y = max(x, 0) */
export function relu(x: Tensor, name = 'relu'): Tensor {
  const pieces = mapPieces(x.size, (value) => ({ scale: value > 0 ? 1 : 0, border: value === 0 }));
  const kernels = { forward: reluForward, backward: reluBackward };
  return mapValues(x, { operation: 'relu', name, params: {}, ...kernels, epilogue, pieces });
}
