/**
 * The sum of one value a thread over a workgroup, in a fixed order: thread i takes in thread i + half, then the half is
 * halved. The same bits every time, on every adapter. `threads` must be a power of two.
 */
export function workgroupSum(threads: number): string {
  return /* wgsl */ `
var<workgroup> sums: array<f32, ${threads}>;
fn workgroup_sum(lane: u32, value: f32) -> f32 {
  sums[lane] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  return sums[0];
}`;
}
