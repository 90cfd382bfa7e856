/**
 * Bias: x and y [batch, channels, plane] (plane = 1 for fully connected layers), b [channels].
 *
 *   y[n, c, i] = x[n, c, i] + b[c]
 *
 * Derivatives: dx = dy (no kernel), and since b[c] took part in every y[., c, .],
 *
 *   db[c] = sum over n, i of  dy[n, c, i]
 *
 * With accumulate = 1 the sum is added to what db holds, for windows of the batch run one after another.
 */
import { serialAccesses } from '../estimate.ts';
import { defineKernel, elementwise, type Params, perElement } from '../kernel.ts';
import { workgroupSum } from '../workgroup-sum.ts';

const shape = { batch: 'u32', channels: 'u32', plane: 'u32' } as const;
const gradientParams = { ...shape, accumulate: 'u32' } as const;
const elements = ({ batch, channels, plane }: Params<typeof shape>) => batch * channels * plane;

export const biasForward = defineKernel({
  name: 'bias/forward',
  params: shape,
  bindings: { x: { access: 'read' }, b: { access: 'read' }, y: { access: 'write' } },
  cost: (p) => ({ flops: elements(p), bytes: 8 * elements(p) + 4 * p.channels }),
  variants: elementwise(
    elements,
    'p.batch * p.channels * p.plane',
    /* wgsl */ `
  y[p.y_base + index] = x[p.x_base + index] + b[p.b_base + (index / p.plane) % p.channels];`,
  ),
});

export const biasGradient = defineKernel({
  name: 'bias/gradient',
  params: gradientParams,
  bindings: { dy: { access: 'read' }, db: { access: 'write' } },
  cost: (p) => ({ flops: elements(p), bytes: 4 * elements(p) + 4 * p.channels }),
  variants: [
    {
      // One thread a channel. Sums of sums, an image at a time: the rounding error grows with the longer of the two.
      ...perElement<typeof gradientParams>(
        ({ channels }) => channels,
        'p.channels',
        /* wgsl */ `
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    let start = p.dy_base + (n * p.channels + index) * p.plane;
    var image = 0.0;
    for (var i = 0u; i < p.plane; i++) { image += dy[start + i]; }
    sum += image;
  }
  if (p.accumulate == 1u) { sum += db[p.db_base + index]; }
  db[p.db_base + index] = sum;`,
      ),
      estimate: (p, _, capabilities) => serialAccesses(p.channels, p.batch * p.plane, capabilities),
    },
    {
      // One workgroup a channel: neighbouring threads read neighbouring values, and long planes keep every lane busy.
      name: 'workgroup',
      configurations: [{ threads: 64 }, { threads: 256 }],
      workgroupSize: ({ threads }) => threads,
      estimate: (p, { threads }, capabilities) =>
        serialAccesses(
          p.channels * threads,
          p.batch * Math.ceil(p.plane / threads) + 2 * Math.log2(threads),
          capabilities,
        ),
      workgroups: ({ channels }) => channels,
      text: ({ threads }) => ({
        declarations: workgroupSum(threads),
        main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than channels. They must reach the barriers: they sum nothing.
  let channel = workgroup;
  var own = 0.0;
  if (channel < p.channels) {
    for (var n = 0u; n < p.batch; n++) {
      let start = p.dy_base + (n * p.channels + channel) * p.plane;
      for (var i = lane; i < p.plane; i += ${threads}u) { own += dy[start + i]; }
    }
  }
  var sum = workgroup_sum(lane, own);
  if (lane == 0u && channel < p.channels) {
    if (p.accumulate == 1u) { sum += db[p.db_base + channel]; }
    db[p.db_base + channel] = sum;
  }`,
      }),
    },
  ],
});
