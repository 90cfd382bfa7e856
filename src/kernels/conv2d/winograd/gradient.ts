/**
 * Gradients of outputs, transformed tile by tile (./tile.ts), as panels of products of matrices (../../gemm/packed.ts):
 *
 *   panels[e, g, f, t] = (A dY A^T)[e],   dY[i, j] = dy[item, g, f, t_y m_y + i, t_x m_x + j], 0 outside
 *
 * for the places e of a tile; rows are filters, the inner index runs over tiles t, each an item and a place (t_y, t_x).
 * Rows up to whole panels are 0, and tiles up to `inner`.
 *
 * tiles: one thread a tile of one filter, its values in registers.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LOAD } from '../../rasteriser.ts';
import {
  expand,
  forEachKernel,
  holdFunction,
  loadValues,
  MATRICES,
  oneTileAThread,
  outputMatrix,
  outputsOf,
  placesAt,
  type Scaling,
  SIZES,
  scaleFunction,
  storePlace,
  storePlaces,
  transformOperations,
  transformTile,
} from './tile.ts';

const params = {
  items: 'u32',
  groups: 'u32',
  /** filters of one group */
  filters: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  /** lines and columns of dy */
  lines: 'u32',
  width: 'u32',
  tiles_y: 'u32',
  tiles_x: 'u32',
  /** tiles, and those of zeros behind them */
  inner: 'u32',
  /** rows of a panel */
  tile: 'u32',
} as const;

export type WinogradGradientParams = Params<typeof params>;
type P = WinogradGradientParams;

const placeSize = (p: P) => p.groups * Math.ceil(p.filters / p.tile) * p.tile * p.inner;

export const winogradGradientSize = (p: P) => placesAt(p) * placeSize(p);

const locate = /* wgsl */ `
fn place_size() -> u32 { return p.groups * ((p.filters + p.tile - 1u) / p.tile) * p.tile * p.inner; }
struct Tile { inside: bool, plane: u32, y: u32, x: u32 }
fn tile_at(place: u32) -> Tile {
  let t = (place / p.tile) % p.inner;
  let block = place / (p.tile * p.inner);
  let blocks = (p.filters + p.tile - 1u) / p.tile;
  let g = block / blocks;
  let f = (block - g * blocks) * p.tile + place % p.tile;
  let line = t / p.tiles_x;
  let item = line / p.tiles_y;
  let inside = f < p.filters && t < p.items * p.tiles_y * p.tiles_x;
  let plane = select(0u, ((item * p.groups + g) * p.filters + f) * p.lines * p.width, inside);
  return Tile(inside, p.dy_base + plane, (line - item * p.tiles_y) * outputs_of(p.kernel_height), (t - line * p.tiles_x) * outputs_of(p.kernel_width));
}`;

const scaling: Scaling = { what: 'gradient', of: 'dy' };

const fast: Variant<typeof params> = {
  ...oneTileAThread(placeSize),
  ...forEachKernel,
  text: ({ height, width }, memory) => {
    const [rows, columns] = [outputsOf(height), outputsOf(width)];
    const matrices = [outputMatrix(height), outputMatrix(width)] as const;
    const { text, names } = transformTile(expand, matrices, (y, x) => `d${y}_${x}`);
    return {
      declarations: SIZES + locate + holdFunction(memory, scaling),
      main: /* wgsl */ `
  let size = place_size();
  if (index >= size) { return; }
  let at = tile_at(index);
${loadValues(memory, 'dy', rows, columns, 'lines')}
${text}
${storePlaces(memory, names, [height, width], scaling)}`,
    };
  },
};

/** Operations of one tile of one filter. */
const transformed = (p: P) =>
  transformOperations(expand, [outputMatrix(p.kernel_height), outputMatrix(p.kernel_width)]);

export const winogradGradient = defineKernel({
  name: 'conv2d/winograd-gradient',
  params,
  bindings: { dy: { access: 'read', half: true }, panels: { access: 'write', half: true } },
  cost: (p, of) => ({
    flops: p.items * p.tiles_y * p.tiles_x * p.groups * p.filters * transformed(p),
    bytes: of.dy * p.items * p.groups * p.filters * p.lines * p.width + of.panels * winogradGradientSize(p),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        winogradGradientSize,
        'side_of(p.kernel_height) * side_of(p.kernel_width) * place_size()',
        (memory) => /* wgsl */ `
  let m_y = outputs_of(p.kernel_height);
  let m_x = outputs_of(p.kernel_width);
  let s_x = side_of(p.kernel_width);
  let size = place_size();
  let e = index / size;
  let at = tile_at(index - e * size);
  var sum = 0.0;
  for (var i = 0u; i < m_y; i++) {
    if (!at.inside || at.y + i >= p.lines) { continue; }
    var line = 0.0;
    for (var j = 0u; j < m_x; j++) {
      if (at.x + j < p.width) { line += a_(p.kernel_width, e % s_x, j) * ${memory.load('dy', 'at.plane + (at.y + i) * p.width + at.x + j')}; }
    }
    sum += a_(p.kernel_height, e / s_x, i) * line;
  }
  ${storePlace(memory, scaling)}`,
        (memory) => MATRICES + locate + scaleFunction(memory, 'panels', scaling) + holdFunction(memory, scaling),
      ),
      estimate: (p) => placeSize(p) * placesAt(p) * 16 * LOAD,
    },
    fast,
  ],
});
