/**
 * Gradients of filters from transformed ones (./tile.ts), which products of matrices have summed over tiles:
 *
 *   dw[g, f, c] (+)= G^T s G,   s[e] = sums[e, g, f, c]
 *
 * tiles: one thread a filter of one channel, its sums in registers.
 */
import { defineKernel, type Params, perElement, type Variant } from '../../kernel.ts';
import { LOAD } from '../../rasteriser.ts';
import {
  contract,
  filterMatrix,
  forEachKernel,
  loadSum,
  loadSums,
  MATRICES,
  oneTileAThread,
  placesAt,
  type Scaling,
  scaleFunction,
  sideOf,
  transformOperations,
  transformTile,
} from './tile.ts';

const params = {
  /** filters of all groups, channels of one, and elements of a row of sums, at least as many */
  filters: 'u32',
  channels: 'u32',
  row: 'u32',
  kernel_height: 'u32',
  kernel_width: 'u32',
  accumulate: 'u32',
} as const;

export type WinogradFilterGradientParams = Params<typeof params>;
type P = WinogradFilterGradientParams;

const placeSize = (p: P) => p.filters * p.channels;
const outputs = (p: P) => placeSize(p) * p.kernel_height * p.kernel_width;

const scaling: Scaling = { what: 'filterSums' };

const fast: Variant<typeof params> = {
  ...oneTileAThread(placeSize),
  ...forEachKernel,
  text: ({ height, width }, memory) => {
    const matrices = [filterMatrix(height), filterMatrix(width)] as const;
    const { text, names } = transformTile(contract, matrices, (y, x) => `s${y * sideOf(width) + x}`);
    return {
      main: /* wgsl */ `
  let size = p.filters * p.channels;
  if (index >= size) { return; }
  let filter_index = index / p.channels;
  let start = p.sums_base + filter_index * p.row + index - filter_index * p.channels;
  let size_of_place = p.filters * p.row;
${loadSums(memory, [height, width], scaling)}
${text}
  let place = p.dw_base + index * ${height * width}u;
  var values = array<f32, ${height * width}>(${names.flat().join(', ')});
  let taps = p.kernel_height * p.kernel_width;
  for (var t = 0u; t < taps; t++) ${memory.gradient('dw', 'place + t', 'values[t]')}`,
    };
  },
};

/** Operations of one filter of one channel. */
const transformed = (p: P) =>
  transformOperations(contract, [filterMatrix(p.kernel_height), filterMatrix(p.kernel_width)]);

export const winogradFilterGradient = defineKernel({
  name: 'conv2d/winograd-filter-gradient',
  params,
  bindings: { sums: { access: 'read', half: true }, dw: { access: 'write', gradient: true } },
  cost: (p, of) => ({
    flops: placeSize(p) * transformed(p),
    bytes: of.sums * placesAt(p) * placeSize(p) + of.dw * outputs(p) * (1 + p.accumulate),
  }),
  variants: [
    {
      ...perElement<typeof params>(
        outputs,
        'p.filters * p.channels * p.kernel_height * p.kernel_width',
        (memory) => /* wgsl */ `
  let kx = index % p.kernel_width;
  let rest = index / p.kernel_width;
  let ky = rest % p.kernel_height;
  let pair = rest / p.kernel_height;
  let start = p.sums_base + (pair / p.channels) * p.row + pair % p.channels;
  let size = p.filters * p.row;
  let s_x = side_of(p.kernel_width);
  var sum = 0.0;
  for (var e_y = 0u; e_y < side_of(p.kernel_height); e_y++) {
    var part = 0.0;
    for (var e_x = 0u; e_x < s_x; e_x++) {
      part += g_(p.kernel_width, e_x, kx) * ${loadSum(memory, 'start + (e_y * s_x + e_x) * size', 'e_y * s_x + e_x')};
    }
    sum += g_(p.kernel_height, e_y, ky) * part;
  }
  ${memory.gradient('dw', 'p.dw_base + index', 'sum')}`,
        (memory) => MATRICES + scaleFunction(memory, 'sums', scaling),
      ),
      estimate: (p) => outputs(p) * placesAt(p) * LOAD,
    },
    fast,
  ],
});
