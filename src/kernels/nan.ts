/**
 * NaN and infinity by their bits, for the text before `main`. Kernels that compare need it, where a NaN that loses every
 * comparison would vanish instead of reaching the loss; a compiler that assumes finite numbers may drop `v != v`, and
 * some drivers' exp makes a number of NaN.
 */
export const isNanFunction = /* wgsl */ `
fn is_nan(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}`;

/** The larger of two, or the NaN among them; the first of two NaN. */
export const largerFunction = /* wgsl */ `${isNanFunction}
fn larger(a: f32, b: f32) -> f32 {
  return select(a, b, !is_nan(a) && (b > a || is_nan(b)));
}`;

/** 0 for a finite value, NaN for an infinity or NaN: added to a result, it carries them on. */
export const poisonFunction = /* wgsl */ `
fn poison(value: f32) -> f32 {
  let bits = bitcast<u32>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) { return bitcast<f32>(bits | 0x7fc00000u); }
  return 0.0;
}`;

/**
 * An expression of `value`, as a half is to hold it: NaN where it is too large. WGSL leaves it open whether a conversion makes
 * infinity of such a value or the largest half, and the latter would pass for a result.
 */
export const HELD = 'select(value, bitcast<f32>(bitcast<u32>(value) | 0x7fc00000u), abs(value) > 65504.0)';

/** The same as a function, of one value or of four. */
export function heldFunction(type: 'f32' | 'vec4f'): string {
  const bits = type === 'f32' ? 'u32' : 'vec4u';
  return /* wgsl */ `
fn held(value: ${type}) -> ${type} {
  return select(value, bitcast<${type}>(bitcast<${bits}>(value) | ${bits}(0x7fc00000u)), abs(value) > ${type}(65504.0));
}`;
}

/**
 * An expression: value < 0, of the bits. Compilers make max(value, 0) of `select(value, 0.0, value < 0.0)`, and on some
 * GPUs (NVIDIA's) max takes 0 where value is NaN: a network of NaN would go on with zeros and a finite loss.
 */
export const belowZero = (value: string) => `bitcast<u32>(${value}) - 0x80000001u <= 0x7f7fffffu`;
