/**
 * What the kernels of convolution by tiles in one kernel (./tile.ts) are given: forward and the input gradient as one
 * correlation, the filter gradient in parts of its tiles where one would leave most of a GPU idle.
 */
import { machineOf, profileOf } from '../../../../gpu/machine.ts';
import { contractionSum } from '../../../contraction/split.ts';
import type { Capabilities } from '../../../kernel.ts';
import { RELU, type Relu } from '../../../relu/rule.ts';
import { type Conv2dShape, conv2dOutput } from '../../shape.ts';
import type { FusedCorrelationParams } from './correlation.ts';
import { type FusedFilterGradientParams, fusedFilterGradient } from './filter-gradient.ts';
import { FUSED_TAPS, fusedTilesAlong } from './tile.ts';

const TAPS = FUSED_TAPS ** 2;

/** Whether these kernels compute it. */
export const fusedComputes = ({ kernel, strides, dilations }: Conv2dShape): boolean =>
  kernel.every((taps) => taps === FUSED_TAPS) && [...strides, ...dilations].every((step) => step === 1);

const tilesOf = ([lines, columns]: readonly [number, number]) => ({
  lines,
  columns,
  tiles_y: fusedTilesAlong(lines),
  tiles_x: fusedTilesAlong(columns),
});

/** y = x * w, with a bias and the ReLU that follows where asked for. */
export function planFusedForward(
  shape: Conv2dShape,
  { hasBias, relu }: { readonly hasBias: boolean; readonly relu: Relu },
): FusedCorrelationParams {
  const { batch, channels, height, width, filters, pads, groups } = shape;
  const [inner, rows] = [channels / groups, filters / groups];
  return {
    items: batch,
    groups,
    inner,
    rows,
    height,
    width,
    top: pads[0],
    left: pads[1],
    ...tilesOf(conv2dOutput(shape)),
    w_group: rows * inner * TAPS,
    w_row: inner * TAPS,
    w_k: TAPS,
    flip: 0,
    has_bias: hasBias ? 1 : 0,
    relu,
  };
}

/** dx[c, iy, ix] = sum over f, ky, kx of w[f, c, ky, kx] dy[f, iy + p - ky, ix + p - kx] */
export function planFusedInputGradient(shape: Conv2dShape, relu: Relu = RELU.none): FusedCorrelationParams {
  const { height, width, pads } = shape;
  const forward = planFusedForward(shape, { hasBias: false, relu });
  return {
    ...forward,
    inner: forward.rows,
    rows: forward.inner,
    height: forward.lines,
    width: forward.columns,
    top: FUSED_TAPS - 1 - pads[0],
    left: FUSED_TAPS - 1 - pads[1],
    ...tilesOf([height, width]),
    w_row: forward.w_k,
    w_k: forward.w_row,
    flip: 1,
  };
}

export interface FusedFilterGradientPlan {
  readonly run: FusedFilterGradientParams;
  /** the second pass, of more parts than one; and the bytes that it reads */
  readonly sum?: Parameters<typeof contractionSum.cost>[0];
  readonly bytes: number;
}

/** Of so many parts, or of a few less. */
export function planFusedFilterGradient(
  shape: Conv2dShape,
  accumulate: boolean,
  wanted: number,
): FusedFilterGradientPlan {
  const {
    items,
    groups,
    inner: channels,
    rows: filters,
    ...forward
  } = planFusedForward(shape, {
    hasBias: false,
    relu: RELU.none,
  });
  const { height, width, top, left, lines, columns, tiles_y, tiles_x } = forward;
  const tiles = items * tiles_y * tiles_x;
  const part_depth = Math.ceil(tiles / wanted);
  const parts = Math.ceil(tiles / part_depth);
  const size = groups * filters * channels * TAPS;
  const add = accumulate ? 1 : 0;
  const maps = { items, groups, filters, channels, height, width, top, left, lines, columns, tiles_y, tiles_x };
  const row = channels * TAPS;
  return {
    run: { ...maps, parts, part_depth, c_part: size, accumulate: parts === 1 ? add : 0 },
    bytes: parts === 1 ? 0 : 4 * parts * size,
    ...(parts > 1 && {
      sum: {
        parts,
        groups,
        rows: filters,
        columns: row,
        plane: row,
        c_group: filters * row,
        c_row: row,
        c_item: row,
        bias_mode: 0,
        accumulate: add,
        relu: RELU.none,
      },
    }),
  };
}

/** Tiles that a part must keep, or its sums are not worth their memory. */
const LEAST_DEPTH = 64;
const MOST_BYTES = 64 * 2 ** 20;

/** Cycles of both passes. */
function cyclesIn(capabilities: Capabilities, { run, sum }: FusedFilterGradientPlan): number {
  const first = fusedFilterGradient.time(capabilities, run);
  if (sum === undefined) return first;
  const { cycles, bytes, dispatch } = machineOf(capabilities);
  return first + cycles * (contractionSum.cost(sum).bytes / bytes + dispatch);
}

/** In how many parts the filter gradient is best worked on. On a rasteriser in software a few workgroups are enough. */
export function fusedParts(capabilities: Capabilities, shape: Conv2dShape): number {
  if (profileOf(capabilities).unit !== 'cycles') return 1;
  const { limits } = capabilities;
  const most = Math.min(MOST_BYTES, limits.maxBinding - limits.offsetAlignment);
  let [best, least] = [1, Number.POSITIVE_INFINITY];
  for (let parts = 1; parts <= 512; parts = Math.ceil(parts * 1.25)) {
    const plan = planFusedFilterGradient(shape, false, parts);
    if (parts > 1 && (plan.bytes > most || plan.run.part_depth < LEAST_DEPTH)) break;
    const time = cyclesIn(capabilities, plan);
    if (time < least) [best, least] = [parts, time];
  }
  return best;
}
