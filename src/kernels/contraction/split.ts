/**
 * Split-K: few outputs, each a long sum, leave most of a discrete GPU idle. The sum over r goes in parts of R / S values,
 * worked on side by side, each into a C of its own; a second pass adds these in the order of the parts, so that every run
 * gives the same bits, and does what the contraction does to what it writes:
 *
 *   part[s, g, m, j] = sum over u, v and r in part s of  A[g, m, u, v, r] * B[g, j, u, v, r]
 *   C[g, m, j] (+)= bias + sum over s of part[s, g, m, j]
 *
 * It serves every use of the contraction: convolution forward (r: channels), its gradients by the input (filters) and by
 * the filters (images), and products of matrices (the inner extent).
 */

import { type Capabilities, defineKernel, elementwise, type Params } from '../kernel.ts';
import { RELU } from '../relu/relu.ts';
import { BIAS_AND_RELU, type ContractionParams, gates, SLAB, storeSum } from './contraction.ts';

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
  params,
  bindings: {
    sums: { access: 'read' },
    bias: { access: 'read' },
    gate: { access: 'read' },
    c: { access: 'write' },
  },
  cost: (p) => ({
    flops: p.parts * outputs(p),
    bytes: 4 * outputs(p) * (p.parts + 1 + p.accumulate + gates({ relu: p.relu })),
  }),
  variants: elementwise(
    outputs,
    'p.groups * p.rows * p.columns',
    /* wgsl */ `
  let row = index / p.columns;
  let j = index - row * p.columns;
  let g = row / p.rows;
  let m = row - g * p.rows;
  let item = j / p.plane;
  let size = p.groups * p.rows * p.columns;
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) { sum += sums[p.sums_base + part * size + index]; }
${storeSum('g * p.c_group + m * p.c_row + item * p.c_item + (j - item * p.plane)', 'item')}`,
    BIAS_AND_RELU,
  ),
});

export interface SplitPlan {
  /** writes the parts */
  readonly run: ContractionParams;
  readonly sum: P;
  /** of all parts */
  readonly bytes: number;
}

/** Workgroups that keep a discrete GPU busy, and outputs of one, along either side. */
const ENOUGH = 256;
const TILE = 64;

/** Products that a part's sum must keep, or the second pass costs more than it brings. */
const LEAST_SUM = 128;

const MOST_BYTES = 32 * 2 ** 20;

/** Multiply-adds of a tile, in rounds of as many workgroups as keep the GPU busy; a slab takes its time however full. */
export const splitTime = (p: ContractionParams, parts: number): number => {
  const tiles = p.groups * Math.ceil(p.rows / TILE) * Math.ceil(p.columns / TILE);
  return Math.max(ENOUGH, parts * tiles) * p.u * p.v * Math.ceil(p.r / parts / SLAB) * SLAB * TILE * TILE;
};

/** In how many parts the sum is best worked on; 1 where all together. */
export function splitParts({ kind, limits }: Capabilities, p: ContractionParams): number {
  const tiles = p.groups * Math.ceil(p.rows / TILE) * Math.ceil(p.columns / TILE);
  if (kind !== 'hardware' || tiles >= ENOUGH) return 1;
  const most = Math.min(MOST_BYTES, limits.maxBinding - limits.offsetAlignment);
  const candidates = Array.from({ length: p.r }, (_, i) => i + 1).filter(
    (parts) =>
      p.r % parts === 0 && (p.u * p.v * p.r) / parts >= LEAST_SUM && 4 * parts * p.groups * p.rows * p.columns <= most,
  );
  // Workgroups take turns where there are more than enough, and a slab takes its time however few values it has.
  const time = (parts: number) => Math.max(1, (parts * tiles) / ENOUGH) * Math.ceil(p.r / parts / SLAB);
  return candidates.reduce((best, parts) => (time(parts) < time(best) ? parts : best), 1);
}

/** @param parts divides r */
export function planSplit(whole: ContractionParams, parts: number): SplitPlan {
  const { groups, rows, columns, plane, c_group, c_row, c_item, bias_mode, accumulate, relu } = whole;
  const r = whole.r / parts;
  const size = groups * rows * columns;
  return {
    run: {
      ...whole,
      parts,
      r,
      a_part: r * whole.a_r,
      b_part: r * whole.b_r,
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
