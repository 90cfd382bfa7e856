/**
 * The gradient of a bias: x and y [batch, channels, plane] (plane = 1 for fully connected layers), b [channels].
 *
 *   y[n, c, i] = x[n, c, i] + b[c]
 *
 * is added by the products before. Derivatives: dx = dy (no kernel), and since b[c] took part in every y[., c, .],
 *
 *   db[c] = sum over n, i of  dy[n, c, i]
 *
 * With accumulate = 1 the sum is added to what db holds, for windows of the batch run one after another.
 */
import { serialAccesses } from '../estimate.ts';
import { defineKernel, type Params, perElement, type Variant } from '../kernel.ts';
import { workgroupSum } from '../workgroup-sum.ts';

const params = { batch: 'u32', channels: 'u32', plane: 'u32', accumulate: 'u32' } as const;
const elements = ({ batch, channels, plane }: Params<typeof params>) => batch * channels * plane;

/** One thread a channel. Sums of sums, an image at a time: the rounding error grows with the longer of the two. */
const plain: Variant<typeof params> = {
  ...perElement<typeof params>(
    ({ channels }) => channels,
    'p.channels',
    ({ load, gradient }) => /* wgsl */ `
  let channel = index;
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    let start = p.dy_base + (n * p.channels + channel) * p.plane;
    var image = 0.0;
    for (var i = 0u; i < p.plane; i++) { image += ${load('dy', 'start + i')}; }
    sum += image;
  }
  ${gradient('db', 'p.db_base + channel', 'sum')}`,
  ),
  estimate: (p, _, capabilities) => serialAccesses(p.channels, p.batch * p.plane, capabilities),
};

/** One workgroup a channel: neighbouring threads read neighbouring values, and long planes keep every lane busy. */
const workgroup: Variant<typeof params> = {
  name: 'workgroup',
  configurations: [{ threads: 64 }, { threads: 256 }],
  workgroupSize: ({ threads }) => threads,
  estimate: (p, { threads }, capabilities) =>
    serialAccesses(p.channels * threads, p.batch * Math.ceil(p.plane / threads) + 2 * Math.log2(threads), capabilities),
  workgroups: ({ channels }) => channels,
  text: ({ threads }, { load, gradient }) => ({
    declarations: workgroupSum(threads),
    main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than channels. They must reach the barriers: they sum nothing.
  let channel = workgroup;
  var own = 0.0;
  if (channel < p.channels) {
    for (var n = 0u; n < p.batch; n++) {
      let start = p.dy_base + (n * p.channels + channel) * p.plane;
      for (var i = lane; i < p.plane; i += ${threads}u) { own += ${load('dy', 'start + i')}; }
    }
  }
  let sum = workgroup_sum(lane, own);
  if (lane == 0u && channel < p.channels) ${gradient('db', 'p.db_base + channel', 'sum')}`,
  }),
};

export const biasGradient = defineKernel({
  name: 'bias/gradient',
  params,
  bindings: { dy: { access: 'read', half: true }, db: { access: 'write', gradient: true } },
  cost: (p, of) => ({ flops: elements(p), bytes: of.dy * elements(p) + of.db * p.channels }),
  variants: [plain, workgroup],
});
