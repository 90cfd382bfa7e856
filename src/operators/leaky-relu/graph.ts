/** Leaky ReLU as an operation of tensors; the mathematics stands in ../../kernels/leaky-relu/leaky-relu.ts. */
import { mapValues } from '../../graph/map.ts';
import { mapPieces } from '../../graph/pieces.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { leakyReluMap } from '../../kernels/leaky-relu/leaky-relu.ts';
import { number, type Rule, shapesOf } from '../operator.ts';

export interface LeakyReluAttributes {
  readonly slope: number;
}

export const rule: Rule<LeakyReluAttributes> = {
  // Of a slope of 0 or less the sign of y would not tell that of x; 0 is a ReLU.
  attributes: { slope: number('factor of what is below 0', (slope) => slope > 0, ' above 0') },
  shape: ({ inputs: [x] }) => [x.shape],
};

/** y = x where x is not below 0, else slope x */
export function leakyRelu(x: Tensor, slope = 0.01, name = 'leakyRelu'): Tensor {
  shapesOf(name, rule, { slope }, [x]);
  return mapValues(x, {
    operation: 'leakyRelu',
    name,
    params: { slope },
    pieces: mapPieces(x.size, (value) => ({ scale: value < 0 ? slope : 1, border: value === 0 })),
    ...leakyReluMap,
    epilogue: leakyReluMap.epilogue({ slope }),
  });
}
