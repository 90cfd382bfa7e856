/** Leaky ReLU as an operation of tensors; the mathematics stands in ../../kernels/leaky-relu/leaky-relu.ts. */
import { mapValues } from '../../graph/map.ts';
import { mapPieces } from '../../graph/pieces.ts';
import { checkTensors, type Tensor } from '../../graph/tensor.ts';
import { leakyReluMap } from '../../kernels/leaky-relu/leaky-relu.ts';
import { asked, refuse } from '../operator.ts';

/** Of a slope of 0 or less the sign of y would not tell that of x; 0 is a ReLU. */
export function checkSlope(slope: number): void {
  if (!(Number.isFinite(slope) && slope > 0)) refuse(`has a slope of ${slope}`, 'A finite number above 0 is expected.');
}

/** y = x where x is not below 0, else slope x */
export function leakyRelu(x: Tensor, slope = 0.01, name = 'leakyRelu'): Tensor {
  checkTensors(name, { x });
  asked(`${name}:`, () => checkSlope(slope));
  return mapValues(x, {
    operation: 'leakyRelu',
    name,
    params: { slope },
    pieces: mapPieces(x.size, (value) => ({ scale: value < 0 ? slope : 1, border: value === 0 })),
    ...leakyReluMap,
    epilogue: leakyReluMap.epilogue({ slope }),
  });
}
