/**
 * Images in a frame of zeros, as the strips read them: x [items, height, width] -> y [items, out_height, 4 line],
 *
 *   y[i, oy, ox] = x[i, oy - top, ox - left] inside the image, else 0
 *
 * Lines are whole vectors of four, so one load brings four neighbours, and no reader asks for bounds. `top` and `left`
 * may be negative: the image is then cut. It is its own adjoint's helper, not an operation: it has no derivative.
 */
import { defineKernel, elementwise, type Params } from '../../kernel.ts';

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
  variants: elementwise(
    vectors,
    'p.items * p.out_height * p.line',
    /* wgsl */ `
  let row = index / p.line;
  let item = row / p.out_height;
  // A place above or left of the image wraps round to a huge number, so one comparison serves both ends.
  let iy = row - item * p.out_height - u32(p.top);
  let ix = vec4u((index - row * p.line) * 4u - u32(p.left)) + vec4u(0u, 1u, 2u, 3u);
  var value = vec4f();
  if (iy < p.height) {
    let start = p.x_base + (item * p.height + iy) * p.width;
    let at = min(ix, vec4u(p.width - 1u)) + start;
    value = select(vec4f(), vec4f(x[at.x], x[at.y], x[at.z], x[at.w]), ix < vec4u(p.width));
  }
  y[p.y_base + index] = value;`,
  ),
});
