/**
 * Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2): backward runs on S times the
 * loss, so that gradients which halves cannot hold become ones that they can; the updates take S off again.
 *
 *   bad    = number of gradients that are not finite, or as large as the largest number that they are stored as
 *   skipped = bad > 0: the step changes no weight and no velocity
 *   S      <- max(S / 2, 1) where skipped;  min(2 S, largest) after `interval` good steps;  else S
 *
 * S is a power of two: it changes no bit of a gradient that neither overflows nor leaves the normal halves. An overflow may
 * be rounded to infinity or, by WGSL, to the largest half, so that one counts as an overflow, too.
 *
 * `check` counts the bad values of one gradient in `checks` numbers, of runs of 256 values in turn; `next` adds the numbers of
 * all gradients.
 */
import { defineKernel, perElement } from '../kernel.ts';
import { workgroupSum } from '../workgroup-sum.ts';
import { SCALING, SCALING_WORDS } from './state.ts';

/** The largest number of a gradient's storage, at which it counts as overflown. */
export const LARGEST = { f32: 3.4028234663852886e38, f16: 65504 } as const;

const THREADS = 256;
/** Values that a workgroup looks at, unless there are more than `MOST_GROUPS` times as many. */
const SHARE = 16384;
const MOST_GROUPS = 64;

/** Numbers that `check` writes for a gradient of so many values. */
export const checksOf = (count: number) => Math.min(MOST_GROUPS, Math.ceil(count / SHARE));

const checkParams = { count: 'u32', checks: 'u32', largest: 'f32' } as const;

export const lossScaleCheck = defineKernel({
  name: 'loss-scale/check',
  params: checkParams,
  bindings: { g: { access: 'read', half: true }, bad: { access: 'write' } },
  cost: ({ count, checks }, of) => ({ flops: count, bytes: of.g * count + of.bad * checks }),
  variants: [
    {
      ...perElement<typeof checkParams>(
        ({ checks }) => checks,
        'p.checks',
        ({ load }) => /* wgsl */ `
  var found = 0.0;
  for (var first = index * ${THREADS}u; first < p.count; first += p.checks * ${THREADS}u) {
    let end = min(first + ${THREADS}u, p.count);
    for (var i = first; i < end; i++) { found += bad_of(${load('g', 'p.g_base + i')}); }
  }
  bad[p.bad_base + index] = found;`,
        badOf(),
      ),
      estimate: ({ count, checks }) => (2 * count) / checks,
    },
    {
      name: 'workgroup',
      configurations: [{ threads: THREADS }],
      workgroupSize: ({ threads }) => threads,
      workgroups: ({ checks }) => checks,
      estimate: ({ count, checks }, { threads }) => count / checks / threads + 20,
      text: ({ threads }, { load }) => ({
        declarations: badOf() + workgroupSum(threads),
        main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than are asked for. They must reach the barriers: they look at nothing.
  var found = 0.0;
  if (workgroup < p.checks) {
    for (var i = index; i < p.count; i += p.checks * ${threads}u) { found += bad_of(${load('g', 'p.g_base + i')}); }
  }
  let sum = workgroup_sum(lane, found);
  if (lane == 0u && workgroup < p.checks) { bad[p.bad_base + workgroup] = sum; }`,
      }),
    },
  ],
});

/** By the bits: a compiler may take it that there is no NaN. */
function badOf(): string {
  return /* wgsl */ `
fn bad_of(value: f32) -> f32 {
  let bits = bitcast<u32>(value) & 0x7fffffffu;
  return select(0.0, 1.0, bits >= bitcast<u32>(p.largest));
}`;
}

const nextParams = { checks: 'u32', interval: 'u32', largest: 'f32' } as const;

/** One thread does it: a few hundred numbers. */
export const lossScaleNext = defineKernel({
  name: 'loss-scale/next',
  params: nextParams,
  bindings: { bad: { access: 'read' }, scaling: { access: 'write' } },
  cost: ({ checks }) => ({ flops: checks, bytes: 4 * (checks + 2 * SCALING_WORDS) }),
  variants: [
    perElement<typeof nextParams>(
      () => 1,
      '1u',
      /* wgsl */ `
  var found = 0.0;
  for (var i = 0u; i < p.checks; i++) { found += bad[p.bad_base + i]; }
  let skipped = found > 0.0;
  let scale = scaling[p.scaling_base + ${SCALING.scale}u];
  let good = select(scaling[p.scaling_base + ${SCALING.good}u] + 1.0, 0.0, skipped);
  let grows = good >= f32(p.interval);
  let grown = select(scale, min(2.0 * scale, p.largest), grows);
  scaling[p.scaling_base + ${SCALING.scale}u] = select(grown, max(0.5 * scale, 1.0), skipped);
  scaling[p.scaling_base + ${SCALING.good}u] = select(good, 0.0, grows);
  scaling[p.scaling_base + ${SCALING.skipped}u] = select(0.0, 1.0, skipped);
  scaling[p.scaling_base + ${SCALING.unscale}u] = 1.0 / scale;
  scaling[p.scaling_base + ${SCALING.total}u] += select(0.0, 1.0, skipped);`,
    ),
  ],
});
