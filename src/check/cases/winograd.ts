/**
 * The kernels of convolution by tiles. Each is a linear map of its input with constant coefficients: its reference applies
 * the matrices as they are written here, from the formulas in kernels/conv2d/winograd/tile.ts worked out by hand.
 */
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { winogradFilter, winogradFilterSize } from '../../kernels/conv2d/winograd/filter.ts';
import { winogradFilterGradient } from '../../kernels/conv2d/winograd/filter-gradient.ts';
import { winogradGradient, winogradGradientSize } from '../../kernels/conv2d/winograd/gradient.ts';
import { winogradImage, winogradImageSize } from '../../kernels/conv2d/winograd/image.ts';
import { winogradOutput } from '../../kernels/conv2d/winograd/output.ts';
import {
  planTilesFilterGradient,
  planTilesForward,
  planTilesInputGradient,
} from '../../kernels/conv2d/winograd/plan.ts';
import { type PackedTile, packedGemmBatch, packedTiles } from '../../kernels/gemm/packed.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import { LANES } from '../../kernels/rasteriser.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { activationOf, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { four, MOST_FOLDED, pair } from '../choose.ts';
import { type Expected, rectified, sumsOf } from '../expected.ts';
import { isDenormal, SMALLEST_NORMAL, valuesOf } from '../values.ts';

const rasteriser: Capabilities = {
  kind: 'software',
  subgroupWidth: 8,
  limits: { maxBinding: 2 ** 27, maxThreads: 256, maxWorkgroupMemory: 16384, offsetAlignment: 256 },
};

type Values = ArrayLike<number>;
type Matrix = readonly (readonly number[])[];

/** Of tiles of 6 values. Points 0, +-5/8, +-3/2: (x^2 - 25/64)(x^2 - 9/4) = x^4 - 169/64 x^2 + 225/256. */
const B_6: Matrix = [
  [225 / 256, 0, -169 / 64, 0, 1, 0],
  [0, -45 / 32, -9 / 4, 5 / 8, 1, 0],
  [0, 45 / 32, -9 / 4, -5 / 8, 1, 0],
  [0, -75 / 128, -25 / 64, 3 / 2, 1, 0],
  [0, 75 / 128, -25 / 64, -3 / 2, 1, 0],
  [0, 225 / 256, 0, -169 / 64, 0, 1],
];
/** 2 a^2 (a^2 - b^2) at a = 5/8: -25/32 * 119/64; at a = 3/2: 9/2 * 119/64. */
const WEIGHTS_6 = [256 / 225, -2048 / 2975, -2048 / 2975, 128 / 1071, 128 / 1071, 1];

/** Of tiles of 8. Points 0, +-1/2, +-1, +-2: (x^2 - 1/4)(x^2 - 1)(x^2 - 4) = x^6 - 21/4 x^4 + 21/4 x^2 - 1. */
const B_8: Matrix = [
  [-1, 0, 21 / 4, 0, -21 / 4, 0, 1, 0],
  [0, 2, 4, -5 / 2, -5, 1 / 2, 1, 0],
  [0, -2, 4, 5 / 2, -5, -1 / 2, 1, 0],
  [0, 1, 1, -17 / 4, -17 / 4, 1, 1, 0],
  [0, -1, 1, 17 / 4, -17 / 4, -1, 1, 0],
  [0, 1 / 2, 1 / 4, -5 / 2, -5 / 4, 2, 1, 0],
  [0, -1 / 2, 1 / 4, 5 / 2, -5 / 4, -2, 1, 0],
  [0, -1, 0, 21 / 4, 0, -21 / 4, 0, 1],
];
/** 2 a^2 (a^2 - b^2) (a^2 - c^2) at a = 1/2: 1/2 * 3/4 * 15/4; at a = 1: -2 * 3/4 * 3; at a = 2: 8 * 15/4 * 3. */
const WEIGHTS_8 = [-1, 32 / 45, 32 / 45, -2 / 9, -2 / 9, 1 / 90, 1 / 90, 1];

/** Values of a tile: 6 for filters of up to three taps, 8 for longer ones. They make side + 1 - taps outputs. */
const side = (taps: number) => (taps <= 3 ? 6 : 8);
const outputs = (taps: number) => side(taps) + 1 - taps;
const points = (taps: number) => (side(taps) === 6 ? [0, 0.625, -0.625, 1.5, -1.5] : [0, 0.5, -0.5, 1, -1, 2, -2]);
const powers = (taps: number, count: number): Matrix => [
  ...points(taps).map((a) => Array.from({ length: count }, (_, k) => a ** k)),
  Array.from({ length: count }, (_, k) => Number(k === count - 1)),
];
/** For a filter of so many taps. */
const A = (taps: number) => powers(taps, outputs(taps));
const B = (taps: number) => (side(taps) === 6 ? B_6 : B_8);
const G = (taps: number): Matrix => {
  const weights = side(taps) === 6 ? WEIGHTS_6 : WEIGHTS_8;
  return powers(taps, taps).map((row, e) => row.map((power) => power * weights[e]));
};
const absolute = (matrix: Matrix): Matrix => matrix.map((row) => row.map(Math.abs));

export const winogradMatrices = { A, B, G };

/**
 * What is stored as halves is stored times a power of two, the same along both sides: images over 8 or 16, filters times 4 or
 * 8, and so the sums of their products over 2. Gradients by the absolute sums of their matrix's rows, which are powers of
 * 0, a point, minus that, the next, .., infinity.
 */
const ofImage = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => (side(taps) === 6 ? 1 / 8 : 1 / 16));
const ofFilter = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => (side(taps) === 6 ? 4 : 8));
const ofSums = (taps: number) =>
  points(taps)
    .concat(0)
    .map(() => 1 / 2);
const GRADIENT: Readonly<Record<number, readonly number[]>> = {
  2: [1, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
  3: [1, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
  4: [1, 1 / 2, 1 / 2, 1 / 8, 1 / 8, 1 / 32, 1 / 32, 1],
  5: [1, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 16, 1 / 16, 1],
};
const ofGradient = (taps: number) => GRADIENT[taps];
const ofFilterSums = (taps: number) => ofGradient(taps).map((scale, e) => scale * ofImage(taps)[e]);
const SCALES = { image: ofImage, filter: ofFilter, sums: ofSums, gradient: ofGradient, filterSums: ofFilterSums };

/** Of the places of a tile; 1 where the binding stores f32. */
function scalesIf(half: boolean | undefined, what: keyof typeof SCALES, [kh, kw]: readonly [number, number]): number[] {
  return SCALES[what](kh).flatMap((y) => SCALES[what](kw).map((x) => (half ? y * x : 1)));
}

/** sum over i, j of M_y[e_y][i] M_x[e_x][j] in(i, j), for all e */
function expanded(my: Matrix, mx: Matrix, value: (i: number, j: number) => number): number[] {
  return my.flatMap((row) =>
    mx.map((column) =>
      row.reduce(
        (sum, p, i) => sum + column.reduce((part, q, j) => part + (p * q === 0 ? 0 : p * q * value(i, j)), 0),
        0,
      ),
    ),
  );
}

const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, j) => matrix.map((row) => row[j]));

/** Rounding of coefficients, of their products and of two sums of six or eight, one inside the other. */
const UNITS = 20;

/**
 * What a map of values by matrices must give, from the map: M is the map of absolute values by absolute coefficients.
 * Denormals that are taken for 0 may change a value by what they would add.
 */
function mapped(map: (of: (matrix: Matrix) => Matrix, values: Values[]) => Values, inputs: Values[]): Expected {
  const of = (change: (value: number) => number) =>
    map(
      absolute,
      inputs.map((input) => Float64Array.from(input, change)),
    );
  const magnitudes = of(Math.abs);
  const normal = of((value) => (isDenormal(value) ? 0 : Math.abs(value)));
  return {
    values: map((matrix) => matrix, inputs),
    units: UNITS,
    magnitudes,
    flushed: Float64Array.from(magnitudes, (value, i) => value - normal[i] + 64 * SMALLEST_NORMAL),
  };
}

/**
 * Panels [places, groups, ceil(rows / tile), inner, tile] of transformed values, each place times its scale:
 * `transformed(g, row, k)` gives those of one tile.
 */
function panelsOf(
  { places, groups, rows, inner, tile }: Readonly<Record<'places' | 'groups' | 'rows' | 'inner' | 'tile', number>>,
  scales: readonly number[],
  transformed: (g: number, row: number, k: number) => readonly number[],
): Float64Array {
  const blocks = Math.ceil(rows / tile);
  const size = groups * blocks * inner * tile;
  const panels = new Float64Array(places * size);
  for (let g = 0; g < groups; g++)
    for (let row = 0; row < rows; row++)
      for (let k = 0; k < inner; k++) {
        const place = ((g * blocks + Math.floor(row / tile)) * inner + k) * tile + (row % tile);
        transformed(g, row, k).forEach((value, e) => {
          panels[e * size + place] = scales[e] * value;
        });
      }
  return panels;
}

const base: Conv2dShape = {
  batch: 1,
  channels: 1,
  height: 3,
  width: 3,
  filters: 1,
  kernel: [3, 3],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  dilations: [1, 1],
  groups: 1,
};

export const winogradFamily = defineFamily<Conv2dShape>({
  names: [
    'conv2d/winograd-image',
    'conv2d/winograd-filter',
    'conv2d/winograd-output',
    'conv2d/winograd-gradient',
    'conv2d/winograd-filter-gradient',
    'gemm/packed-batch',
  ],
  examples: [
    base,
    // AlexNet's conv2 and conv4, VGG16's layers, in small; kernels that are not square; pads that hang over.
    { ...base, batch: 2, channels: 4, height: 9, width: 9, filters: 6, kernel: [5, 5], pads: [2, 2, 2, 2], groups: 2 },
    { ...base, batch: 3, channels: 6, height: 7, width: 13, filters: 4, pads: [1, 1, 1, 1], groups: 2 },
    { ...base, batch: 1, channels: 5, height: 12, width: 8, filters: 9, pads: [1, 1, 1, 1] },
    { ...base, batch: 2, channels: 3, height: 5, width: 11, filters: 2, kernel: [2, 4], pads: [0, 3, 1, 2] },
    // More tiles than a panel of a product has rows.
    { ...base, batch: 3, channels: 2, height: 15, width: 14, filters: 3, pads: [1, 1, 1, 1] },
  ],
  shape(choose) {
    const groups = choose(1, 2);
    const kernel = [choose(2, 5), choose(2, 5)] as const;
    return {
      batch: choose(1, 3),
      channels: groups * choose(1, 4),
      height: kernel[0] + choose(0, 9),
      width: kernel[1] + choose(0, 9),
      filters: groups * choose(1, 5),
      kernel,
      strides: [1, 1],
      pads: four(choose, 0, 3),
      dilations: [1, 1],
      groups,
    };
  },
  cases(shape, kind, random): KernelCase[] {
    const { batch, channels, height, width, filters, kernel, groups, pads } = shape;
    const [kh, kw] = kernel;
    const [lines, columns] = conv2dOutput(shape);
    // Transforms mix what stands beside a window into it with a sum of 0: finite values only.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const x = values(batch * channels * height * width);
    const w = values((filters * channels * kh * kw) / groups);
    const dy = values(batch * filters * lines * columns);
    const bias = values(filters);
    const places = side(kh) * side(kw);
    const description = `x=[${batch},${channels},${height},${width}] w=[${filters},${channels / groups},${kernel}] p=${pads} g=${groups}`;
    const [tile] = pair((low, high) => low + random.integer(high - low + 1), 1, 9);

    const forward = planTilesForward(rasteriser, shape, { hasBias: true, relu: RELU.none });
    const input = planTilesInputGradient(rasteriser, shape);
    const filter = planTilesFilterGradient(rasteriser, shape, false);

    const image = (of: string, source: Float32Array<ArrayBuffer>, planned: typeof forward.image): KernelCase => {
      const p = { ...planned, tile };
      const tiles = p.items * p.tiles_y * p.tiles_x;
      const [rows, inner] = p.across === 1 ? [p.channels, tiles] : [tiles, p.channels];
      return {
        name: 'conv2d/winograd-image',
        description: `${description} of ${of} across ${p.across} tile ${tile}`,
        kernel: winogradImage,
        params: { ...p },
        inputs: { x: source },
        outputs: { panels: winogradImageSize(p) },
        reference: (halves) => ({
          panels: mapped(
            (change, [v]) =>
              panelsOf(
                { places, groups, rows, inner, tile },
                scalesIf(halves?.has('panels'), 'image', kernel),
                (g, row, k) => {
                  const [t, c] = p.across === 1 ? [k, row] : [row, k];
                  const item = Math.floor(t / (p.tiles_y * p.tiles_x));
                  const y = (Math.floor(t / p.tiles_x) % p.tiles_y) * outputs(kh) - p.top;
                  const x = (t % p.tiles_x) * outputs(kw) - p.left;
                  const plane = ((item * groups + g) * p.channels + c) * p.height;
                  return expanded(change(B(kh)), change(B(kw)), (i, j) => {
                    const inside = y + i >= 0 && y + i < p.height && x + j >= 0 && x + j < p.width;
                    return inside ? v[(plane + y + i) * p.width + x + j] : 0;
                  });
                },
              ),
            [source],
          ),
        }),
      };
    };

    const transformFilter = ({ filter: planned }: typeof forward): KernelCase => {
      const p = { ...planned, tile };
      return {
        name: 'conv2d/winograd-filter',
        description: `${description} flip ${p.flip} tile ${tile}`,
        kernel: winogradFilter,
        params: { ...p },
        inputs: { w },
        outputs: { panels: winogradFilterSize(p) },
        reference: (halves) => ({
          panels: mapped(
            (change, [v]) =>
              panelsOf(
                { places, groups, rows: p.rows, inner: p.inner, tile },
                scalesIf(halves?.has('panels'), 'filter', kernel),
                (g, row, k) =>
                  expanded(change(G(kh)), change(G(kw)), (i, j) => {
                    const [ky, kx] = p.flip === 1 ? [kh - 1 - i, kw - 1 - j] : [i, j];
                    return v[g * p.group + row * p.row + k * p.column + ky * kw + kx];
                  }),
              ),
            [w],
          ),
        }),
      };
    };

    const products = ({ product }: { product: typeof forward.product }, tile: PackedTile): KernelCase => {
      if (product.by !== 'packed') throw new Error('no panels are planned');
      const p = { ...product.params, tile_rows: tile.rows, tile_columns: tile.columns };
      const depth = Math.min(p.depth, 40);
      const row = 4 * p.c_row;
      const count = Math.min(p.products, 5);
      const size = (rows: number, tile: number) => count * Math.ceil(rows / tile) * tile * depth;
      const [a, b] = [values(size(p.rows, p.tile_rows)), values(size(p.columns, p.tile_columns))];
      const at = (rows: number, tile: number, e: number, row: number, k: number) =>
        ((e * Math.ceil(rows / tile) + Math.floor(row / tile)) * depth + k) * tile + (row % tile);
      return {
        name: 'gemm/packed-batch',
        description: `${count} products of ${p.rows} x ${p.columns} x ${depth} by tiles of ${tile.rows} x ${tile.columns}`,
        kernel: packedGemmBatch,
        params: { ...p, products: count, depth },
        inputs: { a, b },
        outputs: { c: count * p.rows * row },
        reference: () => {
          const sums = sumsOf(
            (a, b) =>
              Float64Array.from({ length: count * p.rows * row }, (_, i) => {
                const e = Math.floor(i / row / p.rows);
                const [m, n] = [Math.floor(i / row) % p.rows, i % row];
                let sum = 0;
                for (let k = 0; k < depth; k++) {
                  sum += a[at(p.rows, p.tile_rows, e, m, k)] * b[at(p.columns, p.tile_columns, e, n, k)];
                }
                return sum;
              }),
            [a, b],
            depth,
          );
          return { c: sums };
        },
      };
    };

    const output = (of: string, { output: planned }: typeof forward, relu: Relu, across = 0): KernelCase => {
      const tiles = planned.items * planned.tiles_y * planned.tiles_x;
      const p = { ...planned, relu, across, row: across === 1 ? tiles + random.integer(3) : planned.row };
      const lines = across === 1 ? p.filters : tiles;
      const size = groups * lines * p.row;
      const sums = values(places * size);
      const [my, mx] = [outputs(kh), outputs(kw)];
      const aux =
        relu === RELU.before ? activationOf(random, p.items * groups * p.filters * p.lines * p.width) : undefined;
      return {
        name: 'conv2d/winograd-output',
        description: `${description} of ${of}${['', ' relu', ' after relu'][relu]} across ${across}`,
        kernel: winogradOutput,
        params: { ...p },
        inputs: { sums, bias, aux: aux?.output ?? bias },
        outputs: { y: p.items * groups * p.filters * p.lines * p.width },
        reference: (halves) => {
          const scales = scalesIf(halves?.has('sums'), 'sums', kernel);
          const y = mapped(
            (change, [v, b]) => {
              const y = new Float64Array(p.items * groups * p.filters * p.lines * p.width);
              for (let g = 0; g < groups; g++)
                for (let t = 0; t < tiles; t++)
                  for (let f = 0; f < p.filters; f++) {
                    const item = Math.floor(t / (p.tiles_y * p.tiles_x));
                    const [oy, ox] = [(Math.floor(t / p.tiles_x) % p.tiles_y) * my, (t % p.tiles_x) * mx];
                    const plane = (item * groups + g) * p.filters + f;
                    const [line, column] = across === 1 ? [f, t] : [t, f];
                    const start = (g * lines + line) * p.row + column;
                    const [ay, ax] = [change(transposed(A(kh))), change(transposed(A(kw)))];
                    expanded(ay, ax, (i, j) => v[(side(kw) * i + j) * size + start] / scales[side(kw) * i + j]).forEach(
                      (value, place) => {
                        const [i, j] = [oy + Math.floor(place / mx), ox + (place % mx)];
                        if (i >= p.lines || j >= p.width) return;
                        const offset = p.has_bias === 1 ? b[g * p.filters + f] : 0;
                        y[(plane * p.lines + i) * p.width + j] = value + offset;
                      },
                    );
                  }
              return y;
            },
            [sums, bias],
          );
          if (relu === RELU.after) return { y: rectified(y) };
          return { y: { ...y, values: through(aux, y.values) } };
        },
      };
    };

    const gradient = { ...filter.gradient, tile };
    const sums = values(places * filters * filter.output.row);
    const start = values(w.length);
    const cases: KernelCase[] = [
      image('x', x, forward.image),
      image('dy', dy, input.image),
      image('x', x, filter.image),
      transformFilter(forward),
      transformFilter(input),
      ...LANES.flatMap(packedTiles).flatMap((tile) => [forward, input, filter].map((plan) => products(plan, tile))),
      output('y', forward, RELU.after),
      output('dx', input, RELU.none),
      output('dx', input, RELU.before),
      output('y', forward, RELU.after, 1),
      output('dx', input, RELU.before, 1),
      {
        name: 'conv2d/winograd-gradient',
        description: `${description} tile ${tile}`,
        kernel: winogradGradient,
        params: { ...gradient },
        inputs: { dy },
        outputs: { panels: winogradGradientSize(gradient) },
        reference: (halves) => ({
          panels: mapped(
            (change, [v]) => {
              const scales = scalesIf(halves?.has('panels'), 'gradient', kernel);
              const { tiles_y, tiles_x, items } = gradient;
              const inner = items * tiles_y * tiles_x;
              return panelsOf({ places, groups, rows: gradient.filters, inner, tile }, scales, (g, f, t) => {
                const item = Math.floor(t / (tiles_y * tiles_x));
                const [y, x] = [(Math.floor(t / tiles_x) % tiles_y) * outputs(kh), (t % tiles_x) * outputs(kw)];
                const plane = (item * groups + g) * gradient.filters + f;
                return expanded(change(A(kh)), change(A(kw)), (i, j) =>
                  y + i < lines && x + j < columns ? v[(plane * lines + y + i) * columns + x + j] : 0,
                );
              });
            },
            [dy],
          ),
        }),
      },
      ...[0, 1].map((accumulate): KernelCase => {
        const p = { ...filter.output, accumulate };
        const size = p.filters * p.row;
        return {
          name: 'conv2d/winograd-filter-gradient',
          description: description + (accumulate === 1 ? ' accumulated' : ''),
          kernel: winogradFilterGradient,
          params: p,
          inputs: { sums },
          outputs: { dw: accumulate === 1 ? start : w.length },
          reference: (halves) => ({
            dw: mapped(
              (change, [v, old]) =>
                Float64Array.from(
                  Array.from({ length: p.filters * p.channels }, (_, pair) =>
                    expanded(change(transposed(G(kh))), change(transposed(G(kw))), (i, j) => {
                      const e = side(kw) * i + j;
                      const place = Math.floor(pair / p.channels) * p.row + (pair % p.channels);
                      return v[e * size + place] / scalesIf(halves?.has('sums'), 'filterSums', kernel)[e];
                    }),
                  ).flat(),
                  (value, i) => value + accumulate * old[i],
                ),
              [sums, start],
            ),
          }),
        };
      }),
    ];
    // Where a plain variant would pass the small limits, the case is left to the others.
    return cases.filter(({ outputs }) =>
      Object.values(outputs).every((out) => typeof out !== 'number' || out <= MOST_FOLDED),
    );
  },
});
