/**
 * Convolution from a padded image and packed weights (./pad.ts, ../../gemm/pack.ts), for adapters on which a load costs as much as
 * tens of multiply-adds (software rasterisers):
 *
 *   y[n, g, m, oy, ox] = bias[g, m] + sum over c, ky, kx of  w[g, m, c, ky, kx] * x[n, g, c, oy s_y + ky, ox s_x + kx]
 *
 * A workgroup is one subgroup. Each lane holds a strip of STRIP neighbouring outputs of one line for TILE filters. For
 * one (c, ky) it loads the strip's part of the image line once, as whole vectors, and every tap kx of every filter reads
 * it from registers; each weight is loaded by one lane and handed round. An accumulator is touched once for all taps, or
 * once for four of a wide window.
 *
 * The input gradient of a convolution of stride 1 is this too: of dy in a frame of its own, with the taps turned round
 * (../conv2d.ts). An infinity beside a window, in its line, may make its output NaN: the strips of the last columns
 * reach over the line's end.
 */
import { type Configuration, defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { BROADCAST, LANES, loadOf, MOVE, range, textTime } from '../../rasteriser.ts';
import { RELU } from '../../relu/rule.ts';
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
  /** `RELU`: 1, y = max(the sum with its bias, 0); 2, without a bias, y is 0 unless aux > 0 at its place */
  relu: 'u32',
} as const;

export type DirectParams = Params<typeof params>;

const outputs = (p: DirectParams) => p.items * p.groups * p.rows * p.lines * p.width;

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
  for (var i = 0u; i < differentiated(1u); i++) { sum = derivative(sum, operand_at(index)); }
  y[p.y_base + index] = activated(combined(sum + select(0.0, bias[p.bias_base + filter_index], p.has_bias == 1u), index, filter_index));`,
);

/** Tiles of filters and strips of columns with a text; 256 sums a lane: more make a text that leaves the instruction cache. */
export const STRIP_SHAPES = [
  { tile: 16, strip: 8 },
  { tile: 24, strip: 8 },
  { tile: 32, strip: 4 },
  { tile: 32, strip: 8 },
];

const tilesOf = (p: DirectParams, lanes: number) =>
  p.groups * Math.ceil(p.rows / p.tile) * Math.ceil((p.items * p.lines * Math.ceil(p.width / p.strip)) / lanes);

/**
 * Wide windows go by chunks of four taps, so that the text stays small. Four taps on, the image has moved by one vector,
 * whatever the stride: a chunk loads one and keeps the others.
 */
const chunksOf = (window: number) =>
  window <= 5 ? { chunks: 1, taps: window } : { chunks: Math.ceil(window / 4), taps: 4 };

/** Vectors of weights a lane, for `taps` taps of a tile. */
const weightsOf = (lanes: number, tile: number, taps: number) => Math.ceil((taps * tile) / 4 / lanes);

/** Instructions of all lanes together, in those of a vector as wide as the subgroup. */
export function directTime(p: DirectParams, lanes: number): number {
  const { tile, strip } = p;
  const { chunks, taps } = chunksOf(p.kernel_width);
  const vectors = vectorsOf(strip, p.stride_x, taps);
  const load = loadOf(lanes) * lanes;
  const sums = tile * taps * BROADCAST + tile * strip * (2 * taps + 3) + weightsOf(lanes, tile, taps) * load;
  const line =
    chunks === 1
      ? textTime(sums + vectors * load)
      : (vectors - 1) * (load + vectors * MOVE) + chunks * textTime(sums + load + vectors * MOVE);
  const stores = (tile * strip * load) / 2;
  return tilesOf(p, lanes) * (p.channels * p.kernel_height * line + stores);
}

/**
 * One step of the sum: some taps of one line, whose image vectors are e0, e1, .. and whose weights begin at `a`. What the
 * last chunk has beyond the window is taken for zeros, in the image (it may hold infinities) and in the weights (there
 * follows another line's, or nothing).
 */
function step({ lanes, window, stride, tile, strip }: Configuration): string {
  const { chunks, taps } = chunksOf(window);
  const left = window - (chunks - 1) * taps;
  const weights = range(weightsOf(lanes, tile, taps)).map((i) => {
    const [count, beyond] = [taps, left].map((some) => (some * tile) / 4 - i * lanes);
    const value = `w[a + ${i * lanes}u + ${count < lanes ? `min(lane, ${count - 1}u)` : 'lane'}]`;
    if (beyond >= Math.min(count, lanes)) return `let a${i} = ${value};`;
    return `let a${i} = select(${value}, vec4f(), last${beyond > 0 ? ` && lane >= ${beyond}u` : ''});`;
  });
  const image = range(taps).flatMap((t) =>
    range(strip / 4).map((q) => {
      const four = `vec4f(${range(4)
        .map((k) => element('e', (4 * q + k) * stride + t))
        .join(', ')})`;
      return `let v${t}_${q} = ${t < left ? four : `select(${four}, vec4f(), last)`};`;
    }),
  );
  const sums = range(tile).map((m) => {
    const values = range(taps).map((t) => {
      const at = t * tile + m;
      return `let x${t} = subgroupBroadcast(a${Math.floor(at / 4 / lanes)}[${at & 3}], ${(at >> 2) % lanes}u);`;
    });
    const products = range(strip / 4).map(
      (q) =>
        `c${m}_${q} += ${range(taps)
          .map((t) => `x${t} * v${t}_${q}`)
          .join(' + ')};`,
    );
    return `{ ${values.join(' ')} ${products.join(' ')} }`;
  });
  return [...weights, ...image, ...sums].join('\n');
}

/** All taps of one line of the window: weights from `a_line`, image from `b_line`. */
function line(configuration: Configuration): string {
  const { window, stride, tile, strip } = configuration;
  const { chunks, taps } = chunksOf(window);
  const vectors = range(vectorsOf(strip, stride, taps));
  if (chunks === 1) {
    return /* wgsl */ `
      let a = a_line;
${vectors.map((i) => `let e${i} = x[b_line + ${i}u];`).join('\n')}
${step(configuration)}`;
  }
  const next = vectors.length - 1;
  const move = (from: string) =>
    [...vectors.slice(1).map((i) => `e${i - 1} = e${i};`), `e${next} = x[b_line + ${from}];`].join(' ');
  // The first vectors come in a loop: its bound must not be a constant, or it would be unrolled.
  return /* wgsl */ `
      ${vectors.map((i) => `var e${i} = vec4f();`).join(' ')}
      for (var i = 0u; i < first; i++) { ${move('i')} }
      for (var chunk = 0u; chunk < chunks; chunk++) {
      let a = a_line + chunk * ${(taps * tile) / 4}u;
      let last = chunk + 1u == chunks;
      ${move(`${next}u + chunk`)}
${step(configuration)}
      }`;
}

const registerTile: Variant<typeof params> = {
  name: 'register-tile',
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
  estimate: (p, { lanes }) => directTime(p, lanes),
  text: (configuration) => {
    const { lanes, window, stride, tile, strip } = configuration;
    const { chunks, taps } = chunksOf(window);
    const quads = strip / 4;
    return {
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
${
  chunks === 1
    ? ''
    : `  let chunks = (p.kernel_width + ${taps - 1}u) / ${taps}u;
  let first = ((p.strip - 1u) * p.stride_x + 3u) / 4u;`
}
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
${line(configuration)}
    }
  }
  // The stores stand in a loop of unknown length: unrolled, they would take seconds to compile.
  var sums = array<f32, ${tile * strip}>(${range(tile)
    .flatMap((m) => range(strip).map((j) => element(`c${m}_`, j)))
    .join(', ')});
  let m_0 = block * ${tile}u;
  let plane = p.lines * p.width;
  let start = ((item * p.groups + g) * p.rows + m_0) * plane + oy * p.width + ox;
  let columns = select(0u, min(${strip}u, p.width - ox), own < total);
  let filters = min(${tile}u, p.rows - m_0);
  for (var m = 0u; m < filters; m++) {
    var offset = 0.0;
    if (p.has_bias == 1u) { offset = bias[p.bias_base + g * p.rows + m_0 + m]; }
    let rest = start + m * plane;
    for (var j = 0u; j < differentiated(columns); j++) {
      sums[m * ${strip}u + j] = derivative(sums[m * ${strip}u + j], operand_at(rest + j));
    }
    let at = p.y_base + rest;
${range(strip)
  .map(
    (j) =>
      `    if (columns > ${j}u) { y[at + ${j}u] = activated(combined(sums[m * ${strip}u + ${j}u] + offset, rest + ${j}u, g * p.rows + m_0 + m)); }`,
  )
  .join('\n')}
  }`,
    };
  },
};

export const conv2dDirect = defineKernel({
  name: 'conv2d/direct',
  applies: 'epilogue',
  params,
  bindings: {
    w: { access: 'read', type: 'vec4f' },
    x: { access: 'read', type: 'vec4f' },
    bias: { access: 'read' },
    aux: { access: 'read' },
    y: { access: 'write' },
  },
  cost: (p) => ({
    flops: 2 * outputs(p) * p.channels * p.kernel_height * p.kernel_width,
    bytes:
      4 * outputs(p) * (p.relu === RELU.before ? 2 : 1) +
      16 * p.items * p.groups * p.channels * p.x_plane +
      4 * p.groups * p.rows * p.channels * p.kernel_height * p.kernel_width,
  }),
  variants: [
    { ...plain, estimate: (p) => outputs(p) * p.channels * p.kernel_height * p.kernel_width * 60 },
    registerTile,
  ],
});
