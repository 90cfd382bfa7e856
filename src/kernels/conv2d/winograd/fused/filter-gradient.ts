/**
 * The gradient of filters of 3 x 3 taps of a convolution of stride 1, by tiles of 2 x 2 values of dy, in one kernel (./tile.ts):
 *
 *   dw[part, g, f, c, i, j] (+)= sum over items, oy, ox of the part of
 *     dy[item, g, f, oy, ox] * x[item, g, c, oy - top + i, ox - left + j]
 *
 * x is 0 outside. The sum runs over tiles t, each an item and a place (t_y, t_x): a part has `part_depth` of them, and a dw of
 * its own, `c_part` elements on, so that few filters keep a GPU busy. A second pass adds them
 * (../../../contraction/split.ts), and updates the parameter where it may be updated; of one part this kernel does.
 *
 * - plain: one thread a value of dw, the sum as above.
 * - fused: by tiles. Neighbouring lanes load neighbouring tiles.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../../kernel.ts';
import type { Memory } from '../../../memory.ts';
import { range } from '../../../rasteriser.ts';
import {
  FUSED_OUTPUTS,
  FUSED_TAPS,
  FUSED_TILE,
  type FusedProducts,
  fusedCycles,
  fusedFits,
  fusedFlops,
  fusedMatrices,
  fusedVariant,
  fusedWorkgroups,
  type Operand,
  outputsText,
  plainCycles,
  productsText,
  slabText,
  threadText,
  UNROLLED_OR_NOT,
} from './tile.ts';

const params = {
  items: 'u32',
  groups: 'u32',
  /** of one group */
  filters: 'u32',
  channels: 'u32',
  /** of a map of x */
  height: 'u32',
  width: 'u32',
  top: 'i32',
  left: 'i32',
  /** of a map of dy */
  lines: 'u32',
  columns: 'u32',
  tiles_y: 'u32',
  tiles_x: 'u32',
  parts: 'u32',
  /** tiles of a part, the last one's may be fewer; all of them where parts is 1 */
  part_depth: 'u32',
  c_part: 'u32',
  accumulate: 'u32',
} as const;

export type FusedFilterGradientParams = Params<typeof params>;
type P = FusedFilterGradientParams;

const TAPS = FUSED_TAPS ** 2;
const weights = (p: P) => p.groups * p.filters * p.channels * TAPS;

const productsOf = (p: P): FusedProducts => ({
  rows: p.filters,
  columns: p.channels,
  depth: p.part_depth,
  count: p.groups * p.parts,
});

/** Of both operands: the tile of the lane's step, and its place. */
const TILE_OF_TURN = /* wgsl */ `      let tile = min(s + k_a, tiles - 1u);
      let inside = s + k_a < end;
      let tile_line = tile / p.tiles_x;
      let item = tile_line / p.tiles_y;
      let oy = (tile_line - item * p.tiles_y) * ${FUSED_OUTPUTS}u;
      let ox = (tile - tile_line * p.tiles_x) * ${FUSED_OUTPUTS}u;`;

const gradientsText = ({ load }: Memory): Operand => ({
  name: 'a',
  neighbours: 'k',
  matrix: fusedMatrices.output,
  places: /* wgsl */ `${TILE_OF_TURN}
      let dy_at = p.dy_base + ((item * p.groups + g) * p.filters + f_own) * p.lines * p.columns + oy * p.columns + ox;
      // Inside the first line and column a tile always is.
      let right = select(0u, 1u, ox + 1u < p.columns);
      let below = select(0u, p.columns, oy + 1u < p.lines);`,
  value(y, x) {
    const at = ['dy_at', ...(y === 1 ? ['below'] : []), ...(x === 1 ? ['right'] : [])];
    const within = ['inside', ...(y === 1 ? ['below > 0u'] : []), ...(x === 1 ? ['right > 0u'] : [])];
    return `select(0.0, ${load('dy', at.join(' + '))}, ${within.join(' && ')})`;
  },
});

const imagesText = ({ load }: Memory): Operand => ({
  name: 'b',
  neighbours: 'k',
  matrix: fusedMatrices.image,
  places: /* wgsl */ `      let map_at = p.x_base + ((item * p.groups + g) * p.channels + c_own) * p.height * p.width;
      let y_start = oy - u32(p.top);
      let x_start = ox - u32(p.left);
${range(4)
  .map(
    (
      i,
    ) => `      let in_y${i} = inside && y_start + ${i}u < p.height; let line_b${i} = map_at + min(y_start + ${i}u, p.height - 1u) * p.width;
      let in_x${i} = x_start + ${i}u < p.width; let x_${i} = min(x_start + ${i}u, p.width - 1u);`,
  )
  .join('\n')}`,
  value: (y, x) => `select(0.0, ${load('x', `line_b${y} + x_${x}`)}, in_y${y} && in_x${x})`,
});

/** Writes, adds or updates by one value. */
const writeText = ({ gradient }: Memory) => /* wgsl */ `
fn write_gradient(sum: f32, at: u32) ${gradient('dw', 'p.dw_base + at', 'sum')}`;

const fused: Variant<typeof params> = {
  ...fusedVariant,
  configurations: UNROLLED_OR_NOT.map((unrolled) => ({ unrolled })),
  supports: fusedFits,
  workgroups: (p) => fusedWorkgroups(productsOf(p)),
  estimate: (p, c, capabilities) => fusedCycles(productsOf(p), c, capabilities),
  cycles: (p, c, capabilities) => fusedCycles(productsOf(p), c, capabilities),
  text({ unrolled }, memory) {
    const [a, b] = [gradientsText(memory), imagesText(memory)];
    return {
      declarations: writeText(memory) + slabText,
      main: /* wgsl */ `
  let tiles = p.items * p.tiles_y * p.tiles_x;
  let blocks_m = (p.filters + ${FUSED_TILE - 1}u) / ${FUSED_TILE}u;
  let blocks_n = (p.channels + ${FUSED_TILE - 1}u) / ${FUSED_TILE}u;
  let group = workgroup / (blocks_m * blocks_n);
  let part = group / p.groups;
  let g = group - part * p.groups;
  if (part >= p.parts) { return; }
  let m_0 = (workgroup % blocks_m) * ${FUSED_TILE}u;
  let n_0 = ((workgroup / blocks_m) % blocks_n) * ${FUSED_TILE}u;
  let first = part * p.part_depth;
  let end = min(first + p.part_depth, tiles);
${threadText(a.neighbours, b.neighbours)}
  let f_own = min(m_0 + row_a, p.filters - 1u);
  let c_own = min(n_0 + row_b, p.channels - 1u);
${productsText(a, b, unrolled === 1)}
${outputsText(
  fusedMatrices.filter,
  (names) => /* wgsl */ `    let f = m_0 + row;
    let c = n_0 + lane % ${FUSED_TILE}u;
    if (f < p.filters && c < p.channels) {
      let place = part * p.c_part + ((g * p.filters + f) * p.channels + c) * ${TAPS}u;
${names
  .flat()
  .map((name, tap) => `      write_gradient(${name}, place + ${tap}u);`)
  .join('\n')}
    }`,
)}`,
    };
  },
};

const TRANSFORMS = { a: fusedMatrices.output, b: fusedMatrices.image, sums: fusedMatrices.filter };

export const fusedFilterGradient = defineKernel({
  name: 'conv2d/winograd-fused-filter-gradient',
  params,
  bindings: {
    dy: { access: 'read', half: true },
    x: { access: 'read', half: true },
    dw: { access: 'write', gradient: true },
  },
  cost: (p, of) => ({
    flops: fusedFlops({ ...productsOf(p), depth: (p.items * p.tiles_y * p.tiles_x) / p.parts }, TRANSFORMS),
    bytes:
      of.dy * p.items * p.groups * p.filters * p.lines * p.columns +
      of.x * p.items * p.groups * p.channels * p.height * p.width +
      of.dw * p.parts * weights(p) * (1 + p.accumulate),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        (p) => p.parts * weights(p),
        `p.parts * p.groups * p.filters * p.channels * ${TAPS}u`,
        (memory) => /* wgsl */ `
  let tap = index % ${TAPS}u;
  let pair = index / ${TAPS}u;
  let c = pair % p.channels;
  let f = (pair / p.channels) % (p.groups * p.filters);
  let part = pair / (p.channels * p.groups * p.filters);
  let g = f / p.filters;
  let first = part * p.part_depth;
  let end = min(first + p.part_depth, p.items * p.tiles_y * p.tiles_x);
  let i = tap / ${FUSED_TAPS}u;
  let j = tap % ${FUSED_TAPS}u;
  var sum = 0.0;
  for (var t = first; t < end; t++) {
    let tile_line = t / p.tiles_x;
    let item = tile_line / p.tiles_y;
    let dy_at = p.dy_base + (item * p.groups * p.filters + f) * p.lines * p.columns;
    let map_at = p.x_base + ((item * p.groups + g) * p.channels + c) * p.height * p.width;
    let oy = (tile_line - item * p.tiles_y) * ${FUSED_OUTPUTS}u;
    let ox = (t - tile_line * p.tiles_x) * ${FUSED_OUTPUTS}u;
    for (var y = oy; y < min(oy + ${FUSED_OUTPUTS}u, p.lines); y++) {
      let y_at = y - u32(p.top) + i;
      if (y_at >= p.height) { continue; }
      for (var x_out = ox; x_out < min(ox + ${FUSED_OUTPUTS}u, p.columns); x_out++) {
        let x_at = x_out - u32(p.left) + j;
        if (x_at < p.width) { sum += ${memory.load('dy', 'dy_at + y * p.columns + x_out')} * ${memory.load('x', 'map_at + y_at * p.width + x_at')}; }
      }
    }
  }
  write_gradient(sum, part * p.c_part + (f * p.channels + c) * ${TAPS}u + tap);`,
        writeText,
      ),
      estimate: (p, _, capabilities) =>
        plainCycles(p.parts * weights(p), p.part_depth * FUSED_OUTPUTS ** 2, capabilities),
      cycles: (p, _, capabilities) =>
        plainCycles(p.parts * weights(p), p.part_depth * FUSED_OUTPUTS ** 2, capabilities),
    },
    fused,
  ],
});
