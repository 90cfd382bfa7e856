/** ReLU as an operation of tensors; the mathematics stands in ../../kernels/relu. */
import { mapValues } from '../../graph/map.ts';
import { mapPieces } from '../../graph/pieces.ts';
import { checkTensors, type Tensor } from '../../graph/tensor.ts';
import type { Epilogue } from '../../kernels/epilogue.ts';
import { reluMap } from '../../kernels/relu/relu.ts';
import { RELU } from '../../kernels/relu/rule.ts';

const epilogue: Epilogue = { ...reluMap.epilogue({}), code: RELU.after };

/** y = max(x, 0) */
export function relu(x: Tensor, name = 'relu'): Tensor {
  checkTensors(name, { x });
  const pieces = mapPieces(x.size, (value) => ({ scale: value > 0 ? 1 : 0, border: value === 0 }));
  return mapValues(x, { operation: 'relu', name, params: {}, ...reluMap, epilogue, pieces });
}
