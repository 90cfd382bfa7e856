/** ELU as an operation of tensors; the mathematics stands in ../../kernels/elu/elu.ts. */
import { mapValues } from '../../graph/map.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { eluMap } from '../../kernels/elu/elu.ts';
import { number, type Rule, shapesOf } from '../operator.ts';

export interface EluAttributes {
  readonly alpha: number;
}

export const rule: Rule<EluAttributes> = {
  // Of an alpha of 0 or less the sign of y would not tell that of x.
  attributes: { alpha: number('factor of what is below 0', (alpha) => alpha > 0, ' above 0') },
  shape: ({ inputs: [x] }) => [x.shape],
};

/** y = x where x is above 0, else alpha (exp(x) - 1) */
export function elu(x: Tensor, alpha = 1, name = 'elu'): Tensor {
  shapesOf(name, rule, { alpha }, [x]);
  return mapValues(x, { operation: 'elu', name, params: { alpha }, ...eluMap, epilogue: eluMap.epilogue({ alpha }) });
}
