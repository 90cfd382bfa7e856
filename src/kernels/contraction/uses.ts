/** The operations that are the contraction with strides of their own: for `frostline kernels`. */
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../conv2d/conv2d.ts';
import type { Conv2dShape } from '../conv2d/shape.ts';
import { gemm } from '../gemm/gemm.ts';
import { boundsOf, type ContractionParams } from './contraction.ts';

export interface ContractionUse {
  readonly name: string;
  /** What A, B, C, rows, columns and the inner sum are. */
  readonly roles: string;
  /** An example, and the contraction's parameters for it. */
  readonly example: string;
  readonly params: ContractionParams;
}

/** AlexNet's conv2 at batch 10. */
const conv2: Conv2dShape = {
  batch: 10,
  channels: 96,
  height: 27,
  width: 27,
  filters: 256,
  kernel: [5, 5],
  strides: [1, 1],
  pads: [2, 2, 2, 2],
  dilations: [1, 1],
  groups: 2,
};
const conv2Text = 'x [10, 96, 27, 27], w [256, 48, 5, 5] in 2 groups, stride 1, pads 2: y [10, 256, 27, 27]';

/** AlexNet's fc7 at batch 10: x [batch, in], w [out, in], y [batch, out]. */
const fc7 = { batch: 10, in: 4096, out: 4096 };
const fc7Text = 'x [10, 4096], w [4096, 4096], y [10, 4096]';

export const contractionUses: readonly ContractionUse[] = [
  {
    name: 'conv2d/forward',
    roles: 'a = w, b = x, c = y; rows are filters, columns are outputs (n, oy, ox), the inner sum runs over channels',
    example: conv2Text,
    params: conv2dForward(conv2, true),
  },
  {
    name: 'conv2d/input-gradient',
    roles: 'a = w, b = dy, c = dx; rows are channels, columns are inputs (n, iy, ix), the inner sum runs over filters',
    example: conv2Text,
    params: conv2dInputGradient(conv2),
  },
  {
    name: 'conv2d/filter-gradient',
    roles: 'a = dy, b = x, c = dw; rows are filters, columns are taps (c, ky, kx), the inner sum runs over the batch',
    example: conv2Text,
    params: conv2dFilterGradient(conv2, false),
  },
  {
    name: 'gemm/forward',
    roles: 'y = x w^T + bias; a = x, b = w, c = y; rows are items, columns are outputs, the inner sum runs over inputs',
    example: fc7Text,
    params: gemm({
      m: fc7.batch,
      n: fc7.out,
      k: fc7.in,
      a: { row: fc7.in, column: 1 },
      b: { row: 1, column: fc7.in },
      cRow: fc7.out,
      bias: true,
    }),
  },
  {
    name: 'gemm/input-gradient',
    roles: 'dx = dy w; a = dy, b = w, c = dx; rows are items, columns are inputs, the inner sum runs over outputs',
    example: fc7Text,
    params: gemm({
      m: fc7.batch,
      n: fc7.in,
      k: fc7.out,
      a: { row: fc7.out, column: 1 },
      b: { row: fc7.in, column: 1 },
      cRow: fc7.in,
    }),
  },
  {
    name: 'gemm/weight-gradient',
    roles: 'dw = dy^T x; a = dy, b = x, c = dw; rows are outputs, columns are inputs, the inner sum runs over items',
    example: fc7Text,
    params: gemm({
      m: fc7.out,
      n: fc7.in,
      k: fc7.batch,
      a: { row: 1, column: fc7.out },
      b: { row: fc7.in, column: 1 },
      cRow: fc7.in,
    }),
  },
];

/** The head of a use's text, as WGSL comments. */
export function describeUse({ name, roles, example, params }: ContractionUse): string {
  const settings = Object.entries(params).map(([key, value]) => `${key} ${value}`);
  const lines: string[] = [];
  for (const setting of settings) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + setting.length < 100) lines[lines.length - 1] = `${last}, ${setting}`;
    else lines.push(setting);
  }
  return [
    `${name} is the kernel 'contraction' with strides of its own:`,
    '  C[g, m, j] = bias + sum over u < U, v < V, i < I of A[g, m, u, v, i] * B[g, j, u, v, i]',
    '  A = a[g a_group + m a_row + u a_u + v a_v + i a_inner]',
    '  B = b[g b_group + q b_item + i b_inner + t_y b_line + t_x], 0 where t_y or t_x lies outside height and line,',
    '      column j = item q and place (y, x); t_y = y y_step + u y_u + y_0, t_x = x x_step + v x_v + x_0',
    `Here ${roles}.`,
    `For ${example}, the parameters p are`,
    ...lines.map((line) => `  ${line}`),
    `Bounds of B: text ${boundsOf(params)} (0 none reach outside, 1 some do, 2 spread).`,
  ]
    .map((line) => `// ${line}`)
    .join('\n');
}
