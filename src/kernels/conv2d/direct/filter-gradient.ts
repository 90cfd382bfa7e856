/**
 * The filter gradient from padded images and gradients (./pad.ts): dy in lines of whole strips, zero beyond its width;
 *
 *   dw[g, m, c, ky, kx] = sum over n, oy, ox of  dy[n, g, m, oy, ox] * x[n, g, c, oy s_y + ky, ox s_x + kx]
 *
 * A workgroup is one subgroup. Each lane holds all taps kx of COLUMNS pairs (c, ky) for TILE filters. For one strip of
 * outputs it has its part of the image line in registers, where every tap reads it: what the next strip needs again is
 * kept, the rest loaded. Each dy is loaded by one lane and handed round. An accumulator is touched once for a whole strip.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { BROADCAST, LANES, loadOf, MOVE, range, textTime } from '../../rasteriser.ts';
import { element, vectorsOf, WINDOWS } from './text.ts';

const params = {
  items: 'u32',
  groups: 'u32',
  /** filters and channels of one group */
  rows: 'u32',
  channels: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  stride_y: 'u32',
  stride_x: 'u32',
  /** outputs: lines and columns; and vectors of four of a padded line of dy */
  lines: 'u32',
  width: 'u32',
  d_line: 'u32',
  /** vectors of four: of a line and of a channel of x */
  x_line: 'u32',
  x_plane: 'u32',
  accumulate: 'u32',
} as const;

export type DirectFilterParams = Params<typeof params>;

const outputs = (p: DirectFilterParams) => p.groups * p.rows * p.channels * p.kernel_height * p.kernel_width;

const plain = perElement<typeof params>(
  outputs,
  'p.groups * p.rows * p.channels * p.kernel_height * p.kernel_width',
  (memory) => /* wgsl */ `
  let kx = index % p.kernel_width;
  var rest = index / p.kernel_width;
  let ky = rest % p.kernel_height;
  rest /= p.kernel_height;
  let c = rest % p.channels;
  let filter_index = rest / p.channels;
  let g = filter_index / p.rows;
  var sum = 0.0;
  for (var n = 0u; n < p.items; n++) {
    for (var oy = 0u; oy < p.lines; oy++) {
      let d = ((n * p.groups * p.rows + filter_index) * p.lines + oy) * p.d_line;
      let image = ((n * p.groups + g) * p.channels + c) * p.x_plane + (oy * p.stride_y + ky) * p.x_line;
      // Sums of sums, a line at a time: the rounding error grows with the longer of the two.
      var part = 0.0;
      for (var ox = 0u; ox < p.d_line * 4u; ox++) {
        let at = ox * p.stride_x + kx;
        part += dy[p.dy_base + d + ox / 4u][ox % 4u] * x[p.x_base + image + at / 4u][at % 4u];
      }
      sum += part;
    }
  }
  ${memory.gradient('dw', 'p.dw_base + index', 'sum')}`,
);

/**
 * Outputs of a line that are worked on together: the multiple that lines of dy are padded to. Eight would touch the sums
 * half as often, but its text leaves the instruction cache: 1.1 to 1.4 times as long on lavapipe.
 */
export const STRIP = 4;

/** Filters and pairs (c, ky) of a lane; the sums of all taps should stay in the nearest cache. */
const SHAPES = [
  [16, 1],
  [24, 1],
  [16, 2],
  [16, 3],
  [32, 2],
] as const;
const MOST_SUMS = 360;

/** Vectors of an image line for one strip, and how many of them the next one needs again. */
function imageOf(window: number, stride: number): { vectors: number; kept: number } {
  const vectors = vectorsOf(STRIP, stride, window);
  return { vectors, kept: Math.max(0, vectors - (STRIP * stride) / 4) };
}

const tilesOf = (p: DirectFilterParams, lanes: number, tile: number, columns: number) =>
  p.groups * Math.ceil(p.rows / tile) * Math.ceil((p.channels * p.kernel_height) / (lanes * columns));

const registerTile: Variant<typeof params> = {
  name: 'register-tile',
  subgroups: true,
  configurations: LANES.flatMap((lanes) =>
    WINDOWS.flatMap(([window, stride]) =>
      SHAPES.filter(([tile, columns]) => tile % lanes === 0 && tile * columns * window <= MOST_SUMS).map(
        ([tile, columns]) => ({ lanes, window, stride, tile, columns }),
      ),
    ),
  ),
  workgroupSize: ({ lanes }) => lanes,
  supports: ({ subgroupWidth }, { lanes, window, stride }, p) =>
    lanes === subgroupWidth && window === p.kernel_width && stride === p.stride_x && p.d_line % (STRIP / 4) === 0,
  workgroups: (p, { lanes, tile, columns }) => tilesOf(p, lanes, tile, columns),
  estimate: (p, { lanes, window, stride, tile, columns }) => {
    const { vectors, kept } = imageOf(window, stride);
    const load = loadOf(lanes) * lanes;
    const strip = textTime(
      ((tile / lanes) * (STRIP / 4) + columns * (vectors - kept)) * load +
        columns * kept * MOVE +
        tile * STRIP * BROADCAST +
        tile * columns * window * (2 * STRIP + 3),
    );
    const perLine = columns * kept * load + (p.d_line / (STRIP / 4)) * strip;
    const tiles = tilesOf(p, lanes, tile, columns);
    // Few tiles leave a core idle at the end.
    return Math.ceil(tiles / 4) * 4 * p.items * p.lines * perLine;
  },
  unrolled: ({ window, tile, columns }) => window * tile * columns,
  text: ({ lanes, window, stride, tile, columns }, memory) => {
    const quads = STRIP / 4;
    const { vectors, kept } = imageOf(window, stride);
    const places = range(columns).flatMap((k) => range(vectors).map((i) => ({ k, i, name: `e${k}_${i}` })));
    const sums = range(tile).flatMap((m) =>
      range(columns).flatMap((k) => range(window).map((kx) => ({ m, k, kx, name: `c${m}_${k}_${kx}` }))),
    );
    return {
      main: /* wgsl */ `
  let pairs = p.channels * p.kernel_height;
  let blocks = (p.rows + ${tile - 1}u) / ${tile}u;
  let tiles = (pairs + ${lanes * columns - 1}u) / ${lanes * columns}u;
  let g = workgroup / (blocks * tiles);
  if (g >= p.groups) { return; }
  let m_0 = (workgroup % blocks) * ${tile}u;
  let first = ((workgroup / blocks) % tiles) * ${lanes * columns}u + lane;
  let x_item = p.groups * p.channels * p.x_plane;
  let dy_plane = p.lines * p.d_line;
  let dy_item = p.groups * p.rows * dy_plane;
${range(tile / lanes)
  .map((i) => `  let d${i} = p.dy_base + (g * p.rows + min(m_0 + ${i * lanes}u + lane, p.rows - 1u)) * dy_plane;`)
  .join('\n')}
${range(columns)
  .map(
    (k) => `  let j${k} = min(first + ${k * lanes}u, pairs - 1u);
  let c${k} = j${k} / p.kernel_height;
  let b${k} = p.x_base + (g * p.channels + c${k}) * p.x_plane + (j${k} - c${k} * p.kernel_height) * p.x_line;`,
  )
  .join('\n')}
${sums.map(({ name }) => `  var ${name} = 0.0;`).join('\n')}
  for (var n = 0u; n < p.items; n++) {
    for (var oy = 0u; oy < p.lines; oy++) {
      let d_line = n * dy_item + oy * p.d_line;
      let x_line = n * x_item + oy * p.stride_y * p.x_line;
${places.map(({ k, i, name }) => `      var ${name} = ${i < vectors - kept ? 'vec4f()' : `x[b${k} + x_line + ${i - vectors + kept}u]`};`).join('\n')}
      for (var at = 0u; at < p.d_line; at += ${quads}u) {
${places
  .map(({ k, i, name }) =>
    i < kept
      ? `        ${name} = e${k}_${vectors - kept + i};`
      : `        ${name} = x[b${k} + x_line + at * ${stride}u + ${i}u];`,
  )
  .join('\n')}
${range(tile / lanes)
  .flatMap((i) => range(quads).map((q) => `        let a${i}_${q} = dy[d${i} + d_line + at + ${q}u];`))
  .join('\n')}
${range(tile)
  .map((m) => {
    const values = range(STRIP).map(
      (t) => `let x${t} = subgroupBroadcast(${element(`a${Math.floor(m / lanes)}_`, t)}, ${m % lanes}u);`,
    );
    const lines = sums
      .filter((sum) => sum.m === m)
      .map(
        ({ k, kx, name }) =>
          `${name} += ${range(STRIP)
            .map((t) => `x${t} * ${element(`e${k}_`, t * stride + kx)}`)
            .join(' + ')};`,
      );
    return `        { ${values.join(' ')}\n          ${lines.join('\n          ')} }`;
  })
  .join('\n')}
      }
    }
  }
  var sums = array<f32, ${sums.length}>(${sums.map(({ name }) => name).join(', ')});
  let filters = min(${tile}u, p.rows - m_0);
  // Bounds known at run time only: unrolled, with an update in each store, they cost seconds of compilation.
  let columns = min(${columns}u, pairs);
  for (var m = 0u; m < filters; m++) {
    for (var k = 0u; k < columns; k++) {
      let j = first + k * ${lanes}u;
      if (j >= pairs) { break; }
      let start = p.dw_base + ((g * p.rows + m_0 + m) * pairs + j) * ${window}u;
      for (var kx = 0u; kx < p.kernel_width; kx++) {
        let sum = sums[(m * ${columns}u + k) * ${window}u + kx];
        ${memory.gradient('dw', 'start + kx', 'sum')}
      }
    }
  }`,
    };
  },
};

export const conv2dDirectFilterGradient = defineKernel({
  name: 'conv2d/direct-filter-gradient',
  params,
  bindings: {
    dy: { access: 'read', type: 'vec4f' },
    x: { access: 'read', type: 'vec4f' },
    dw: { access: 'write', gradient: true },
  },
  cost: (p, of) => ({
    flops: 2 * outputs(p) * p.items * p.lines * p.width,
    bytes:
      of.dw * outputs(p) * (1 + p.accumulate) +
      16 * p.items * p.groups * (p.channels * p.x_plane + p.rows * p.lines * p.d_line),
  }),
  variants: [{ ...plain, estimate: (p) => outputs(p) * p.items * p.lines * p.d_line * 240 }, registerTile],
});
