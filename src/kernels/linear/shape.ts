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

/** The gradient of a ReLU's argument, from that of its output x, where `relu_before` is 1: for the text before `main`. */
export const beforeRelu = ({ load }: Memory) => /* wgsl */ `
fn before_relu(gradient: vec4f, place: u32) -> vec4f {
  if (p.relu_before == 0u) { return gradient; }
  return select(vec4f(), gradient, ${load('x', 'p.x_base + place')} > vec4f());
}
`;
