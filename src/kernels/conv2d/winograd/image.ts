/**
 * Images, transformed tile by tile (./tile.ts), as panels of products of matrices (../../gemm/packed.ts):
 *
 *   panels[e, g, row, k] = (B d B^T)[e],   d[y, x] = x[item, g, c, t_y m_y - top + y, t_x m_x - left + x], 0 outside
 *
 * for the places e of a tile of m_y x m_x outputs. A tile t is an item and a place (t_y, t_x). Rows and inner index are tiles and channels
 * (`across` = 0: the product sums over channels, as forward does) or channels and tiles (1: it sums over tiles, for the
 * filter gradient). Rows up to whole panels are 0.
 *
 * tiles: one thread a tile of one channel, its values in registers.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LOAD } from '../../rasteriser.ts';
import {
  expand,
  holdFunction,
  imageMatrix,
  loadValues,
  MATRICES,
  oneTileAThread,
  placesAt,
  type Scaling,
  SIDES,
  SIZES,
  type Side,
  scaleFunction,
  sideOf,
  storePlace,
  storePlaces,
  tapsOf,
  transformOperations,
  transformTile,
} from './tile.ts';

const params = {
  items: 'u32',
  groups: 'u32',
  /** of one group */
  channels: 'u32',
  height: 'u32',
  width: 'u32',
  top: 'i32',
  left: 'i32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  tiles_y: 'u32',
  tiles_x: 'u32',
  across: 'u32',
  /** rows of a panel */
  tile: 'u32',
} as const;

export type WinogradImageParams = Params<typeof params>;
type P = WinogradImageParams;

const tiles = (p: P) => p.items * p.tiles_y * p.tiles_x;
const rows = (p: P) => (p.across === 1 ? p.channels : tiles(p));
const inner = (p: P) => (p.across === 1 ? tiles(p) : p.channels);
/** Values of one place, all panels. */
const placeSize = (p: P) => p.groups * Math.ceil(rows(p) / p.tile) * p.tile * inner(p);

export const winogradImageSize = (p: P) => placesAt(p) * placeSize(p);

const locate = /* wgsl */ `
fn tiles() -> u32 { return p.items * p.tiles_y * p.tiles_x; }
fn rows() -> u32 { return select(tiles(), p.channels, p.across == 1u); }
fn inner() -> u32 { return select(p.channels, tiles(), p.across == 1u); }
fn place_size() -> u32 { return p.groups * ((rows() + p.tile - 1u) / p.tile) * p.tile * inner(); }
struct Tile { inside: bool, plane: u32, y: u32, x: u32 }
// Of the value at \`place\` of the panels: whether there is one, where its plane begins, and the tile's first line and
// column. What lies above or left of the image wraps round to a huge number, so one comparison serves both ends.
fn tile_at(place: u32) -> Tile {
  let i = place % p.tile;
  let k = (place / p.tile) % inner();
  let block = place / (p.tile * inner());
  let blocks = (rows() + p.tile - 1u) / p.tile;
  let g = block / blocks;
  let row = (block - g * blocks) * p.tile + i;
  let t = select(row, k, p.across == 1u);
  let c = select(k, row, p.across == 1u);
  let line = t / p.tiles_x;
  let item = line / p.tiles_y;
  let inside = row < rows();
  let plane = select(0u, ((item * p.groups + g) * p.channels + c) * p.height * p.width, inside);
  return Tile(inside, p.x_base + plane, (line - item * p.tiles_y) * outputs_of(p.kernel_height) - u32(p.top), (t - line * p.tiles_x) * outputs_of(p.kernel_width) - u32(p.left));
}`;

const scaling: Scaling = { what: 'image', of: 'x' };

const fast: Variant<typeof params> = {
  ...oneTileAThread(placeSize),
  // A text for each size of a tile.
  configurations: SIDES.flatMap((height) => SIDES.map((width) => ({ height, width }))),
  supports: (_, { height, width }, p) => height === sideOf(p.kernel_height) && width === sideOf(p.kernel_width),
  text: ({ height, width }, memory) => {
    const matrices = [imageMatrix(height as Side), imageMatrix(width as Side)] as const;
    const { text, names } = transformTile(expand, matrices, (y, x) => `d${y}_${x}`);
    return {
      declarations: SIZES + locate + holdFunction(memory, scaling),
      main: /* wgsl */ `
  let size = place_size();
  if (index >= size) { return; }
  let at = tile_at(index);
${loadValues(memory, 'x', height, width, 'height')}
${text}
${storePlaces(memory, names, [tapsOf(height), tapsOf(width)], scaling)}`,
    };
  },
};

/** Operations of one tile of one channel. */
const transformed = (p: P) =>
  transformOperations(expand, [imageMatrix(sideOf(p.kernel_height)), imageMatrix(sideOf(p.kernel_width))]);

export const winogradImage = defineKernel({
  name: 'conv2d/winograd-image',
  params,
  bindings: { x: { access: 'read', half: true }, panels: { access: 'write', half: true } },
  cost: (p, of) => ({
    flops: tiles(p) * p.groups * p.channels * transformed(p),
    bytes: of.x * p.items * p.groups * p.channels * p.height * p.width + of.panels * winogradImageSize(p),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        winogradImageSize,
        'side_of(p.kernel_height) * side_of(p.kernel_width) * place_size()',
        (memory) => /* wgsl */ `
  let s_y = side_of(p.kernel_height);
  let s_x = side_of(p.kernel_width);
  let size = place_size();
  let e = index / size;
  let at = tile_at(index - e * size);
  var sum = 0.0;
  for (var i = 0u; i < s_y; i++) {
    let y = at.y + i;
    if (!at.inside || y >= p.height) { continue; }
    var line = 0.0;
    for (var j = 0u; j < s_x; j++) {
      let x_at = at.x + j;
      if (x_at < p.width) { line += b_(s_x, e % s_x, j) * ${memory.load('x', 'at.plane + y * p.width + x_at')}; }
    }
    sum += b_(s_y, e / s_x, i) * line;
  }
  ${storePlace(memory, scaling)}`,
        (memory) => MATRICES + locate + scaleFunction(memory, 'panels', scaling) + holdFunction(memory, scaling),
      ),
      estimate: (p) => placeSize(p) * placesAt(p) ** 2 * LOAD,
    },
    fast,
  ],
});
