/** Hard swish as an operation of tensors; the mathematics stands in ../../kernels/hard-swish/hard-swish.ts. */
import { mapValues } from '../../graph/map.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { hardSwishMap } from '../../kernels/hard-swish/hard-swish.ts';

/** y = x min(max(x / 6 + 1 / 2, 0), 1) */
export function hardSwish(x: Tensor, name = 'hardSwish'): Tensor {
  return mapValues(x, {
    operation: 'hardSwish',
    name,
    params: {},
    ...hardSwishMap,
    epilogue: hardSwishMap.epilogue({}),
  });
}
