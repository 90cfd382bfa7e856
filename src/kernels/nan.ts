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
 * An expression: value < 0, of the bits. Compilers make max(value, 0) of `select(value, 0.0, value < 0.0)`, and on some
 * GPUs (NVIDIA's) max takes 0 where value is NaN: a network of NaN would go on with zeros and a finite loss.
 */
export const belowZero = (value: string) => `bitcast<u32>(${value}) - 0x80000001u <= 0x7f7fffffu`;
