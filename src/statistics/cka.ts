/**
 * Linear centred kernel alignment (Kornblith, Norouzi, Lee and Hinton, ICML 2019): how alike two sets of features arrange
 * the same samples, from 0 to 1, whatever their rotation and scale: <K, L> / (|K| |L|) of their centred Gram matrices.
 */
import type { Matrix } from 'ml-matrix';
import { centred } from './gram.ts';

/** Of two Gram matrices over the same samples. */
export function cka(first: Matrix, second: Matrix): number {
  const [k, l] = [centred(first), centred(second)];
  const inner = (a: Matrix, b: Matrix) => {
    let sum = 0;
    for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) sum += a.get(i, j) * b.get(i, j);
    return sum;
  };
  const norm = Math.sqrt(inner(k, k) * inner(l, l));
  return norm === 0 ? 0 : inner(k, l) / norm;
}
