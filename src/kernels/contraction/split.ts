/**
 * Split-K: few outputs, each a long sum, leave most of a discrete GPU idle. The sum over k = (i U + u) V + v goes in parts
 * of `part_depth` values, worked on side by side, each into a C of its own; a second pass adds these in the order of the
 * parts, so that every run gives the same bits, and does what the contraction does to what it writes:
 *
 *   part[s, g, m, j] = sum over the k of part s of  A[g, m, k] * B[g, j, k]
 *   C[g, m, j] (+)= bias + sum over s of part[s, g, m, j]
 *
 * It serves every use of the contraction: convolution forward (k: channels and taps), its gradients by the input (filters
 * and taps) and by the filters (images and places), and products of matrices (the inner extent).
 */
import { machineOf, profileOf } from '../../gpu/machine.ts';
import { type Capabilities, defineKernel, elementwise, type Params } from '../kernel.ts';
import { RELU } from '../relu/rule.ts';
import { auxValues, biasText, type ContractionParams, contraction, depthOf, storeSum } from './contraction.ts';

const params = {
  parts: 'u32',
  groups: 'u32',
  rows: 'u32',
  columns: 'u32',
  plane: 'u32',
  c_group: 'u32',
  c_row: 'u32',
  c_item: 'u32',
  bias_mode: 'u32',
  accumulate: 'u32',
  relu: 'u32',
} as const;

/** As the contraction has them; the parts lie one behind the other, each [groups, rows, columns]. */
type P = Params<typeof params>;

const outputs = (p: P) => p.groups * p.rows * p.columns;

export const contractionSum = defineKernel({
  name: 'contraction/sum',
  applies: 'epilogue',
  params,
  bindings: {
    sums: { access: 'read' },
    bias: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    c: { access: 'write', half: true, gradient: true },
  },
  cost: (p, of) => ({
    flops: p.parts * outputs(p),
    bytes: outputs(p) * (of.sums * p.parts + of.c * (1 + p.accumulate) + of.aux * auxValues({ relu: p.relu })),
  }),
  variants: elementwise(
    outputs,
    'p.groups * p.rows * p.columns',
    (memory) => /* wgsl */ `
  let row = index / p.columns;
  let j = index - row * p.columns;
  let g = row / p.rows;
  let m = row - g * p.rows;
  let item = j / p.plane;
  let size = p.groups * p.rows * p.columns;
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) { sum += sums[p.sums_base + part * size + index]; }
${storeSum(memory, 'g * p.c_group + m * p.c_row + item * p.c_item + (j - item * p.plane)', 'item')}`,
    biasText,
  ),
});

export interface SplitPlan {
  /** writes the parts */
  readonly run: ContractionParams;
  readonly sum: P;
  /** of all parts */
  readonly bytes: number;
}

/** Products that a part's sum must keep, or the second pass costs more than it brings. */
const LEAST_DEPTH = 64;

/** Parts begin at multiples of this: whole slabs of every tile. */
const STEP = 16;

const MOST_BYTES = 64 * 2 ** 20;

/** Cycles of a contraction in parts, and of the second pass over them. */
export function splitCycles(capabilities: Capabilities, whole: ContractionParams, depth: number): number {
  if (depth >= depthOf(whole)) return contraction.time(capabilities, whole);
  const { cycles, bytes, dispatch } = machineOf(capabilities);
  const { run, sum } = planSplit(whole, depth);
  const second = contractionSum.cost(sum).bytes / bytes + dispatch;
  // The parts are written, too.
  return contraction.time(capabilities, run) + cycles * (second + (4 * outputs(sum) * sum.parts) / bytes);
}

/** The depth of so many parts, or of a few less: whole slabs. */
export const depthInParts = (p: ContractionParams, parts: number) => STEP * Math.ceil(depthOf(p) / parts / STEP);

/** Whether so many parts have room, and each a sum that is worth its own. */
export function fitsInParts({ limits }: Capabilities, p: ContractionParams, parts: number): boolean {
  const most = Math.min(MOST_BYTES, limits.maxBinding - limits.offsetAlignment);
  return parts * 4 * p.groups * p.rows * p.columns <= most && depthOf(p) / parts >= LEAST_DEPTH;
}

/** By adapter and shape: each is looked for through hundreds of estimates, and asked for several times in a plan. */
const depths = new WeakMap<Capabilities, Map<string, number>>();

/** The depth of the parts in which the sum is best worked on; the sum's own where all together. */
export function splitDepth(capabilities: Capabilities, p: ContractionParams): number {
  // On a rasteriser in software a few workgroups keep every core busy.
  if (profileOf(capabilities).unit !== 'cycles') return depthOf(p);
  const known = depths.get(capabilities) ?? new Map<string, number>();
  depths.set(capabilities, known);
  const shape = contraction.shape(p);
  const depth = known.get(shape) ?? bestDepth(capabilities, p);
  known.set(shape, depth);
  return depth;
}

function bestDepth(capabilities: Capabilities, p: ContractionParams): number {
  const whole = depthOf(p);
  let [best, least] = [whole, splitCycles(capabilities, p, whole)];
  for (let parts = 2; fitsInParts(capabilities, p, parts) && parts <= 512; parts = Math.ceil(parts * 1.25)) {
    const depth = depthInParts(p, parts);
    const time = splitCycles(capabilities, p, depth);
    if (time < least) [best, least] = [depth, time];
  }
  return best;
}

/** @param depth of each part but the last, which may be smaller */
export function planSplit(whole: ContractionParams, depth: number): SplitPlan {
  const { groups, rows, columns, plane, c_group, c_row, c_item, bias_mode, accumulate, relu } = whole;
  const parts = Math.ceil(depthOf(whole) / depth);
  const size = groups * rows * columns;
  return {
    run: {
      ...whole,
      parts,
      part_depth: depth,
      c_group: rows * columns,
      c_row: columns,
      c_item: plane,
      c_part: size,
      bias_mode: 0,
      accumulate: 0,
      relu: RELU.none,
    },
    sum: { parts, groups, rows, columns, plane, c_group, c_row, c_item, bias_mode, accumulate, relu },
    bytes: 4 * parts * size,
  };
}
