/**
 * Outputs from transformed tiles (./tile.ts), which products of matrices have summed over channels:
 *
 *   y[item, g, f, t_y m_y + i, t_x m_x + j] = bias[g, f] + (A^T s A)[i, j],   s[e] = sums[e, g, t, f]
 *
 * for the tile t of an item and a place (t_y, t_x), as far as it lies inside y. `across` 1: s[e] = sums[e, g, f, t].
 *
 * tiles: one thread a tile of one filter, its sums in registers. A text of its own applies the derivative of a ReLU before:
 * rasterisers in software take both sides of a branch, and would load `aux` for nothing.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LOAD } from '../../rasteriser.ts';
import { RELU } from '../../relu/rule.ts';
import {
  contract,
  forEachKernel,
  loadSum,
  loadSums,
  MATRICES,
  oneTileAThread,
  outputMatrix,
  outputsOf,
  placesAt,
  type Scaling,
  scaleFunction,
  sideOf,
  transformOperations,
  transformTile,
} from './tile.ts';

const params = {
  items: 'u32',
  groups: 'u32',
  /** filters of one group */
  filters: 'u32',
  /** 0: a row of sums is of a tile, 1: of a filter; its elements, at least as many as filters, or tiles */
  across: 'u32',
  row: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  /** lines and columns of y */
  lines: 'u32',
  width: 'u32',
  tiles_y: 'u32',
  tiles_x: 'u32',
  /** 1: bias[g filters + f] is added */
  has_bias: 'u32',
  /** `RELU`: 1, y = max(the sum with its bias, 0); 2, without a bias, y is 0 unless aux > 0 at its place */
  relu: 'u32',
} as const;

export type WinogradOutputParams = Params<typeof params>;
type P = WinogradOutputParams;

const placeSize = (p: P) => p.items * p.groups * p.filters * p.tiles_y * p.tiles_x;
const outputs = (p: P) => p.items * p.groups * p.filters * p.lines * p.width;

const scaling: Scaling = { what: 'sums' };

const fast: Variant<typeof params> = {
  ...oneTileAThread(placeSize),
  configurations: forEachKernel.configurations.flatMap((kernel) =>
    [0, 1].map((derivative) => ({ ...kernel, derivative })),
  ),
  supports: (capabilities, configuration, p) =>
    forEachKernel.supports(capabilities, configuration, p) &&
    configuration['derivative'] === (p.relu === RELU.before ? 1 : 0),
  text: ({ height, width, derivative }, memory) => {
    const [rows, columns] = [outputsOf(height), outputsOf(width)];
    const matrices = [outputMatrix(height), outputMatrix(width)] as const;
    const { text, names } = transformTile(contract, matrices, (y, x) => `s${y * sideOf(width) + x}`);
    return {
      main: /* wgsl */ `
  let tiles = p.items * p.tiles_y * p.tiles_x;
  let size = p.groups * tiles * p.filters;
  if (index >= size) { return; }
  let along = select(p.filters, tiles, p.across == 1u);
  let rows = select(tiles, p.filters, p.across == 1u);
  let row = index / along;
  let column = index - row * along;
  let g = row / rows;
  let f = select(column, row - g * rows, p.across == 1u);
  let t = select(row - g * rows, column, p.across == 1u);
  let line = t / p.tiles_x;
  let item = line / p.tiles_y;
  let oy = (line - item * p.tiles_y) * ${rows}u;
  let ox = (t - line * p.tiles_x) * ${columns}u;
  let start = p.sums_base + row * p.row + column;
  let size_of_place = p.groups * rows * p.row;
${loadSums(memory, [height, width], scaling)}
${text}
  let filter_index = g * p.filters + f;
  var offset = 0.0;
  if (p.has_bias == 1u) { offset = ${memory.load('bias', 'p.bias_base + filter_index')}; }
  let place = (item * p.groups * p.filters + filter_index) * p.lines * p.width + oy * p.width + ox;
  var values = array<f32, ${rows * columns}>(${names.flat().join(', ')});
  let inside_y = min(${rows}u, p.lines - oy);
  let inside_x = min(${columns}u, p.width - ox);
  for (var i = 0u; i < inside_y; i++) {
    for (var j = 0u; j < inside_x; j++) {
      let at = place + i * p.width + j;
      let value = values[i * ${columns}u + j] + offset;
      ${memory.store(
        'y',
        'p.y_base + at',
        derivative === 1 ? 'derivative(value, operand_at(at))' : 'activated(combined(value, at, filter_index))',
      )}
    }
  }`,
    };
  },
};

/** Operations of one tile of one filter. */
const transformed = (p: P) =>
  transformOperations(contract, [outputMatrix(p.kernel_height), outputMatrix(p.kernel_width)]);

export const winogradOutput = defineKernel({
  name: 'conv2d/winograd-output',
  applies: 'epilogue',
  params,
  bindings: {
    sums: { access: 'read', half: true },
    bias: { access: 'read', half: true },
    aux: { access: 'read', half: true },
    y: { access: 'write', half: true },
  },
  cost: (p, of) => ({
    flops: placeSize(p) * transformed(p),
    bytes: of.sums * placesAt(p) * placeSize(p) + outputs(p) * (of.y + (p.relu === RELU.before ? of.aux : 0)),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        outputs,
        'p.items * p.groups * p.filters * p.lines * p.width',
        (memory) => /* wgsl */ `
  let m_y = outputs_of(p.kernel_height);
  let m_x = outputs_of(p.kernel_width);
  let ox = index % p.width;
  let line = index / p.width;
  let oy = line % p.lines;
  let plane = line / p.lines;
  let filter_index = plane % (p.groups * p.filters);
  let item = plane / (p.groups * p.filters);
  let g = filter_index / p.filters;
  let tiles = p.items * p.tiles_y * p.tiles_x;
  let t = (item * p.tiles_y + oy / m_y) * p.tiles_x + ox / m_x;
  let f = filter_index - g * p.filters;
  let rows = select(tiles, p.filters, p.across == 1u);
  let start = p.sums_base + select((g * tiles + t) * p.row + f, filter_index * p.row + t, p.across == 1u);
  let size = p.groups * rows * p.row;
  let s_x = side_of(p.kernel_width);
  var sum = 0.0;
  for (var e_y = 0u; e_y < side_of(p.kernel_height); e_y++) {
    var part = 0.0;
    for (var e_x = 0u; e_x < s_x; e_x++) {
      part += a_(p.kernel_width, e_x, ox % m_x) * ${loadSum(memory, 'start + (e_y * s_x + e_x) * size', 'e_y * s_x + e_x')};
    }
    sum += a_(p.kernel_height, e_y, oy % m_y) * part;
  }
  for (var i = 0u; i < differentiated(1u); i++) { sum = derivative(sum, operand_at(index)); }
  ${memory.store('y', 'p.y_base + index', `activated(combined(sum + select(0.0, ${memory.load('bias', 'p.bias_base + filter_index')}, p.has_bias == 1u), index, filter_index))`)}`,
        (memory) => MATRICES + scaleFunction(memory, 'sums', scaling),
      ),
      estimate: (p) => outputs(p) * placesAt(p) * LOAD,
    },
    fast,
  ],
});
