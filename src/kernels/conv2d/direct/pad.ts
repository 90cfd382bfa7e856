/**
 * Images in a frame of zeros, as the direct convolution reads them: x [items, height, width] -> y [items, out_height, 4 line],
 *
 *   y[i, oy, ox] = x[i, oy - top, ox - left] inside the image, else 0
 *
 * Lines are whole vectors of four, so one load brings four neighbours, and no reader asks for bounds. `top` and `left`
 * may be negative: the image is then cut. It is its own adjoint's helper, not an operation: it has no derivative.
 */
import { defineKernel, type Params, perElement } from '../../kernel.ts';

const params = {
  items: 'u32',
  height: 'u32',
  width: 'u32',
  out_height: 'u32',
  /** vectors of four a line of y */
  line: 'u32',
  top: 'i32',
  left: 'i32',
} as const;

export type PadParams = Params<typeof params>;

const vectors = ({ items, out_height, line }: PadParams) => items * out_height * line;

export const conv2dPad = defineKernel({
  name: 'conv2d/pad',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write', type: 'vec4f' } },
  cost: (p) => ({ flops: 0, bytes: 4 * p.items * p.height * p.width + 16 * vectors(p) }),
  // One thread a line: its place costs divisions, which software rasterisers do lane by lane.
  variants: [
    perElement<typeof params>(
      ({ items, out_height }) => items * out_height,
      'p.items * p.out_height',
      /* wgsl */ `
  let item = index / p.out_height;
  // A place above or left of the image wraps round to a huge number, so one comparison serves both ends.
  let iy = index - item * p.out_height - u32(p.top);
  let start = vec4u(p.x_base + (item * p.height + min(iy, p.height - 1u)) * p.width);
  let end = vec4u(select(0u, p.width, iy < p.height));
  for (var i = 0u; i < p.line; i++) {
    let ix = vec4u(i * 4u - u32(p.left)) + vec4u(0u, 1u, 2u, 3u);
    let at = min(ix, vec4u(p.width - 1u)) + start;
    y[p.y_base + index * p.line + i] = select(vec4f(), vec4f(x[at.x], x[at.y], x[at.z], x[at.w]), ix < end);
  }`,
    ),
  ],
});
