/**
 * A correlation of 3 x 3 taps and stride 1 by tiles of 2 x 2 outputs, in one kernel (./tile.ts):
 *
 *   y[item, g, m, oy, ox] = bias[g, m] + sum over k, i, j of  w'[g, m, k, i, j] * x[item, g, k, oy - top + i, ox - left + j]
 *
 * x is 0 outside. w' lies by strides, its taps turned round where `flip` is 1: forward sums over channels, the input gradient,
 * of which y is dx and x is dy, over filters.
 *
 * - plain: one thread an output, the sum as above.
 * - fused: by tiles. Filters lie along k forward, and along the rows where they are turned: so do the lanes that load them.
 */
import { profileOf } from '../../../../gpu/machine.ts';
import { defineKernel, type Params, perElement, type Variant } from '../../../kernel.ts';
import type { Memory } from '../../../memory.ts';
import { range } from '../../../rasteriser.ts';
import { RELU } from '../../../relu/rule.ts';
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
  /** maps of one group that are summed over, and that are written */
  inner: 'u32',
  rows: 'u32',
  /** of a map of x */
  height: 'u32',
  width: 'u32',
  top: 'i32',
  left: 'i32',
  /** of a map of y */
  lines: 'u32',
  columns: 'u32',
  tiles_y: 'u32',
  tiles_x: 'u32',
  /** strides of w, in elements: of a group, a row, and k */
  w_group: 'u32',
  w_row: 'u32',
  w_k: 'u32',
  flip: 'u32',
  /** 1: bias[g rows + m] is added */
  has_bias: 'u32',
  /** `RELU`: 1, y = max(the sum with its bias, 0); 2, without a bias, y is 0 unless aux > 0 at its place */
  relu: 'u32',
} as const;

export type FusedCorrelationParams = Params<typeof params>;
type P = FusedCorrelationParams;

const outputs = (p: P) => p.items * p.groups * p.rows * p.lines * p.columns;
const TAPS = FUSED_TAPS ** 2;

const productsOf = (p: P): FusedProducts => ({
  rows: p.rows,
  columns: p.items * p.tiles_y * p.tiles_x,
  depth: p.inner,
  count: p.groups,
});

/** Writes a sum at a place of y, with what the run applies to it. */
const writeText = ({ load, store }: Memory) => /* wgsl */ `
fn bias_of(channel: u32) -> f32 {
  if (p.has_bias == 1u) { return ${load('bias', 'p.bias_base + channel')}; }
  return 0.0;
}
fn write_output(sum: f32, place: u32, channel: u32, offset: f32) {
  var value = sum;
  for (var i = 0u; i < differentiated(1u); i++) { value = derivative(value, operand_at(place)); }
  ${store('y', 'p.y_base + place', 'activated(combined(value + offset, place, channel))')}
}`;

/** Filters, from one of them a lane and turn. */
function filtersText({ load }: Memory, turned: boolean): Operand {
  const tap = (y: number, x: number) => FUSED_TAPS * y + x;
  return {
    name: 'a',
    neighbours: turned ? 'rows' : 'k',
    matrix: fusedMatrices.filter,
    places: /* wgsl */ `      let in_a = s + k_a < end;
      let filter_at = select(p.w_base, place_a + s * p.w_k, in_a);`,
    value: (y, x) => {
      const at = turned ? TAPS - 1 - tap(y, x) : tap(y, x);
      return `select(0.0, ${load('w', `filter_at + ${at}u`)}, in_a)`;
    },
  };
}

/** Images: a lane has one tile, of another map each turn. */
const imagesText = ({ load }: Memory): Operand => ({
  name: 'b',
  neighbours: 'rows',
  matrix: fusedMatrices.image,
  places: /* wgsl */ `      let in_b = s + k_b < end;
      let map_at = select(p.x_base, place_b + s * p.height * p.width, in_b);
${range(4)
  .map((y) => `      let in_b${y} = in_b && y_start + ${y}u < p.height; let line_b${y} = map_at + y_${y};`)
  .join('\n')}`,
  value: (y, x) => `select(0.0, ${load('x', `line_b${y} + x_${x}`)}, in_b${y} && in_x${x})`,
});

const fused: Variant<typeof params> = {
  ...fusedVariant,
  configurations: [0, 1].flatMap((turned) => UNROLLED_OR_NOT.map((unrolled) => ({ turned, unrolled }))),
  // A rasteriser in software compiles each for seconds and takes none: two show that the text is right.
  supports: (capabilities, { turned, unrolled }, p) =>
    fusedFits(capabilities) && turned === p.flip && (turned !== unrolled || profileOf(capabilities).compile === 0),
  workgroups: (p) => fusedWorkgroups(productsOf(p)),
  estimate: (p, c, capabilities) => fusedCycles(productsOf(p), c, capabilities),
  cycles: (p, c, capabilities) => fusedCycles(productsOf(p), c, capabilities),
  text({ turned, unrolled }, memory) {
    const [a, b] = [filtersText(memory, turned === 1), imagesText(memory)];
    return {
      declarations: writeText(memory) + slabText,
      main: /* wgsl */ `
  let tiles = p.items * p.tiles_y * p.tiles_x;
  let blocks_m = (p.rows + ${FUSED_TILE - 1}u) / ${FUSED_TILE}u;
  let blocks_n = (tiles + ${FUSED_TILE - 1}u) / ${FUSED_TILE}u;
  let g = workgroup / (blocks_m * blocks_n);
  if (g >= p.groups) { return; }
  // Neighbours in time share images.
  let m_0 = (workgroup % blocks_m) * ${FUSED_TILE}u;
  let n_0 = ((workgroup / blocks_m) % blocks_n) * ${FUSED_TILE}u;
  let first = 0u;
  let end = p.inner;
${threadText(a.neighbours, b.neighbours)}
  let place_a = p.w_base + g * p.w_group + min(m_0 + row_a, p.rows - 1u) * p.w_row + k_a * p.w_k;
  // Of the lane's tile. What lies above or left of the image wraps round to a huge number, so one comparison serves both ends.
  let tile = min(n_0 + row_b, tiles - 1u);
  let tile_line = tile / p.tiles_x;
  let item = tile_line / p.tiles_y;
  let oy = (tile_line - item * p.tiles_y) * ${FUSED_OUTPUTS}u;
  let ox = (tile - tile_line * p.tiles_x) * ${FUSED_OUTPUTS}u;
  let place_b = p.x_base + ((item * p.groups + g) * p.inner + k_b) * p.height * p.width;
  let y_start = oy - u32(p.top);
  let x_start = ox - u32(p.left);
${range(4)
  .map(
    (i) => `  let y_${i} = min(y_start + ${i}u, p.height - 1u) * p.width;
  let x_${i} = min(x_start + ${i}u, p.width - 1u); let in_x${i} = x_start + ${i}u < p.width;`,
  )
  .join('\n')}
${productsText(a, b, unrolled === 1)}
${outputsText(
  fusedMatrices.output,
  (names) => /* wgsl */ `    let m = m_0 + row;
    if (m < p.rows && n_0 + row_b < tiles) {
      let channel = g * p.rows + m;
      let offset = bias_of(channel);
      let place = (item * p.groups * p.rows + channel) * p.lines * p.columns + oy * p.columns + ox;
      let right = ox + 1u < p.columns;
      let below = oy + 1u < p.lines;
      write_output(${names[0][0]}, place, channel, offset);
      if (right) { write_output(${names[0][1]}, place + 1u, channel, offset); }
      if (below) { write_output(${names[1][0]}, place + p.columns, channel, offset); }
      if (right && below) { write_output(${names[1][1]}, place + p.columns + 1u, channel, offset); }
    }`,
)}`,
    };
  },
};

const TRANSFORMS = { a: fusedMatrices.filter, b: fusedMatrices.image, sums: fusedMatrices.output };

export const fusedCorrelation = defineKernel({
  name: 'conv2d/winograd-fused',
  applies: 'epilogue',
  params,
  bindings: {
    w: { access: 'read', half: true },
    x: { access: 'read', half: true },
    bias: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    y: { access: 'write', half: true },
  },
  cost: (p, of) => ({
    flops: fusedFlops(productsOf(p), TRANSFORMS),
    bytes:
      of.w * p.groups * p.rows * p.inner * TAPS +
      of.x * p.items * p.groups * p.inner * p.height * p.width +
      outputs(p) * (of.y + (p.relu === RELU.before ? of.aux : 0)),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        outputs,
        'p.items * p.groups * p.rows * p.lines * p.columns',
        (memory) => /* wgsl */ `
  let ox = index % p.columns;
  let line = index / p.columns;
  let oy = line % p.lines;
  let plane = line / p.lines;
  let channel = plane % (p.groups * p.rows);
  let item = plane / (p.groups * p.rows);
  let g = channel / p.rows;
  var sum = 0.0;
  for (var k = 0u; k < p.inner; k++) {
    let filter_at = p.w_base + g * p.w_group + (channel - g * p.rows) * p.w_row + k * p.w_k;
    let map_at = p.x_base + ((item * p.groups + g) * p.inner + k) * p.height * p.width;
    for (var i = 0u; i < ${FUSED_TAPS}u; i++) {
      let y = oy - u32(p.top) + i;
      if (y >= p.height) { continue; }
      for (var j = 0u; j < ${FUSED_TAPS}u; j++) {
        let x_at = ox - u32(p.left) + j;
        let tap = i * ${FUSED_TAPS}u + j;
        if (x_at < p.width) { sum += ${memory.load('w', `filter_at + select(tap, ${TAPS - 1}u - tap, p.flip == 1u)`)} * ${memory.load('x', 'map_at + y * p.width + x_at')}; }
      }
    }
  }
  write_output(sum, index, channel, bias_of(channel));`,
        writeText,
      ),
      estimate: (p, _, capabilities) => plainCycles(outputs(p), p.inner * TAPS, capabilities),
      cycles: (p, _, capabilities) => plainCycles(outputs(p), p.inner * TAPS, capabilities),
    },
    fused,
  ],
});
