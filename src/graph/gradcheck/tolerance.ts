/** The relative tolerance where none is given: that of the operations in the function. */
import { tapeOf } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/**
 * Of an operation that states none. Rounding of differences is counted apart, as uncertainty: what is left to pass is
 * the rounding of one backward kernel. A factor of 1.001 fails.
 */
const SINGLE = 3e-4;
/** Of several in a row, whose values between are rounded, too. */
const SEVERAL = 1e-3;

export function defaultTolerance(output: Tensor): number {
  const operations = tapeOf([output]).flatMap(({ source }) =>
    source === undefined || source.operation.alias === 'always' ? [] : [source.operation],
  );
  const own = operations.map(({ tolerance = SINGLE }) => tolerance);
  return Math.max(...(own.length === 0 ? [SINGLE] : own), own.length > 1 ? SEVERAL : 0);
}
