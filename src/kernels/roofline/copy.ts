/** The memory ceiling of an adapter: y = x for `count` elements, each read once and written once. */
import { defineKernel, perElement, type Variant } from '../kernel.ts';

const params = { count: 'u32' } as const;

/** Several elements a thread, a workgroup's width apart, so that neighbours still read neighbouring addresses. */
const several: Variant<typeof params> = {
  name: 'several',
  configurations: [{ elements: 4 }, { elements: 16 }],
  workgroupSize: () => 64,
  workgroups: ({ count }, { elements }) => Math.ceil(count / (64 * elements)),
  text: ({ elements }) => ({
    main: /* wgsl */ `
  let first = workgroup * ${64 * elements}u + lane;
  for (var i = 0u; i < ${elements}u; i++) {
    let at = first + i * 64u;
    if (at < p.count) { y[p.y_base + at] = x[p.x_base + at]; }
  }`,
  }),
};

export const rooflineCopy = defineKernel({
  name: 'roofline/copy',
  params,
  bindings: { x: { access: 'read' }, y: { access: 'write' } },
  cost: ({ count }) => ({ flops: 0, bytes: 8 * count }),
  variants: [
    perElement<typeof params>(({ count }) => count, 'p.count', '  y[p.y_base + index] = x[p.x_base + index];'),
    several,
  ],
});
