/**
 * Filters, transformed (./tile.ts), as panels of products of matrices (../../gemm/packed.ts):
 *
 *   panels[e, g, row, k] = (G w' G^T)[e],   w' = w[g, row, k], its taps turned round where `flip` is 1
 *
 * for the places e of a tile. Forward: rows are filters and the inner index runs over channels; input gradient: rows
 * are channels, the inner index runs over filters, and the taps are turned round. Rows up to whole panels are 0.
 *
 * tiles: one thread a filter of one channel, its values in registers.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LOAD, range } from '../../rasteriser.ts';
import {
  expand,
  filterMatrix,
  forEachKernel,
  holdFunction,
  MATRICES,
  oneTileAThread,
  placesAt,
  type Scaling,
  scaleFunction,
  storePlace,
  storePlaces,
  transformOperations,
  transformTile,
} from './tile.ts';

const params = {
  groups: 'u32',
  rows: 'u32',
  inner: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  tile: 'u32',
  /** strides of w, in elements */
  group: 'u32',
  row: 'u32',
  column: 'u32',
  flip: 'u32',
} as const;

export type WinogradFilterParams = Params<typeof params>;
type P = WinogradFilterParams;

const placeSize = (p: P) => p.groups * Math.ceil(p.rows / p.tile) * p.tile * p.inner;

export const winogradFilterSize = (p: P) => placesAt(p) * placeSize(p);

const locate = /* wgsl */ `
fn place_size() -> u32 { return p.groups * ((p.rows + p.tile - 1u) / p.tile) * p.tile * p.inner; }
struct Filter { inside: bool, start: u32 }
fn filter_at(place: u32) -> Filter {
  let k = (place / p.tile) % p.inner;
  let block = place / (p.tile * p.inner);
  let blocks = (p.rows + p.tile - 1u) / p.tile;
  let g = block / blocks;
  let row = (block - g * blocks) * p.tile + place % p.tile;
  let inside = row < p.rows;
  return Filter(inside, p.w_base + select(0u, g * p.group + row * p.row + k * p.column, inside));
}`;

const scaling: Scaling = { what: 'filter' };

const fast: Variant<typeof params> = {
  ...oneTileAThread(placeSize),
  ...forEachKernel,
  text: ({ height, width }, memory) => {
    const matrices = [filterMatrix(height), filterMatrix(width)] as const;
    const { text, names } = transformTile(expand, matrices, (y, x) => `w${y}_${x}`);
    const last = height * width - 1;
    return {
      declarations: locate + holdFunction(memory, scaling),
      main: /* wgsl */ `
  let size = place_size();
  if (index >= size) { return; }
  let at = filter_at(index);
${range(height)
  .flatMap((y) =>
    range(width).map((x) => {
      const tap = y * width + x;
      const value = memory.load('w', `at.start + select(${tap}u, ${last - tap}u, p.flip == 1u)`);
      return `  let w${y}_${x} = select(0.0, ${value}, at.inside);`;
    }),
  )
  .join('\n')}
${text}
${storePlaces(memory, names, [height, width], scaling)}`,
    };
  },
};

/** Operations of one filter of one channel. */
const transformed = (p: P) =>
  transformOperations(expand, [filterMatrix(p.kernel_height), filterMatrix(p.kernel_width)]);

export const winogradFilter = defineKernel({
  name: 'conv2d/winograd-filter',
  params,
  bindings: { w: { access: 'read', half: true }, panels: { access: 'write', half: true } },
  cost: (p, of) => ({
    flops: p.groups * p.rows * p.inner * transformed(p),
    bytes: of.w * p.groups * p.rows * p.inner * p.kernel_height * p.kernel_width + of.panels * winogradFilterSize(p),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        winogradFilterSize,
        'side_of(p.kernel_height) * side_of(p.kernel_width) * place_size()',
        (memory) => /* wgsl */ `
  let size = place_size();
  let e = index / size;
  let at = filter_at(index - e * size);
  let taps = p.kernel_height * p.kernel_width;
  let s_x = side_of(p.kernel_width);
  var sum = 0.0;
  if (at.inside) {
    for (var i = 0u; i < p.kernel_height; i++) {
      var line = 0.0;
      for (var j = 0u; j < p.kernel_width; j++) {
        let tap = i * p.kernel_width + j;
        line += g_(p.kernel_width, e % s_x, j) * ${memory.load('w', 'at.start + select(tap, taps - 1u - tap, p.flip == 1u)')};
      }
      sum += g_(p.kernel_height, e / s_x, i) * line;
    }
  }
  ${storePlace(memory, scaling)}`,
        (memory) => MATRICES + locate + scaleFunction(memory, 'panels', scaling) + holdFunction(memory, scaling),
      ),
      estimate: (p) => placeSize(p) * placesAt(p) * p.kernel_height * p.kernel_width * LOAD,
    },
    fast,
  ],
});
