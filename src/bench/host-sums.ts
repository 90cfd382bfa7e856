/**
 * The formulas of the kernels whose plain variant takes too long at a network's shapes, in double precision, for one
 * output at a time: the heads of their files say the same.
 */
import type { ContractionParams } from '../kernels/contraction/contraction.ts';
import type { DirectFilterParams } from '../kernels/conv2d/direct/filter-gradient.ts';
import type { DirectParams } from '../kernels/conv2d/direct/forward.ts';
import { RELU } from '../kernels/relu/rule.ts';

/** Contents of the bindings, the output's from before the run. */
export type Operands = Readonly<Record<string, Float32Array>>;

export interface HostSum {
  /** the binding that is written */
  readonly output: string;
  /** the output's index runs over these */
  readonly extents: readonly number[];
  /** how many products are added up */
  readonly terms: number;
  /** the element of the output that an index names, and what it must hold */
  at(index: readonly number[], operands: Operands): { readonly place: number; readonly value: number };
}

/** The sum that a kernel's run computes, where it is one of these. */
export function hostSum(kernel: string, params: object): HostSum | undefined {
  switch (kernel) {
    case 'contraction':
      return contractionSum(params as ContractionParams);
    case 'conv2d/direct':
      return directSum(params as DirectParams);
    case 'conv2d/direct-filter-gradient':
      return directFilterSum(params as DirectFilterParams);
    default:
      return undefined;
  }
}

function contractionSum(p: ContractionParams): HostSum {
  return {
    output: 'c',
    extents: [p.parts, p.groups, p.rows, p.columns],
    terms: p.part_depth,
    at([part, g, m, j], { a, b, bias, aux, c }) {
      const q = Math.floor(j / p.plane);
      const rest = j - q * p.plane;
      const [y, x] = [Math.floor(rest / p.width), rest % p.width];
      const place = part * p.c_part + g * p.c_group + m * p.c_row + q * p.c_item + rest;
      let value = p.accumulate ? c[place] : [0, bias[g * p.rows + m], bias[q]][p.bias_mode];
      if (p.relu === RELU.before && !(aux[place] > 0)) return { place, value };
      for (let u = 0; u < p.u; u++) {
        const sy = (y * p.y_step + u * p.y_u + p.y_0) / p.y_spread;
        if (!(Number.isInteger(sy) && sy >= 0 && sy < p.height)) continue;
        for (let v = 0; v < p.v; v++) {
          const sx = (x * p.x_step + v * p.x_v + p.x_0) / p.x_spread;
          if (!(Number.isInteger(sx) && sx >= 0 && sx < p.line)) continue;
          const a0 = g * p.a_group + m * p.a_row + u * p.a_u + v * p.a_v;
          const b0 = g * p.b_group + q * p.b_item + sy * p.b_line + sx;
          for (let i = 0; i < p.inner; i++) {
            const k = (i * p.u + u) * p.v + v;
            if (Math.floor(k / p.part_depth) === part) value += a[a0 + i * p.a_inner] * b[b0 + i * p.b_inner];
          }
        }
      }
      return { place, value: p.relu === RELU.after ? Math.max(value, 0) : value };
    },
  };
}

function directSum(p: DirectParams): HostSum {
  const blocks = Math.ceil(p.rows / p.tile);
  return {
    output: 'y',
    extents: [p.items, p.groups, p.rows, p.lines, p.width],
    terms: p.channels * p.kernel_height * p.kernel_width,
    at([n, g, m, oy, ox], { w, x, bias, aux }) {
      const filter = g * p.rows + m;
      const place = ((n * p.groups * p.rows + filter) * p.lines + oy) * p.width + ox;
      if (p.relu === RELU.before && !(aux[place] > 0)) return { place, value: 0 };
      const panel = (g * blocks + Math.floor(m / p.tile)) * p.channels;
      let value = p.has_bias ? bias[filter] : 0;
      for (let c = 0; c < p.channels; c++) {
        for (let ky = 0; ky < p.kernel_height; ky++) {
          const image = ((n * p.groups + g) * p.channels + c) * p.x_plane + (oy * p.stride_y + ky) * p.x_line;
          for (let kx = 0; kx < p.kernel_width; kx++) {
            const tap = ((panel + c) * p.kernel_height + ky) * p.kernel_width + kx;
            value += w[tap * p.tile + (m % p.tile)] * x[4 * image + ox * p.stride_x + kx];
          }
        }
      }
      return { place, value: p.relu === RELU.after ? Math.max(value, 0) : value };
    },
  };
}

function directFilterSum(p: DirectFilterParams): HostSum {
  return {
    output: 'dw',
    extents: [p.groups, p.rows, p.channels, p.kernel_height, p.kernel_width],
    terms: p.items * p.lines * 4 * p.d_line,
    at([g, m, c, ky, kx], { dy, x, dw }) {
      const filter = g * p.rows + m;
      const place = ((filter * p.channels + c) * p.kernel_height + ky) * p.kernel_width + kx;
      let value = p.accumulate ? dw[place] : 0;
      for (let n = 0; n < p.items; n++) {
        for (let oy = 0; oy < p.lines; oy++) {
          const d = 4 * ((n * p.groups * p.rows + filter) * p.lines + oy) * p.d_line;
          const image = ((n * p.groups + g) * p.channels + c) * p.x_plane + (oy * p.stride_y + ky) * p.x_line;
          // A benchmark fills what would be the frame of zeros too.
          for (let ox = 0; ox < 4 * p.d_line; ox++) value += dy[d + ox] * x[4 * image + ox * p.stride_x + kx];
        }
      }
      return { place, value };
    },
  };
}
