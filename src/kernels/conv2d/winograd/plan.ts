/**
 * How a convolution is worked on by tiles (./tile.ts): which kernels run, in what order, and the memory that they hand on.
 *
 *   forward          x -image-> panels      w -filter-> panels (turned for the input gradient)
 *                    panels -products-> sums -output-> y
 *   input gradient   the same of dy, to dx
 *   filter gradient  x -image-> panels      dy -gradient-> panels
 *                    panels -products-> sums -filter gradient-> dw
 *
 * A convolution of larger strides is worked on as one of stride 1, of phases (../phases/phases.ts): `unstrided` gives its
 * shape, which is what the plans take.
 *
 * Panels and sums belong to the caller; they live from the kernel that writes them to the one that reads them.
 *
 * Where a rasteriser in software multiplies, panels are those of ../../gemm/packed.ts, and sums have a row a tile. On a GPU
 * the contraction multiplies, which brings its operands into workgroup memory itself: "panels" as long as the matrix are
 * plain matrices, [place, group, k, tile] and [place, group, k, filter], and sums have a row a filter, so that neighbouring
 * threads of every kernel touch neighbouring tiles in memory. Tiles of zeros fill the last vector of four, for the contraction
 * reads vectors.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { type Precision, shareOf } from '../../../gpu/storage.ts';
import { type ContractionParams, inOnePart, noWindow } from '../../contraction/contraction.ts';
import { splitCycles, splitDepth } from '../../contraction/split.ts';
import { type PackedGemmBatchParams, packedGemmTime, packedTile } from '../../gemm/packed.ts';
import type { Capabilities } from '../../kernel.ts';
import { LANES, loadOf } from '../../rasteriser.ts';
import { RELU, type Relu } from '../../relu/rule.ts';
import { phased, phasesSize, planPhases } from '../phases/phases.ts';
import { type Conv2dShape, conv2dOutput, type Direction } from '../shape.ts';
import { type WinogradFilterParams, winogradFilterSize } from './filter.ts';
import type { WinogradFilterGradientParams } from './filter-gradient.ts';
import { type WinogradGradientParams, winogradGradientSize } from './gradient.ts';
import { type WinogradImageParams, winogradImageSize } from './image.ts';
import type { WinogradOutputParams } from './output.ts';
import { outputsOf, placesOf, sideOf, TAPS } from './tile.ts';

/** The products of matrices, one a place and group: of panels, or by the contraction. */
export type Products =
  | { readonly by: 'packed'; readonly params: PackedGemmBatchParams }
  | { readonly by: 'contraction'; readonly params: ContractionParams };

export interface TilePlan {
  readonly image: WinogradImageParams;
  readonly filter: WinogradFilterParams;
  readonly product: Products;
  readonly output: WinogradOutputParams;
  /** what all of them store */
  readonly precision: Precision;
  /** of the panels of images and of filters, and of the sums, at four bytes a value */
  readonly bytes: { readonly image: number; readonly filter: number; readonly sums: number };
}

export interface TileFilterPlan {
  readonly image: WinogradImageParams;
  readonly gradient: WinogradGradientParams;
  readonly product: Products;
  readonly output: WinogradFilterGradientParams;
  readonly precision: Precision;
  readonly bytes: { readonly image: number; readonly gradient: number; readonly sums: number };
}

/** A correlation of stride 1 in groups: of x with w, or of dy with the turned w. */
interface Correlation {
  readonly items: number;
  readonly groups: number;
  /** maps of one group that are read and written */
  readonly from: number;
  readonly to: number;
  /** of a map that is read, and of one that is written */
  readonly size: readonly [number, number];
  readonly outputs: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly top: number;
  readonly left: number;
  /** strides of w: of a group, of a map that is written, of one that is read */
  readonly strides: readonly [number, number, number];
  readonly turned: boolean;
}

/** Whether panels are plain matrices, for the contraction. */
const asMatrices = (capabilities: Capabilities) => !profileOf(capabilities).cachesSums;

/**
 * What is kept between the kernels under half precision. Tiles of 6 values lose some three times what one rounding to a half
 * loses, less than a network in bfloat16 does; tiles of 8, thirteen times as much (docs/precision.md has the errors), which
 * is too much: they are single precision.
 */
const precisionOf = ({ precision = 'f32' }: Capabilities, kernel: readonly [number, number]): Precision =>
  kernel.every((taps) => sideOf(taps) === 6) ? precision : 'f32';

/** The layout of one operand: distances of neighbours along its rows (or columns) and along the sum. */
interface Strides {
  readonly row: number;
  readonly k: number;
}

/** C = A B for each of `groups` matrices that lie one after another, C's columns without gaps. */
function matrixProducts(
  groups: number,
  { rows, columns, depth }: { readonly rows: number; readonly columns: number; readonly depth: number },
  a: Strides,
  b: Strides,
): ContractionParams {
  return {
    ...noWindow,
    groups,
    rows,
    columns,
    inner: depth,
    a_group: rows * depth,
    a_row: a.row,
    a_inner: a.k,
    b_group: columns * depth,
    b_item: b.row,
    b_inner: b.k,
    c_group: rows * columns,
    c_row: columns,
    c_item: 1,
    bias_mode: 0,
    accumulate: 0,
    relu: RELU.none,
    ...inOnePart({ ...noWindow, inner: depth }),
  };
}

/** Of a row of sums. */
const vectorsOf = (columns: number) => Math.ceil(columns / 4);
const wholeVectors = (count: number) => 4 * vectorsOf(count);
const tilesAlong = (outputs: number, taps: number) => Math.ceil(outputs / outputsOf(taps));

export const hasStrides = ({ strides }: Conv2dShape) => strides.some((stride) => stride !== 1);

/** The convolution of stride 1 that tiles work on. */
export const unstrided = (shape: Conv2dShape): Conv2dShape => (hasStrides(shape) ? phased(shape) : shape);

function forwardOf({
  batch,
  channels,
  height,
  width,
  filters,
  kernel,
  pads,
  groups,
  ...rest
}: Conv2dShape): Correlation {
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return {
    items: batch,
    groups,
    from: perGroup,
    to: filters / groups,
    size: [height, width],
    outputs: conv2dOutput({ batch, channels, height, width, filters, kernel, pads, groups, ...rest }),
    kernel,
    top: pads[0],
    left: pads[1],
    strides: [(filters / groups) * perGroup * taps, perGroup * taps, taps],
    turned: false,
  };
}

/** dx[c, iy, ix] = sum over f, ky, kx of w[f, c, ky, kx] dy[f, iy + p - ky, ix + p - kx] */
function inputGradientOf(shape: Conv2dShape): Correlation {
  const forward = forwardOf(shape);
  const [group, row, column] = forward.strides;
  return {
    ...forward,
    from: forward.to,
    to: forward.from,
    size: forward.outputs,
    outputs: forward.size,
    top: shape.kernel[0] - 1 - shape.pads[0],
    left: shape.kernel[1] - 1 - shape.pads[1],
    strides: [group, column, row],
    turned: true,
  };
}

function plan(capabilities: Capabilities, correlation: Correlation, hasBias: boolean, relu: Relu): TilePlan {
  const { items, groups, from, to, size, outputs, kernel, top, left, strides, turned } = correlation;
  const [tiles_y, tiles_x] = [tilesAlong(outputs[0], kernel[0]), tilesAlong(outputs[1], kernel[1])];
  const tiles = items * tiles_y * tiles_x;
  const matrices = asMatrices(capabilities);
  const columns = wholeVectors(tiles);
  const tile = matrices ? { rows: columns, columns: to } : packedTile(capabilities.subgroupWidth, tiles, to);
  const image: WinogradImageParams = {
    items,
    groups,
    channels: from,
    height: size[0],
    width: size[1],
    top,
    left,
    kernel_height: kernel[0],
    kernel_width: kernel[1],
    tiles_y,
    tiles_x,
    across: 0,
    tile: tile.rows,
  };
  const filter: WinogradFilterParams = {
    groups,
    rows: to,
    inner: from,
    kernel_height: kernel[0],
    kernel_width: kernel[1],
    tile: tile.columns,
    group: strides[0],
    row: strides[1],
    column: strides[2],
    flip: turned ? 1 : 0,
  };
  return {
    image,
    filter,
    product: matrices
      ? {
          by: 'contraction',
          params: matrixProducts(
            placesOf(kernel) * groups,
            { rows: to, columns, depth: from },
            { row: 1, k: to },
            { row: 1, k: columns },
          ),
        }
      : {
          by: 'packed',
          params: {
            products: placesOf(kernel) * groups,
            rows: tiles,
            columns: to,
            depth: from,
            tile_rows: tile.rows,
            tile_columns: tile.columns,
            c_row: vectorsOf(to),
          },
        },
    output: {
      items,
      groups,
      filters: to,
      across: matrices ? 1 : 0,
      row: matrices ? columns : 4 * vectorsOf(to),
      kernel_height: kernel[0],
      kernel_width: kernel[1],
      lines: outputs[0],
      width: outputs[1],
      tiles_y,
      tiles_x,
      has_bias: hasBias ? 1 : 0,
      relu,
    },
    precision: precisionOf(capabilities, kernel),
    bytes: {
      image: 4 * winogradImageSize(image),
      filter: 4 * winogradFilterSize(filter),
      sums: 4 * placesOf(kernel) * groups * (matrices ? columns * to : tiles * 4 * vectorsOf(to)),
    },
  };
}

/** y = x * w, with a bias and the ReLU that follows where asked for. */
export const planTilesForward = (
  capabilities: Capabilities,
  shape: Conv2dShape,
  { hasBias, relu }: { readonly hasBias: boolean; readonly relu: Relu },
): TilePlan => plan(capabilities, forwardOf(shape), hasBias, relu);

/** dx from dy. */
export const planTilesInputGradient = (
  capabilities: Capabilities,
  shape: Conv2dShape,
  relu: Relu = RELU.none,
): TilePlan => plan(capabilities, inputGradientOf(shape), false, relu);

/** dw from x and dy. */
export function planTilesFilterGradient(
  capabilities: Capabilities,
  shape: Conv2dShape,
  accumulate: boolean,
): TileFilterPlan {
  const forward = plan(capabilities, forwardOf(shape), false, RELU.none);
  const { items, groups, channels, tiles_y, tiles_x } = forward.image;
  const { filters, kernel_height, kernel_width, lines, width } = forward.output;
  const matrices = asMatrices(capabilities);
  const tile = matrices ? { rows: 1, columns: 1 } : packedTile(capabilities.subgroupWidth, filters, channels);
  // As matrices the images' are forward's own.
  const image: WinogradImageParams = matrices ? forward.image : { ...forward.image, across: 1, tile: tile.columns };
  const tiles = items * tiles_y * tiles_x;
  const depth = matrices ? wholeVectors(tiles) : tiles;
  const products = placesOf([kernel_height, kernel_width]) * groups;
  const gradient: WinogradGradientParams = {
    items,
    groups,
    filters,
    kernel_height,
    kernel_width,
    lines,
    width,
    tiles_y,
    tiles_x,
    inner: depth,
    tile: tile.rows,
  };
  return {
    image,
    gradient,
    product: matrices
      ? {
          by: 'contraction',
          params: matrixProducts(
            products,
            { rows: filters, columns: channels, depth },
            { row: depth, k: 1 },
            { row: depth, k: 1 },
          ),
        }
      : {
          by: 'packed',
          params: {
            products,
            rows: filters,
            columns: channels,
            depth,
            tile_rows: tile.rows,
            tile_columns: tile.columns,
            c_row: vectorsOf(channels),
          },
        },
    output: {
      filters: groups * filters,
      channels,
      row: matrices ? channels : 4 * vectorsOf(channels),
      kernel_height,
      kernel_width,
      accumulate: accumulate ? 1 : 0,
    },
    precision: forward.precision,
    bytes: {
      image: 4 * winogradImageSize(image),
      gradient: 4 * winogradGradientSize(gradient),
      sums: 4 * products * filters * (matrices ? channels : 4 * vectorsOf(channels)),
    },
  };
}

const planOf = (capabilities: Capabilities, shape: Conv2dShape, direction: Direction): TilePlan | TileFilterPlan => {
  if (direction === 'forward') return planTilesForward(capabilities, shape, { hasBias: true, relu: RELU.none });
  if (direction === 'input gradient') return planTilesInputGradient(capabilities, shape);
  return planTilesFilterGradient(capabilities, shape, false);
};

/**
 * Panels and sums are made for so many images at a time that they keep near these bytes: they are written and read once,
 * and memory that more images would take is better left to activations. A GPU wants enough tiles for all of it.
 */
const WORKSPACE = { matrices: 256 * 2 ** 20, panels: 32 * 2 ** 20 };
/** Who asks for a number of images gets at most these. */
const MOST_WORKSPACE = 256 * 2 ** 20;

/** What a binding holds beside what alignment may add to it. */
const room = ({ limits }: Capabilities) => limits.maxBinding - limits.offsetAlignment;
/** What a plan keeps between its kernels, in bytes on the device. */
const keptBytes = ({ bytes, precision }: TilePlan | TileFilterPlan): number[] =>
  Object.values(bytes).map((each) => each * shareOf(precision));

/**
 * How many images of the batch are worked on at a time, at most: about as many each time.
 * @param asked so many, where panels and sums of them fit a binding; else as many as keep near `WORKSPACE`
 */
export function imagesAtATime(
  capabilities: Capabilities,
  shape: Conv2dShape,
  direction: Direction,
  asked?: number,
): number {
  const kept = asked === undefined ? WORKSPACE[asMatrices(capabilities) ? 'matrices' : 'panels'] : MOST_WORKSPACE;
  const most = Math.min(kept, room(capabilities));
  let images = Math.min(shape.batch, asked ?? shape.batch);
  while (images > 1 && workspaceOf(planOf(capabilities, { ...shape, batch: images }, direction)) > most) images--;
  return Math.ceil(shape.batch / Math.ceil(shape.batch / images));
}

/** Of what grows with the images, in bytes on the device. */
const workspaceOf = ({ bytes, precision }: TilePlan | TileFilterPlan) =>
  shareOf(precision) * Math.max(bytes.image, 'gradient' in bytes ? bytes.gradient : bytes.sums);

/**
 * Forward leaves tiles of so many bytes at most to the filter gradient. They live from the one to the other, and save a
 * dispatch and a pass over them: the first layers of VGG16 would keep 720 MiB, of 10 images, for 0.45 of 19 ms (predicted, on
 * an H100).
 */
const MOST_LEFT = 32 * 2 ** 20;

/**
 * The tiles of all images, where forward and the filter gradient make the same ones: on a GPU, where panels are matrices, if
 * both take all images at a time. Bytes at four each value.
 */
export function tilesToLeave(
  capabilities: Capabilities,
  shape: Conv2dShape,
): { readonly bytes: number; readonly precision: Precision } | undefined {
  const tiled = unstrided(shape);
  const whole = (direction: Direction) => imagesAtATime(capabilities, tiled, direction) === shape.batch;
  if (!asMatrices(capabilities) || !whole('forward') || !whole('filter gradient')) return undefined;
  const { bytes, precision } = planOf(capabilities, tiled, 'forward');
  return bytes.image * shareOf(precision) <= MOST_LEFT ? { bytes: bytes.image, precision } : undefined;
}

/** Whether these kernels compute it, of stride 1, on this adapter. */
export function tilesFit(capabilities: Capabilities, shape: Conv2dShape, direction: Direction): boolean {
  return (
    (asMatrices(capabilities) || LANES.includes(capabilities.subgroupWidth)) &&
    shape.kernel.every((taps) => TAPS.includes(taps)) &&
    shape.dilations.every((dilation) => dilation === 1) &&
    Math.max(...keptBytes(planOf(capabilities, { ...shape, batch: 1 }, direction))) <= room(capabilities)
  );
}

/** What the kernels of a convolution by tiles compute, beside the bytes that they hand on. */
export interface TilesWork {
  /** of all lanes together, as of direct convolution (../direct/forward.ts); on a GPU, cycles of the products */
  readonly instructions: number;
  /** on a GPU, read and written by the products while they multiply */
  readonly streamedBytes?: number;
  /** written and read between the kernels, and read and written by those at the ends */
  readonly movedBytes: number;
  readonly dispatches: number;
}

export function tilesWork(
  capabilities: Capabilities,
  shape: Conv2dShape,
  direction: Direction,
  { asked, left = false }: { readonly asked?: number; readonly left?: boolean } = {},
): readonly TilesWork[] {
  if (!asMatrices(capabilities)) {
    return [{ instructions: tilesTime(capabilities, shape, direction), movedBytes: 0, dispatches: 4 }];
  }
  const tiled = unstrided(shape);
  const atATime = imagesAtATime(capabilities, tiled, direction, asked);
  const plan = planOf(capabilities, { ...tiled, batch: atATime }, direction);
  const windows = Math.ceil(shape.batch / atATime);
  const { params } = plan.product as { readonly params: ContractionParams };
  const depth = splitDepth(capabilities, params);
  const { batch, channels, height, width, filters } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const value = capabilities.precision === 'f16' ? 2 : 4;
  const images = value * batch * channels * height * width;
  const ends = (left ? 0 : images) + value * batch * filters * lines * columns;
  // Everything between is written once and read once: once by the products, and once by a transform.
  const kept = keptBytes(plan).reduce((sum, bytes) => sum + bytes, 0);
  const transformed = kept - (left ? shareOf(plan.precision) * plan.bytes.image : 0);
  const { image, filter } = planPhases(shape);
  const ofFilter = direction === 'filter gradient' ? 4 : value;
  const ofImages = left ? 0 : 2 * value * phasesSize(image);
  const phases = hasStrides(shape) ? [ofImages, 2 * ofFilter * phasesSize(filter)] : [];
  const products = {
    instructions: windows * splitCycles(capabilities, params, depth),
    streamedBytes: windows * kept,
    movedBytes: 0,
    dispatches: windows,
  };
  const transforms = {
    instructions: 0,
    movedBytes: windows * transformed + ends + phases.reduce((sum, bytes) => sum + bytes, 0),
    dispatches: 3 * windows + phases.length - (left ? phases.length / 2 + 1 : 0),
  };
  return [products, transforms];
}

/** Instructions of all lanes together, as of direct convolution (../direct/forward.ts), where panels are multiplied. */
function tilesTime(capabilities: Capabilities, shape: Conv2dShape, direction: Direction): number {
  const plan = planOf(capabilities, unstrided(shape), direction);
  const phases = hasStrides(shape) ? planPhases(shape) : undefined;
  const moved = [...Object.values(plan.bytes), ...Object.values(phases ?? {}).map((part) => 4 * phasesSize(part))];
  // Every value of phases, panels and sums is written once, alone, and read once.
  const bytes = moved.reduce((sum, one) => sum + one, 0);
  if (plan.product.by !== 'packed') throw new Error('no panels');
  const { params } = plan.product;
  const { subgroupWidth: lanes } = capabilities;
  return params.products * packedGemmTime(params, lanes) + (bytes / 4) * loadOf(lanes);
}
