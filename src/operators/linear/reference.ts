import type { Value } from '../operator.ts';

/** Each row of x [..., in] times weight [out, in], plus bias [out]; in float64. */
export function timesWeight(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  { shape: [out, into] }: Pick<Value, 'shape'>,
  bias: ArrayLike<number> | undefined,
): Float64Array {
  return Float64Array.from({ length: (x.length / into) * out }, (_, at) => {
    const [row, column] = [Math.floor(at / out), at % out];
    let sum = bias?.[column] ?? 0;
    for (let i = 0; i < into; i++) sum += x[row * into + i] * weight[column * into + i];
    return sum;
  });
}
