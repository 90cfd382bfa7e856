/**
 * How a convolution is worked on directly: which kernels run, in what order, and the memory that they hand on.
 *
 *   forward          x -pad-> images      w -pack-> panels            images, panels -> y
 *   input gradient   dy -pad-> images     w -pack-> panels (turned)   images, panels -> dx
 *   filter gradient  x -pad-> images      dy -pad-> gradients         images, gradients -> dw
 *
 * Images and panels belong to the caller; they live from the kernel that writes them to the one that reads them.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { type PackParams, packedSize } from '../../gemm/pack.ts';
import type { Capabilities } from '../../kernel.ts';
import { LANES } from '../../rasteriser.ts';
import { RELU, type Relu } from '../../relu/rule.ts';
import { type Conv2dShape, conv2dOutput, type Direction } from '../shape.ts';
import { conv2dDirectFilterGradient, type DirectFilterParams, STRIP } from './filter-gradient.ts';
import { conv2dDirect, type DirectParams, directTime, STRIP_SHAPES } from './forward.ts';
import type { PadParams } from './pad.ts';
import { WINDOWS } from './text.ts';

export interface Padded {
  readonly params: PadParams;
  readonly bytes: number;
}

export interface DirectPlan {
  readonly pad: Padded;
  readonly pack: { readonly params: PackParams; readonly bytes: number };
  readonly run: DirectParams;
}

export interface DirectFilterPlan {
  readonly padX: Padded;
  readonly padDy: Padded;
  readonly run: DirectFilterParams;
}

/**
 * Whether there is a text for it, and room: on a rasteriser in software whose subgroups have one width. A GPU hides the
 * loads that the direct convolution avoids.
 */
export function directFits(capabilities: Capabilities, shape: Conv2dShape): boolean {
  const { subgroupWidth, limits } = capabilities;
  const { channels, filters, groups, kernel } = shape;
  const tallest = Math.max(...STRIP_SHAPES.map(({ tile }) => tile));
  const rows = Math.max(upTo(filters / groups, tallest) * channels, upTo(channels / groups, tallest) * filters);
  const bytes = Math.max(paddedImageBytes(shape), 4 * rows * kernel[0] * kernel[1]);
  return (
    profileOf(capabilities).cachesSums &&
    LANES.includes(subgroupWidth) &&
    WINDOWS.some(([window, stride]) => window === shape.kernel[1] && stride === shape.strides[1]) &&
    shape.dilations.every((dilation) => dilation === 1) &&
    bytes <= limits.maxBinding - limits.offsetAlignment
  );
}

/** Instructions of all lanes together; infinite where it does not serve a direction. */
export function directInstructions(capabilities: Capabilities, shape: Conv2dShape, direction: Direction): number {
  if (direction === 'filter gradient') {
    return conv2dDirectFilterGradient.time(capabilities, planFilterGradient(shape, false).run);
  }
  if (direction === 'forward') {
    return conv2dDirect.time(capabilities, planForward(capabilities, shape, { hasBias: true, relu: RELU.none }).run);
  }
  if (shape.strides.some((stride) => stride !== 1)) return Number.POSITIVE_INFINITY;
  return conv2dDirect.time(capabilities, planInputGradient(capabilities, shape).run);
}

/** The most bytes that one padded image or gradient takes in any of the three directions. */
export function paddedImageBytes(shape: Conv2dShape): number {
  const { channels, height, width, filters, kernel, strides } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const widest = Math.max(...STRIP_SHAPES.map(({ strip }) => strip), STRIP);
  const bytes = (maps: number, outLines: number, outColumns: number, [y, x]: readonly [number, number]) =>
    16 * maps * ((outLines - 1) * y + kernel[0]) * lineOf(upTo(outColumns, widest), x, kernel[1]);
  const image = bytes(channels, lines, columns, strides);
  // The input gradient of a stride is not computed so; the filter gradient pads dy to whole strips alone.
  const gradient = strides.every((stride) => stride === 1)
    ? bytes(filters, height, width, [1, 1])
    : 4 * filters * lines * upTo(columns, STRIP);
  return Math.max(image, gradient);
}

/** Vectors of four that a line needs for `columns` outputs. */
const lineOf = (columns: number, stride: number, window: number) => Math.ceil(((columns - 1) * stride + window) / 4);
const padded = (params: PadParams): Padded => ({ params, bytes: 16 * params.items * params.out_height * params.line });
const upTo = (count: number, multiple: number) => Math.ceil(count / multiple) * multiple;

/** y = x * w, with a bias and the ReLU that follows where asked for. */
export function planForward(
  capabilities: Capabilities,
  shape: Conv2dShape,
  { hasBias, relu }: { readonly hasBias: boolean; readonly relu: Relu },
): DirectPlan {
  const { batch, channels, height, width, filters, kernel, strides, pads, groups } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return plan(
    capabilities,
    { items: batch * channels, height, width, top: pads[0], left: pads[1] },
    {
      rows: filters / groups,
      inner: perGroup,
      group: (filters / groups) * perGroup * taps,
      row: perGroup * taps,
      column: taps,
      flip: 0,
    },
    { items: batch, groups, kernel, strides, lines, columns, hasBias, relu },
  );
}

/**
 * dx from dy: with stride 1, dx[c, iy, ix] = sum over f, ky, kx of w[f, c, ky, kx] dy[f, iy + p - ky, ix + p - kx] is a
 * convolution of dy in a frame of kernel - 1 - p zeros with the turned kernel.
 */
export function planInputGradient(capabilities: Capabilities, shape: Conv2dShape, relu: Relu = RELU.none): DirectPlan {
  const { batch, channels, height, width, filters, kernel, pads, groups } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const perGroup = channels / groups;
  const taps = kernel[0] * kernel[1];
  return plan(
    capabilities,
    {
      items: batch * filters,
      height: lines,
      width: columns,
      top: kernel[0] - 1 - pads[0],
      left: kernel[1] - 1 - pads[1],
    },
    {
      rows: perGroup,
      inner: filters / groups,
      group: (filters / groups) * perGroup * taps,
      row: taps,
      column: perGroup * taps,
      flip: 1,
    },
    { items: batch, groups, kernel, strides: [1, 1], lines: height, columns: width, hasBias: false, relu },
  );
}

function plan(
  capabilities: Capabilities,
  image: Pick<PadParams, 'items' | 'height' | 'width' | 'top' | 'left'>,
  weight: Omit<PackParams, 'groups' | 'taps' | 'tile'>,
  output: {
    items: number;
    groups: number;
    kernel: readonly [number, number];
    strides: readonly [number, number];
    lines: number;
    columns: number;
    hasBias: boolean;
    relu: Relu;
  },
): DirectPlan {
  const { items, groups, kernel, strides, lines, columns, hasBias, relu } = output;
  const out_height = (lines - 1) * strides[0] + kernel[0];
  const candidates = STRIP_SHAPES.map(({ tile, strip }): DirectParams => {
    const line = lineOf(upTo(columns, strip), strides[1], kernel[1]);
    return {
      items,
      groups,
      rows: weight.rows,
      channels: weight.inner,
      kernel_height: kernel[0],
      kernel_width: kernel[1],
      stride_y: strides[0],
      stride_x: strides[1],
      lines,
      width: columns,
      x_line: line,
      x_plane: out_height * line,
      tile,
      strip,
      has_bias: hasBias ? 1 : 0,
      relu,
    };
  });
  const time = (candidate: DirectParams) => directTime(candidate, capabilities.subgroupWidth);
  const run = candidates.reduce((best, candidate) => (time(candidate) < time(best) ? candidate : best));
  const pack: PackParams = { ...weight, groups, taps: kernel[0] * kernel[1], tile: run.tile };
  return {
    pad: padded({ ...image, out_height, line: run.x_line }),
    pack: { params: pack, bytes: 4 * packedSize(pack) },
    run,
  };
}

/** dw from x and dy. */
export function planFilterGradient(shape: Conv2dShape, accumulate: boolean): DirectFilterPlan {
  const { batch, channels, height, width, filters, kernel, strides, pads, groups } = shape;
  const [lines, columns] = conv2dOutput(shape);
  const whole = upTo(columns, STRIP);
  const x_line = lineOf(whole, strides[1], kernel[1]);
  const out_height = (lines - 1) * strides[0] + kernel[0];
  return {
    padX: padded({ items: batch * channels, height, width, out_height, line: x_line, top: pads[0], left: pads[1] }),
    padDy: padded({
      items: batch * filters,
      height: lines,
      width: columns,
      out_height: lines,
      line: whole / 4,
      top: 0,
      left: 0,
    }),
    run: {
      items: batch,
      groups,
      rows: filters / groups,
      channels: channels / groups,
      kernel_height: kernel[0],
      kernel_width: kernel[1],
      stride_y: strides[0],
      stride_x: strides[1],
      lines,
      width: columns,
      d_line: whole / 4,
      x_line,
      x_plane: out_height * x_line,
      accumulate: accumulate ? 1 : 0,
    },
  };
}
