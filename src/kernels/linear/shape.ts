/** What the kernels of the fully connected layer share: x [batch, inputs], w [outputs, inputs], y [batch, outputs]. */
import type { Capabilities } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { LANES } from '../rasteriser.ts';

/** Items of the batch whose sums a lane holds: common batches exactly, among them one image. */
const ITEMS = [1, 4, 8, 10, 12, 16, 32];

/** The variant in which a workgroup is one subgroup, and each lane holds the sums of some items. */
export const broadcastOverItems = {
  name: 'broadcast',
  subgroups: true,
  configurations: LANES.flatMap((lanes) => ITEMS.map((items) => ({ lanes, items }))),
  workgroupSize: ({ lanes }: Readonly<Record<string, number>>) => lanes,
  supports: ({ subgroupWidth }: Capabilities, { lanes }: Readonly<Record<string, number>>) => lanes === subgroupWidth,
};

/** The gradient of the argument of the map before, from that of its output x. */
export const ARGUMENT_GRADIENT = /* wgsl */ `
fn argument_gradient(gradient: vec4f, x: vec4f) -> vec4f {
  return vec4f(
    derivative(gradient.x, x.x), derivative(gradient.y, x.y), derivative(gradient.z, x.z), derivative(gradient.w, x.w));
}
`;

/** The same at a place of x, where `differentiates` is 1. */
export const argumentGradientAt = ({ load }: Memory) => /* wgsl */ `${ARGUMENT_GRADIENT}
fn argument_gradient_at(gradient: vec4f, place: u32) -> vec4f {
  if (p.differentiates == 0u) { return gradient; }
  return argument_gradient(gradient, ${load('x', 'p.x_base + place')});
}
`;
