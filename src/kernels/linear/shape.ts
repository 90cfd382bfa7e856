/** What the kernels of the fully connected layer share: x [batch, inputs], w [outputs, inputs], y [batch, outputs]. */
import type { Capabilities } from '../kernel.ts';

/** Subgroup widths for which a text exists: SwiftShader's and lavapipe's. */
export const LANES = [4, 8];

/** Items of the batch whose sums a lane holds. */
export const ITEMS = [8, 16, 32];

/** What one load of a vector costs on a software rasteriser, in instructions a lane; a multiply-add takes two. */
export const LOAD = 32;

export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/**
 * Whether these kernels serve a layer better than the general contraction: on a rasteriser in software, where rows are
 * whole vectors of four.
 */
export function broadcastsPay({ kind, subgroupWidth }: Capabilities, inputs: number): boolean {
  return kind !== 'hardware' && LANES.includes(subgroupWidth) && inputs % 4 === 0;
}
