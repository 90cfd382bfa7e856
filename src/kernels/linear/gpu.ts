/**
 * The fully connected layer at small batches on a GPU, where reading the weight is all that takes time: neighbouring lanes
 * load neighbouring vectors of a row of w, each several of them at a time. What a lane keeps is the sums
 * of ITEMS items in registers; what lanes sum together is added in workgroup memory, in the order of the lanes.
 *
 * - forward, `rows`: a workgroup computes ROWS outputs; its lanes share out the inputs of the rows.
 * - input gradient, `columns`: a workgroup owns COLUMNS vectors of inputs; its lanes share out the outputs.
 * - update, `rows`: a lane owns one vector of inputs of ROWS outputs, and x of all items of it in registers.
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import { memoryTime, type Traffic } from '../estimate.ts';
import type { Capabilities, Configuration } from '../kernel.ts';
import type { Memory } from '../memory.ts';

/** Items of the batch in registers: common batches exactly, among them one image. */
export const GPU_ITEMS = [1, 2, 4, 8, 10, 12, 16];

/** Bytes that a thread of the variants here has on its way at a time. */
export const GPU_IN_FLIGHT = 128;

/**
 * Cycles of a kernel that memory bounds: as long as its threads take to move the bytes, or as one thread's `loads` take, one
 * after another, four of them on their way at a time.
 */
export function memoryCycles(traffic: Traffic & { readonly loads: number }, capabilities: Capabilities): number {
  const machine = machineOf(capabilities);
  const latency = 600;
  return Math.max(machine.cycles * memoryTime(traffic, machine), (traffic.loads * latency) / 4);
}

/** dy of four items from n on at output o, 0 beyond the batch and the outputs: for the text before `main`. */
export const fourItemsOfDy = ({ load }: Memory) => /* wgsl */ `
fn dy_of(n: u32, o: u32) -> f32 {
  let inside = n < p.batch && o < p.outputs;
  return select(0.0, ${load('dy', 'select(p.dy_base, p.dy_base + n * p.dy_row + o, inside)')}, inside);
}
fn four_items_of_dy(n: u32, o: u32) -> vec4f {
  return vec4f(dy_of(n, o), dy_of(n + 1u, o), dy_of(n + 2u, o), dy_of(n + 3u, o));
}`;

/** A GPU alone: a rasteriser in software pays for every load, and has texts of its own. */
export const onGpu = (capabilities: Capabilities) => profileOf(capabilities).unit === 'cycles';

/** The number of items in registers for a batch: the smallest that holds it, or the largest there is. */
export const serves = ({ items }: Configuration, { batch }: { readonly batch: number }) =>
  items === (GPU_ITEMS.find((count) => count >= batch) ?? GPU_ITEMS[GPU_ITEMS.length - 1]);
