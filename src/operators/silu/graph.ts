/** SiLU as an operation of tensors; the mathematics stands in ../../kernels/silu/silu.ts. */
import { mapValues } from '../../graph/map.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { siluMap } from '../../kernels/silu/silu.ts';

/** y = x / (1 + exp(-x)) */
export function silu(x: Tensor, name = 'silu'): Tensor {
  return mapValues(x, { operation: 'silu', name, params: {}, ...siluMap, epilogue: siluMap.epilogue({}) });
}
