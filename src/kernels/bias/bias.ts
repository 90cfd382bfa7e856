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
import { sgdmRule } from '../sgdm/sgdm.ts';
import { stepBinding } from '../step.ts';
import { workgroupSum } from '../workgroup-sum.ts';

const shape = { batch: 'u32', channels: 'u32', plane: 'u32' } as const;
const gradientParams = { ...shape, accumulate: 'u32' } as const;
const updateParams = { ...shape, mask: 'f32', decay_factor: 'f32' } as const;
const elements = ({ batch, channels, plane }: Params<typeof shape>) => batch * channels * plane;

/**
 * The variants of a kernel that sums a channel and then does something with `sum`.
 * @param store statements that find the channel as `channel`
 */
function channelSums<P extends typeof shape>(declarations: string, store: string): readonly [Variant<P>, Variant<P>] {
  return [
    {
      // One thread a channel. Sums of sums, an image at a time: the rounding error grows with the longer of the two.
      ...perElement<P>(
        ({ channels }) => channels,
        'p.channels',
        ({ load }) => /* wgsl */ `
  let channel = index;
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    let start = p.dy_base + (n * p.channels + channel) * p.plane;
    var image = 0.0;
    for (var i = 0u; i < p.plane; i++) { image += ${load('dy', 'start + i')}; }
    sum += image;
  }${store}`,
        declarations,
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
      text: ({ threads }, { load }) => ({
        declarations: declarations + workgroupSum(threads),
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
  var sum = workgroup_sum(lane, own);
  if (lane == 0u && channel < p.channels) {${store}
  }`,
      }),
    },
  ];
}

export const biasGradient = defineKernel({
  name: 'bias/gradient',
  params: gradientParams,
  bindings: { dy: { access: 'read', half: true }, db: { access: 'write' } },
  cost: (p, of) => ({ flops: elements(p), bytes: of.dy * elements(p) + 4 * p.channels }),
  variants: channelSums<typeof gradientParams>(
    '',
    /* wgsl */ `
  if (p.accumulate == 1u) { sum += db[p.db_base + channel]; }
  db[p.db_base + channel] = sum;`,
  ),
});

/** The gradient's sum and the update that uses it (../sgdm/sgdm.ts), of a mask above 0: the sum is never written. */
export const biasUpdate = defineKernel({
  name: 'bias/update',
  params: updateParams,
  bindings: { dy: { access: 'read' }, step: stepBinding, w: { access: 'write' }, v: { access: 'write' } },
  cost: (p) => ({ flops: elements(p) + 6 * p.channels, bytes: 4 * elements(p) + 16 * p.channels }),
  variants: channelSums<typeof updateParams>(
    sgdmRule('f32'),
    /* wgsl */ `
  let weight = w[p.w_base + channel];
  let rate = learning_rate() * p.mask;
  let decay = weight_decay() * p.decay_factor;
  let velocity = next_velocity(v[p.v_base + channel], weight, sum, rate, decay, momentum());
  v[p.v_base + channel] = velocity;
  w[p.w_base + channel] = weight + velocity;`,
  ),
});
