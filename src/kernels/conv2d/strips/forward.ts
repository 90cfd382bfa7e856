/**
 * Convolution from a padded image and packed weights (./pad.ts, ../../panels/pack.ts), for adapters on which a load costs as much as
 * tens of multiply-adds (software rasterisers):
 *
 *   y[n, g, m, oy, ox] = bias[g, m] + sum over c, ky, kx of  w[g, m, c, ky, kx] * x[n, g, c, oy s_y + ky, ox s_x + kx]
 *
 * A workgroup is one subgroup. Each lane holds a strip of STRIP neighbouring outputs of one line for TILE filters. For
 * one (c, ky) it loads the strip's part of the image line once, as whole vectors, and every tap kx of every filter reads
 * it from registers; each weight is loaded by one lane and handed round. An accumulator is touched once for all taps.
 *
 * The input gradient of a convolution of stride 1 is this too: of dy in a frame of its own, with the taps turned round
 * (../conv2d.ts). An infinity beside a window, in its line, may make its output NaN: the strips of the last columns
 * reach over the line's end.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LANES, LOAD, range } from '../../rasteriser.ts';
import { ACTIVATION } from '../../relu/relu.ts';
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
  /** outputs: lines and columns */
  lines: 'u32',
  width: 'u32',
  /** vectors of four: of a line and of a channel of x */
  x_line: 'u32',
  x_plane: 'u32',
  tile: 'u32',
  strip: 'u32',
  /** 1: bias[g rows + m] is added */
  has_bias: 'u32',
  /** 1: y = max(the sum with its bias, 0) */
  relu: 'u32',
} as const;

export type StripParams = Params<typeof params>;

const outputs = (p: StripParams) => p.items * p.groups * p.rows * p.lines * p.width;

const plain = perElement<typeof params>(
  outputs,
  'p.items * p.groups * p.rows * p.lines * p.width',
  /* wgsl */ `
  let ox = index % p.width;
  let line = index / p.width;
  let oy = line % p.lines;
  let filter_index = (line / p.lines) % (p.groups * p.rows);
  let item = line / (p.lines * p.groups * p.rows);
  let g = filter_index / p.rows;
  let m = filter_index - g * p.rows;
  let blocks = (p.rows + p.tile - 1u) / p.tile;
  var sum = 0.0;
  for (var c = 0u; c < p.channels; c++) {
    for (var ky = 0u; ky < p.kernel_height; ky++) {
      for (var kx = 0u; kx < p.kernel_width; kx++) {
        let place = ((((g * blocks + m / p.tile) * p.channels + c) * p.kernel_height + ky) * p.kernel_width + kx) * p.tile + m % p.tile;
        let at = ox * p.stride_x + kx;
        let image = ((item * p.groups + g) * p.channels + c) * p.x_plane + (oy * p.stride_y + ky) * p.x_line;
        sum += w[p.w_base + place / 4u][place % 4u] * x[p.x_base + image + at / 4u][at % 4u];
      }
    }
  }
  y[p.y_base + index] = activated(sum + select(0.0, bias[p.bias_base + filter_index], p.has_bias == 1u));`,
  ACTIVATION,
);

/** Tiles of filters and strips of columns with a text; 256 sums a lane: more make a text that leaves the instruction cache. */
export const STRIP_SHAPES = [
  { tile: 16, strip: 8 },
  { tile: 24, strip: 8 },
  { tile: 32, strip: 4 },
  { tile: 32, strip: 8 },
];

const tilesOf = (p: StripParams, lanes: number) =>
  p.groups * Math.ceil(p.rows / p.tile) * Math.ceil((p.items * p.lines * Math.ceil(p.width / p.strip)) / lanes);

/** Instructions of all lanes together, in those of a vector as wide as the subgroup. */
export function stripTime(p: StripParams, lanes: number): number {
  const { tile, strip, kernel_width: taps } = p;
  const loads = taps * Math.ceil(tile / 4 / lanes) + vectorsOf(strip, p.stride_x, taps);
  return tilesOf(p, lanes) * p.channels * p.kernel_height * (loads * LOAD * lanes + tile * strip * (2 * taps + 3));
}

/** One step of the sum: `taps` taps of one line, whose weights begin at \`a\` and whose image line at \`b\`. */
function step(lanes: number, tile: number, strip: number, stride: number, taps: number): string {
  const quads = strip / 4;
  const own = Math.ceil(tile / 4 / lanes);
  const lane = tile / 4 >= lanes ? 'lane' : `lane % ${tile / 4}u`;
  const image = range(vectorsOf(strip, stride, taps)).map((i) => `let e${i} = x[b + ${i}u];`);
  const weights = range(taps).map((t) =>
    range(own)
      .map((i) => `let a${t}_${i} = w[a + ${(t * tile) / 4 + i * lanes}u + ${lane}];`)
      .join(' '),
  );
  const sums = range(tile).map((m) => {
    const vector = m >> 2;
    const values = range(taps).map(
      (t) => `let x${t} = subgroupBroadcast(a${t}_${Math.floor(vector / lanes)}[${m & 3}], ${vector % lanes}u);`,
    );
    const products = range(quads).map((q) => {
      const terms = range(taps).map((t) => {
        const four = range(4).map((k) => element('e', (4 * q + k) * stride + t));
        return `x${t} * vec4f(${four.join(', ')})`;
      });
      return `c${m}_${q} += ${terms.join(' + ')};`;
    });
    return `{ ${values.join(' ')} ${products.join(' ')} }`;
  });
  return [...image, ...weights, ...sums].map((line) => `      ${line}`).join('\n');
}

/** Wide windows go by chunks of four taps, so that the text stays small: whole ones in a loop, then what is left. */
const CHUNK = 4;
const chunksOf = (width: number) =>
  width <= CHUNK + 1 ? { whole: 0, left: width } : { whole: Math.floor(width / CHUNK), left: width % CHUNK };

const strips: Variant<typeof params> = {
  name: 'strips',
  subgroups: true,
  configurations: LANES.flatMap((lanes) =>
    WINDOWS.flatMap(([window, stride]) => STRIP_SHAPES.map((shape) => ({ lanes, window, stride, ...shape }))),
  ),
  workgroupSize: ({ lanes }) => lanes,
  supports: ({ subgroupWidth }, { lanes, window, stride, tile, strip }, p) =>
    lanes === subgroupWidth &&
    window === p.kernel_width &&
    stride === p.stride_x &&
    tile === p.tile &&
    strip === p.strip,
  workgroups: (p, { lanes }) => tilesOf(p, lanes),
  estimate: (p, { lanes }) => stripTime(p, lanes),
  text: ({ lanes, window, stride, tile, strip }) => {
    const { whole, left } = chunksOf(window);
    const quads = strip / 4;
    return {
      declarations: ACTIVATION,
      main: /* wgsl */ `
  let per_line = (p.width + ${strip - 1}u) / ${strip}u;
  let total = p.items * p.lines * per_line;
  let blocks = (p.rows + ${tile - 1}u) / ${tile}u;
  let tiles = (total + ${lanes - 1}u) / ${lanes}u;
  let g = workgroup / (blocks * tiles);
  if (g >= p.groups) { return; }
  let block = workgroup % blocks;
  let own = ((workgroup / blocks) % tiles) * ${lanes}u + lane;
  let place = min(own, total - 1u);
  let line = place / per_line;
  let ox = (place - line * per_line) * ${strip}u;
  let item = line / p.lines;
  let oy = line - item * p.lines;
  let a_0 = p.w_base + (g * blocks + block) * p.channels * p.kernel_height * ${(window * tile) / 4}u;
  let b_0 = p.x_base + (item * p.groups + g) * p.channels * p.x_plane + oy * p.stride_y * p.x_line + ox * ${stride}u / 4u;
${range(tile)
  .map(
    (m) =>
      `  ${range(quads)
        .map((q) => `var c${m}_${q} = vec4f();`)
        .join(' ')}`,
  )
  .join('\n')}
  for (var c = 0u; c < p.channels; c++) {
    for (var ky = 0u; ky < p.kernel_height; ky++) {
      let a_line = a_0 + (c * p.kernel_height + ky) * ${(window * tile) / 4}u;
      let b_line = b_0 + c * p.x_plane + ky * p.x_line;
${
  whole === 0
    ? ''
    : `      for (var chunk = 0u; chunk < p.kernel_width / ${CHUNK}u; chunk++) {
      let a = a_line + chunk * ${CHUNK * (tile / 4)}u;
      let b = b_line + chunk;
${step(lanes, tile, strip, stride, CHUNK)}
      }`
}
${
  left === 0
    ? ''
    : `      let a = a_line + ${whole * CHUNK * (tile / 4)}u;
      let b = b_line + ${whole}u;
${step(lanes, tile, strip, stride, left)}`
}
    }
  }
  // The stores stand in loops of unknown length: unrolled, they would take seconds to compile.
  var sums = array<vec4f, ${tile * quads}>(${range(tile)
    .flatMap((m) => range(quads).map((q) => `c${m}_${q}`))
    .join(', ')});
  let m_0 = block * ${tile}u;
  let plane = p.lines * p.width;
  let start = p.y_base + ((item * p.groups + g) * p.rows + m_0) * plane + oy * p.width + ox;
  let columns = select(0u, min(${strip}u, p.width - ox), own < total);
  let filters = min(${tile}u, p.rows - m_0);
  for (var m = 0u; m < filters; m++) {
    var offset = 0.0;
    if (p.has_bias == 1u) { offset = bias[p.bias_base + g * p.rows + m_0 + m]; }
    for (var j = 0u; j < columns; j++) {
      y[start + m * plane + j] = activated(sums[m * ${quads}u + (j >> 2u)][j & 3u] + offset);
    }
  }`,
    };
  },
};

export const conv2dStrips = defineKernel({
  name: 'conv2d/strips',
  params,
  bindings: {
    w: { access: 'read', type: 'vec4f' },
    x: { access: 'read', type: 'vec4f' },
    bias: { access: 'read' },
    y: { access: 'write' },
  },
  cost: (p) => ({
    flops: 2 * outputs(p) * p.channels * p.kernel_height * p.kernel_width,
    bytes:
      4 * outputs(p) +
      16 * p.items * p.groups * p.channels * p.x_plane +
      4 * p.groups * p.rows * p.channels * p.kernel_height * p.kernel_width,
  }),
  variants: [{ ...plain, estimate: (p) => outputs(p) * p.channels * p.kernel_height * p.kernel_width * 60 }, strips],
});
