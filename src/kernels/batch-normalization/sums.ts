/**
 * The variants of a sum over each channel of [batch, channels, plane], in a fixed order: of a mean, a variance, the
 * gradient of a channel's scale. With accumulate = 1 it is added to what is there, for windows of the batch one after
 * another.
 */
import { serialAccesses } from '../estimate.ts';
import { type Params, perElement, type Variant } from '../kernel.ts';
import type { Memory } from '../memory.ts';
import { workgroupSum } from '../workgroup-sum.ts';

export const sumParams = { batch: 'u32', channels: 'u32', plane: 'u32', accumulate: 'u32' } as const;

export const elements = ({ batch, channels, plane }: Pick<Params<typeof sumParams>, 'batch' | 'channels' | 'plane'>) =>
  batch * channels * plane;

interface ChannelSum {
  /** the binding that is written */
  readonly to: string;
  /** statements before the sum; `channel` is known */
  readonly before?: string;
  /** what is added up, of the element `at` behind the views' beginnings */
  readonly term: (memory: Memory) => string;
  /** what the sum is multiplied by */
  readonly factor: string;
}

/** A variant of any parameters that these are among. */
type Sums<P extends typeof sumParams> = readonly [Variant<P>, Variant<P>];

export function channelSums<P extends typeof sumParams>({ to, before = '', term, factor }: ChannelSum): Sums<P> {
  const write = /* wgsl */ `sum *= ${factor};
    if (p.accumulate == 1u) { sum += ${to}[p.${to}_base + channel]; }
    ${to}[p.${to}_base + channel] = sum;`;
  return [
    {
      // One thread a channel. Sums of sums, an image at a time: the rounding error grows with the longer of the two.
      ...perElement<P>(
        ({ channels }) => channels,
        'p.channels',
        (memory) => /* wgsl */ `
  let channel = index;
  ${before}
  var sum = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    let start = (n * p.channels + channel) * p.plane;
    var image = 0.0;
    for (var i = 0u; i < p.plane; i++) { let at = start + i; image += ${term(memory)}; }
    sum += image;
  }
    ${write}`,
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
      text: ({ threads }, memory) => ({
        declarations: workgroupSum(threads),
        main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than channels. They must reach the barriers: they write nothing.
  let channel = min(workgroup, p.channels - 1u);
  ${before}
  var own = 0.0;
  for (var n = 0u; n < p.batch; n++) {
    let start = (n * p.channels + channel) * p.plane;
    for (var i = lane; i < p.plane; i += ${threads}u) { let at = start + i; own += ${term(memory)}; }
  }
  var sum = workgroup_sum(lane, own);
  if (lane == 0u && workgroup < p.channels) {
    ${write}
  }`,
      }),
    },
  ];
}
