/**
 * A matrix in panels of `tile` rows, as kernels read it that take a tile's values for one step of the sum from
 * neighbouring places: w -> panels [groups, ceil(rows / tile), inner, taps, tile],
 *
 *   panel[g, b, k, t, i] = w[g group + (b tile + i) row + k column + (flip ? taps - 1 - t : t)],
 *                          0 beyond the last row
 *
 * - Direct convolution, forward: rows are filters and the inner index runs over channels. Input gradient: rows are
 *   channels, the inner index runs over filters, and the taps are turned round.
 * - Matrix products: both operands, each by its outer index, without taps.
 */
import { defineKernel, type Params, perElement } from '../kernel.ts';

const params = {
  groups: 'u32',
  rows: 'u32',
  inner: 'u32',
  /** kernel height x width; neighbours in w */
  taps: 'u32',
  /** a multiple of four */
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

/** Inner indices that a thread takes: its place costs divisions, which software rasterisers do lane by lane. */
const RUN = 8;

const threads = ({ groups, rows, inner, tile }: PackParams) =>
  groups * Math.ceil(rows / tile) * Math.ceil(inner / RUN) * (tile / 4);

export const packMatrix = defineKernel({
  name: 'gemm/pack',
  params,
  bindings: { w: { access: 'read' }, panels: { access: 'write', type: 'vec4f' } },
  cost: (p) => ({ flops: 0, bytes: 4 * p.groups * p.rows * p.inner * p.taps + 4 * packedSize(p) }),
  // One thread four rows and a run of inner indices: all their taps.
  variants: [
    perElement<typeof params>(
      threads,
      `p.groups * ((p.rows + p.tile - 1u) / p.tile) * ((p.inner + ${RUN - 1}u) / ${RUN}u) * (p.tile / 4u)`,
      /* wgsl */ `
  let fours = p.tile / 4u;
  let runs = (p.inner + ${RUN - 1}u) / ${RUN}u;
  let blocks = (p.rows + p.tile - 1u) / p.tile;
  let rest = index / fours;
  let four = index - rest * fours;
  let block = rest / runs;
  let first = (rest - block * runs) * ${RUN}u;
  let g = block / blocks;
  let m = vec4u((block - g * blocks) * p.tile + four * 4u) + vec4u(0u, 1u, 2u, 3u);
  let source = vec4u(p.w_base + g * p.group) + min(m, vec4u(p.rows - 1u)) * p.row;
  for (var k = first; k < min(first + ${RUN}u, p.inner); k++) {
    let start = p.panels_base + (block * p.inner + k) * p.taps * fours + four;
    for (var t = 0u; t < p.taps; t++) {
      let tap = select(t, p.taps - 1u - t, p.flip == 1u);
      let at = source + vec4u(k * p.column + tap);
      let values = vec4f(w[at.x], w[at.y], w[at.z], w[at.w]);
      panels[start + t * fours] = select(vec4f(), values, m < vec4u(p.rows));
    }
  }`,
    ),
  ],
});
