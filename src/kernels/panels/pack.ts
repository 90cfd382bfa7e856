/**
 * A matrix in panels of `tile` rows, as kernels read it that take a tile's values for one step of the sum from
 * neighbouring places: w -> panels [groups, ceil(rows / tile), inner, taps, tile],
 *
 *   panel[g, b, k, t, i] = w[g group + (b tile + i) row + k column + (flip ? taps - 1 - t : t)],
 *                          0 beyond the last row
 *
 * - Convolution in strips, forward: rows are filters and the inner index runs over channels. Input gradient: rows are
 *   channels, the inner index runs over filters, and the taps are turned round.
 * - Matrix products: both operands, each by its outer index, without taps.
 */
import { defineKernel, elementwise, type Params } from '../kernel.ts';

const params = {
  groups: 'u32',
  rows: 'u32',
  inner: 'u32',
  /** kernel height x width; neighbours in w */
  taps: 'u32',
  tile: 'u32',
  /** strides of w, in elements */
  group: 'u32',
  row: 'u32',
  column: 'u32',
  flip: 'u32',
} as const;

export type PackParams = Params<typeof params>;

/** Elements of all panels. */
export const packedSize = ({ groups, rows, inner, taps, tile }: PackParams) =>
  groups * Math.ceil(rows / tile) * tile * inner * taps;

export const packPanels = defineKernel({
  name: 'panels/pack',
  params,
  bindings: { w: { access: 'read' }, panels: { access: 'write' } },
  cost: (p) => ({ flops: 0, bytes: 4 * p.groups * p.rows * p.inner * p.taps + 4 * packedSize(p) }),
  // One thread a row and inner index: all its taps.
  variants: elementwise<typeof params>(
    (p) => packedSize(p) / p.taps,
    'p.groups * ((p.rows + p.tile - 1u) / p.tile) * p.tile * p.inner',
    /* wgsl */ `
  let i = index % p.tile;
  let rest = index / p.tile;
  let k = rest % p.inner;
  let block = rest / p.inner;
  let blocks = (p.rows + p.tile - 1u) / p.tile;
  let g = block / blocks;
  let m = (block - g * blocks) * p.tile + i;
  let start = p.panels_base + rest * p.taps * p.tile + i;
  let source = p.w_base + g * p.group + min(m, p.rows - 1u) * p.row + k * p.column;
  for (var t = 0u; t < p.taps; t++) {
    let tap = select(t, p.taps - 1u - t, p.flip == 1u);
    panels[start + t * p.tile] = select(0.0, w[source + tap], m < p.rows);
  }`,
  ),
});
