/** The kernels of convolution by tiles: transforms there and back, and the products between them. */
import { type Conv2dShape, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { type WinogradFilterParams, winogradFilter, winogradFilterSize } from '../../kernels/conv2d/winograd/filter.ts';
import {
  type WinogradFilterGradientParams,
  winogradFilterGradient,
} from '../../kernels/conv2d/winograd/filter-gradient.ts';
import {
  type WinogradGradientParams,
  winogradGradient,
  winogradGradientSize,
} from '../../kernels/conv2d/winograd/gradient.ts';
import { type WinogradImageParams, winogradImage, winogradImageSize } from '../../kernels/conv2d/winograd/image.ts';
import { type WinogradOutputParams, winogradOutput } from '../../kernels/conv2d/winograd/output.ts';
import {
  type Products,
  planTilesFilterGradient,
  planTilesForward,
  planTilesInputGradient,
  type TilePlan,
} from '../../kernels/conv2d/winograd/plan.ts';
import { type PackedTile, packedGemmBatch, packedTiles } from '../../kernels/gemm/packed.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import { LANES } from '../../kernels/rasteriser.ts';
import { RELU, type Relu } from '../../kernels/relu/rule.ts';
import { type Activation, activationOf, through } from '../activation.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { four, MOST_FOLDED, pair } from '../choose.ts';
import { rectified, sumsOf } from '../expected.ts';
import { A, B, expanded, G, mapped, outputs, panelsOf, scalesIf, side, transposed } from '../reference/winograd.ts';
import { valuesOf } from '../values.ts';
import { base as one } from './convolution.ts';

const rasteriser: Capabilities = {
  kind: 'software',
  subgroupWidth: 8,
  limits: { maxBinding: 2 ** 27, maxThreads: 256, maxWorkgroupMemory: 16384, offsetAlignment: 256 },
};

type Numbers = Float32Array<ArrayBuffer>;

const base: Conv2dShape = { ...one, height: 3, width: 3, kernel: [3, 3] };

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
    const { batch, channels, height, width, filters, kernel, groups } = shape;
    const [lines, columns] = conv2dOutput(shape);
    // Transforms mix what stands beside a window into it with a sum of 0: finite values only.
    const values = (count: number) => valuesOf(random, kind, count, { decades: 15, instead: 'tiny' });
    const x = values(batch * channels * height * width);
    const w = values((filters * channels * kernel[0] * kernel[1]) / groups);
    const dy = values(batch * filters * lines * columns);
    const bias = values(filters);
    const [tile] = pair((low, high) => low + random.integer(high - low + 1), 1, 9);

    const forward = planTilesForward(rasteriser, shape, { hasBias: true, relu: RELU.none });
    const input = planTilesInputGradient(rasteriser, shape);
    const filter = planTilesFilterGradient(rasteriser, shape, false);
    const sums = values(placesOf(shape) * filters * filter.output.row);
    const start = values(w.length);
    const output = (of: string, { output: planned }: TilePlan, relu: Relu, across: 0 | 1 = 0) => {
      const row = across === 1 ? tilesOf(planned) + random.integer(3) : planned.row;
      const p = { ...planned, relu, across, row };
      const given = values(placesOf(shape) * groups * linesOf(p) * row);
      const aux = relu === RELU.before ? activationOf(random, outputSize(p)) : undefined;
      return outputCase(shape, of, p, { sums: given, bias, aux });
    };
    const cases: KernelCase[] = [
      imageCase(shape, 'x', { ...forward.image, tile }, x),
      imageCase(shape, 'dy', { ...input.image, tile }, dy),
      imageCase(shape, 'x', { ...filter.image, tile }, x),
      filterCase(shape, { ...forward.filter, tile }, w),
      filterCase(shape, { ...input.filter, tile }, w),
      ...LANES.flatMap(packedTiles).flatMap((packed) =>
        [forward, input, filter].map(({ product }) => productsCase(product, packed, values)),
      ),
      output('y', forward, RELU.after),
      output('dx', input, RELU.none),
      output('dx', input, RELU.before),
      output('y', forward, RELU.after, 1),
      output('dx', input, RELU.before, 1),
      // Tiles of zeros lie behind the others.
      gradientCase(shape, { ...filter.gradient, tile, inner: filter.gradient.inner + random.integer(4) }, dy),
      filterGradientCase(shape, { ...filter.output, accumulate: 0 }, sums, start),
      filterGradientCase(shape, { ...filter.output, accumulate: 1 }, sums, start),
    ];
    // Where a plain variant would pass the small limits, the case is left to the others.
    return cases.filter(({ outputs }) =>
      Object.values(outputs).every((out) => typeof out !== 'number' || out <= MOST_FOLDED),
    );
  },
});

const describe = ({ batch, channels, height, width, filters, kernel, groups, pads }: Conv2dShape) =>
  `x=[${batch},${channels},${height},${width}] w=[${filters},${channels / groups},${kernel}] p=${pads} g=${groups}`;

/** Values of a tile, all of which are places of a transform. */
const placesOf = ({ kernel: [kh, kw] }: Conv2dShape) => side(kh) * side(kw);

const tilesOf = (p: { items: number; tiles_y: number; tiles_x: number }) => p.items * p.tiles_y * p.tiles_x;

/** Which image tile `t` is of, and which line and column of tiles it stands in. */
const placeOf = (p: { tiles_y: number; tiles_x: number }, t: number) => ({
  item: Math.floor(t / (p.tiles_y * p.tiles_x)),
  line: Math.floor(t / p.tiles_x) % p.tiles_y,
  column: t % p.tiles_x,
});

/** Tiles of the image into panels of B^T d B. */
function imageCase(shape: Conv2dShape, of: string, p: WinogradImageParams, x: Numbers): KernelCase {
  const { kernel, groups } = shape;
  const [kh, kw] = kernel;
  const [rows, inner] = p.across === 1 ? [p.channels, tilesOf(p)] : [tilesOf(p), p.channels];
  const size = { places: placesOf(shape), groups, rows, inner, tile: p.tile };
  return {
    name: 'conv2d/winograd-image',
    description: `${describe(shape)} of ${of} across ${p.across} tile ${p.tile}`,
    kernel: winogradImage,
    params: { ...p },
    inputs: { x },
    outputs: { panels: winogradImageSize(p) },
    reference: (halves) => ({
      panels: mapped(
        (change, [v]) =>
          panelsOf(size, scalesIf(halves?.has('panels'), 'image', kernel), (g, row, k) => {
            const [t, c] = p.across === 1 ? [k, row] : [row, k];
            const { item, line, column } = placeOf(p, t);
            const [y, x] = [line * outputs(kh) - p.top, column * outputs(kw) - p.left];
            const plane = ((item * groups + g) * p.channels + c) * p.height;
            return expanded(change(B(kh)), change(B(kw)), (i, j) => {
              const inside = y + i >= 0 && y + i < p.height && x + j >= 0 && x + j < p.width;
              return inside ? v[(plane + y + i) * p.width + x + j] : 0;
            });
          }),
        [x],
      ),
    }),
  };
}

/** Filters into panels of G w G^T, turned for the input's gradient. */
function filterCase(shape: Conv2dShape, p: WinogradFilterParams, w: Numbers): KernelCase {
  const { kernel, groups } = shape;
  const [kh, kw] = kernel;
  const size = { places: placesOf(shape), groups, rows: p.rows, inner: p.inner, tile: p.tile };
  return {
    name: 'conv2d/winograd-filter',
    description: `${describe(shape)} flip ${p.flip} tile ${p.tile}`,
    kernel: winogradFilter,
    params: { ...p },
    inputs: { w },
    outputs: { panels: winogradFilterSize(p) },
    reference: (halves) => ({
      panels: mapped(
        (change, [v]) =>
          panelsOf(size, scalesIf(halves?.has('panels'), 'filter', kernel), (g, row, k) =>
            expanded(change(G(kh)), change(G(kw)), (i, j) => {
              const [ky, kx] = p.flip === 1 ? [kh - 1 - i, kw - 1 - j] : [i, j];
              return v[g * p.group + row * p.row + k * p.column + ky * kw + kx];
            }),
          ),
        [w],
      ),
    }),
  };
}

/** Products of panels, a place at a time; no more than some of them, and not of their whole depth. */
function productsCase(product: Products, tile: PackedTile, values: (count: number) => Numbers): KernelCase {
  if (product.by !== 'packed') throw new Error('no panels are planned');
  const products = Math.min(product.params.products, 5);
  const depth = Math.min(product.params.depth, 40);
  const p = { ...product.params, tile_rows: tile.rows, tile_columns: tile.columns, products, depth };
  const row = 4 * p.c_row;
  const size = (rows: number, tile: number) => products * Math.ceil(rows / tile) * tile * depth;
  const [a, b] = [values(size(p.rows, p.tile_rows)), values(size(p.columns, p.tile_columns))];
  const at = (rows: number, tile: number, e: number, row: number, k: number) =>
    ((e * Math.ceil(rows / tile) + Math.floor(row / tile)) * depth + k) * tile + (row % tile);
  return {
    name: 'gemm/packed-batch',
    description: `${products} products of ${p.rows} x ${p.columns} x ${depth} by tiles of ${tile.rows} x ${tile.columns}`,
    kernel: packedGemmBatch,
    params: p,
    inputs: { a, b },
    outputs: { c: products * p.rows * row },
    reference: () => ({
      c: sumsOf(
        (a, b) =>
          Float64Array.from({ length: products * p.rows * row }, (_, i) => {
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
      ),
    }),
  };
}

const outputSize = (p: WinogradOutputParams) => p.items * p.groups * p.filters * p.lines * p.width;
/** Rows of the sums of one place and group. */
const linesOf = (p: WinogradOutputParams) => (p.across === 1 ? p.filters : tilesOf(p));

/** Sums into tiles of A^T m A, with the bias, and the ReLU or its derivative. */
function outputCase(
  shape: Conv2dShape,
  of: string,
  p: WinogradOutputParams,
  { sums, bias, aux }: { readonly sums: Numbers; readonly bias: Numbers; readonly aux: Activation | undefined },
): KernelCase {
  const { kernel, groups } = shape;
  const [kh, kw] = kernel;
  const [my, mx] = [outputs(kh), outputs(kw)];
  const size = groups * linesOf(p) * p.row;
  return {
    name: 'conv2d/winograd-output',
    description: `${describe(shape)} of ${of}${['', ' relu', ' after relu'][p.relu]} across ${p.across}`,
    kernel: winogradOutput,
    params: { ...p },
    inputs: { sums, bias, aux: aux?.output ?? bias },
    outputs: { y: outputSize(p) },
    reference: (halves) => {
      const scales = scalesIf(halves?.has('sums'), 'sums', kernel);
      const y = mapped(
        (change, [v, b]) => {
          const y = new Float64Array(outputSize(p));
          const [ay, ax] = [change(transposed(A(kh))), change(transposed(A(kw)))];
          for (let g = 0; g < groups; g++)
            for (let t = 0; t < tilesOf(p); t++)
              for (let f = 0; f < p.filters; f++) {
                const { item, line, column } = placeOf(p, t);
                const plane = (item * groups + g) * p.filters + f;
                const [sumsLine, sumsColumn] = p.across === 1 ? [f, t] : [t, f];
                const start = (g * linesOf(p) + sumsLine) * p.row + sumsColumn;
                const placed = (i: number, j: number) => {
                  const e = side(kw) * i + j;
                  return v[e * size + start] / scales[e];
                };
                expanded(ay, ax, placed).forEach((value, place) => {
                  const [i, j] = [line * my + Math.floor(place / mx), column * mx + (place % mx)];
                  if (i >= p.lines || j >= p.width) return;
                  const offset = p.has_bias === 1 ? b[g * p.filters + f] : 0;
                  y[(plane * p.lines + i) * p.width + j] = value + offset;
                });
              }
          return y;
        },
        [sums, bias],
      );
      if (p.relu === RELU.after) return { y: rectified(y) };
      return { y: { ...y, values: through(aux, y.values) } };
    },
  };
}

/** Tiles of dy into panels of A dy A^T, for the filters' gradient. */
function gradientCase(shape: Conv2dShape, p: WinogradGradientParams, dy: Numbers): KernelCase {
  const { kernel, groups } = shape;
  const [kh, kw] = kernel;
  const [lines, columns] = conv2dOutput(shape);
  const size = { places: placesOf(shape), groups, rows: p.filters, inner: p.inner, tile: p.tile };
  return {
    name: 'conv2d/winograd-gradient',
    description: `${describe(shape)} tile ${p.tile}`,
    kernel: winogradGradient,
    params: { ...p },
    inputs: { dy },
    outputs: { panels: winogradGradientSize(p) },
    reference: (halves) => ({
      panels: mapped(
        (change, [v]) =>
          panelsOf(size, scalesIf(halves?.has('panels'), 'gradient', kernel), (g, f, t) => {
            const { item, line, column } = placeOf(p, t);
            if (item >= p.items) return Array.from({ length: placesOf(shape) }, () => 0);
            const [y, x] = [line * outputs(kh), column * outputs(kw)];
            const plane = (item * groups + g) * p.filters + f;
            return expanded(change(A(kh)), change(A(kw)), (i, j) =>
              y + i < lines && x + j < columns ? v[(plane * lines + y + i) * columns + x + j] : 0,
            );
          }),
        [dy],
      ),
    }),
  };
}

/** Sums into G^T m G, the gradient of the filters. */
function filterGradientCase(
  shape: Conv2dShape,
  p: WinogradFilterGradientParams,
  sums: Numbers,
  start: Numbers,
): KernelCase {
  const { kernel } = shape;
  const [kh, kw] = kernel;
  const size = p.filters * p.row;
  return {
    name: 'conv2d/winograd-filter-gradient',
    description: describe(shape) + (p.accumulate === 1 ? ' accumulated' : ''),
    kernel: winogradFilterGradient,
    params: { ...p },
    inputs: { sums },
    outputs: { dw: p.accumulate === 1 ? start : start.length },
    reference: (halves) => {
      const scales = scalesIf(halves?.has('sums'), 'filterSums', kernel);
      return {
        dw: mapped(
          (change, [v, old]) =>
            Float64Array.from(
              Array.from({ length: p.filters * p.channels }, (_, pair) =>
                expanded(change(transposed(G(kh))), change(transposed(G(kw))), (i, j) => {
                  const e = side(kw) * i + j;
                  const place = Math.floor(pair / p.channels) * p.row + (pair % p.channels);
                  return v[e * size + place] / scales[e];
                }),
              ).flat(),
              (value, i) => value + p.accumulate * old[i],
            ),
          [sums, start],
        ),
      };
    },
  };
}
