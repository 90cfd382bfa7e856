/** ELU as an operation of tensors; the mathematics stands in ../../kernels/elu/elu.ts. */
import { mapValues } from '../../graph/map.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { eluMap } from '../../kernels/elu/elu.ts';
import { asked, refuse } from '../operator.ts';

/** Of an alpha of 0 or less the sign of y would not tell that of x. */
export function checkAlpha(alpha: number): void {
  if (!(Number.isFinite(alpha) && alpha > 0))
    refuse(`has an alpha of ${alpha}`, 'A finite number above 0 is expected.');
}

/** y = x where x is above 0, else alpha (exp(x) - 1) */
export function elu(x: Tensor, alpha = 1, name = 'elu'): Tensor {
  asked(`${name}:`, () => checkAlpha(alpha));
  return mapValues(x, { operation: 'elu', name, params: { alpha }, ...eluMap, epilogue: eluMap.epilogue({ alpha }) });
}
