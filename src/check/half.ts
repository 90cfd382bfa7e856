/** Half precision on the host: what a device stores of a number, and what it reads back. IEEE 754 binary16. */

export const LARGEST_HALF = 65504;
/** Half the spacing of halves at 1, and the smallest that is normal. */
export const HALF_UNIT = 2 ** -11;
export const SMALLEST_NORMAL_HALF = 2 ** -14;

/** The nearest half, of two the even one; beyond the largest an infinity. */
export function roundToHalf(value: number): number {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size === 0) return value;
  if (size >= LARGEST_HALF + 16) return Math.sign(value) * Number.POSITIVE_INFINITY;
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const spacing = 2 ** (exponent - 10);
  return Math.sign(value) * spacing * roundToEven(size / spacing);
}

/** Exact for numbers below 2^52. */
const roundToEven = (value: number) => {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
};

/** Bits of the halves nearest to these values. */
export function halfBits(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    const half = roundToHalf(value);
    const sign = Object.is(half, -0) || half < 0 ? 0x8000 : 0;
    const size = Math.abs(half);
    if (Number.isNaN(half)) return 0x7e00;
    if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
    if (size < SMALLEST_NORMAL_HALF) return sign | (size * 2 ** 24);
    const exponent = Math.floor(Math.log2(size));
    return sign | ((exponent + 15) << 10) | ((size * 2 ** -exponent - 1) * 1024);
  });
}

/** The values of these bits. */
export function halfValues(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(bits, (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >>> 10) & 0x1f;
    const fraction = word & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
