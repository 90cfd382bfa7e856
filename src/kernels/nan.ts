/**
 * NaN by its bits: a compiler that assumes finite numbers may drop `v != v`. For the text before `main` of kernels
 * that compare, where a NaN that loses every comparison would vanish instead of reaching the loss.
 */
export const isNanFunction = /* wgsl */ `
fn is_nan(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}`;
