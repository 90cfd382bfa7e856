/**
 * How a matrix product is worked on in panels: A -pack-> panels, B -pack-> panels, both -> C. The panels belong to
 * the caller; they live from the kernel that writes them to the one that reads them.
 */
import { profileOf } from '../../gpu/machine.ts';
import type { Capabilities } from '../kernel.ts';
import { LANES } from '../rasteriser.ts';
import { RELU } from '../relu/rule.ts';
import type { GemmShape } from './gemm.ts';
import { type PackParams, packedSize } from './pack.ts';
import { type PackedGemmParams, packedTile } from './packed.ts';

export interface PackedGemmPlan {
  readonly a: { readonly params: PackParams; readonly bytes: number };
  readonly b: { readonly params: PackParams; readonly bytes: number };
  readonly run: PackedGemmParams;
}

/** The plan, where the adapter has texts for panels and they fit a binding; else nothing. */
export function planPackedGemm(capabilities: Capabilities, shape: GemmShape): PackedGemmPlan | undefined {
  const { subgroupWidth, limits, precision } = capabilities;
  // Panels of halves have no text.
  if (precision === 'f16') return undefined;
  const { m, n, k, a, b, cRow, bias = false, accumulate = false, relu = RELU.none } = shape;
  if (!profileOf(capabilities).cachesSums || !LANES.includes(subgroupWidth)) return undefined;
  const panels = (rows: number, tile: number, row: number, column: number) => {
    const params = { groups: 1, rows, inner: k, taps: 1, tile, group: 0, row, column, flip: 0 };
    return { params, bytes: 4 * packedSize(params) };
  };
  const tile = packedTile(subgroupWidth, m, n);
  const plan: PackedGemmPlan = {
    a: panels(m, tile.rows, a.row, a.column),
    b: panels(n, tile.columns, b.column, b.row),
    run: {
      rows: m,
      columns: n,
      depth: k,
      tile_rows: tile.rows,
      tile_columns: tile.columns,
      c_row: cRow,
      has_bias: bias ? 1 : 0,
      accumulate: accumulate ? 1 : 0,
      relu,
    },
  };
  const fits = Math.max(plan.a.bytes, plan.b.bytes) <= limits.maxBinding - limits.offsetAlignment;
  return fits ? plan : undefined;
}
