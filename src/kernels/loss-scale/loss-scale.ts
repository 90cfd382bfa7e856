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
 * `check` counts the bad values of a gradient in `checks` numbers, of runs of 256 values in turn, of some gradients in one
 * dispatch; `next` adds the numbers of all.
 */
import { defineKernel, type Params, perElement } from '../kernel.ts';
import { range } from '../rasteriser.ts';
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

/** By the bits: a compiler may take it that there is no NaN. */
const BAD_OF = /* wgsl */ `
fn bad_of(value: f32, largest: f32) -> f32 {
  let bits = bitcast<u32>(value) & 0x7fffffffu;
  return select(0.0, 1.0, bits >= bitcast<u32>(largest));
}`;

/** Gradients that one dispatch looks at: with the numbers that it writes, as many bindings as every adapter has. */
export const GRADIENTS = 7;
const each = range(GRADIENTS);

/** Of gradient i its values, the numbers that are written of it, none where there is no such gradient, and the largest value. */
const checkParams = Object.fromEntries(
  each.flatMap((i) => [
    [`count${i}`, 'u32'],
    [`checks${i}`, 'u32'],
    [`largest${i}`, 'f32'],
  ]),
) as Readonly<Record<Slot<'count' | 'checks'>, 'u32'> & Record<Slot<'largest'>, 'f32'>>;

type Slot<Name extends string> = `${Name}${0 | 1 | 2 | 3 | 4 | 5 | 6}`;
type Check = Params<typeof checkParams>;
const total = (p: Check, name: 'count' | 'checks') =>
  each.reduce((sum, i) => sum + p[`${name}${i}` as Slot<typeof name>], 0);

const checkBindings = Object.fromEntries(
  each.map((i) => [`g${i}`, { access: 'read', half: true }]),
) as unknown as Readonly<Record<Slot<'g'>, { readonly access: 'read'; readonly half: true }>>;

/**
 * Adds to `found` what is bad in the gradient that number `number` is of, by the text for gradient i. Numbers of gradients
 * before it have been taken off; those of ones behind it wrap round to huge ones.
 */
const inGradient = (number: string, look: (i: number) => string) => /* wgsl */ `
  var number = ${number};
  var found = 0.0;
${each
  .map(
    (i) => `  if (number < p.checks${i}) {
    ${look(i)}
  }
  number -= p.checks${i};`,
  )
  .join('\n')}`;

const CHECKS = each.map((i) => `p.checks${i}`).join(' + ');

/** Of some gradients at once. */
export const lossScaleCheck = defineKernel({
  name: 'loss-scale/check',
  params: checkParams,
  bindings: { ...checkBindings, bad: { access: 'write' } },
  cost: (p, of) => ({
    flops: total(p, 'count'),
    bytes:
      each.reduce((sum, i) => sum + of[`g${i}` as Slot<'g'>] * p[`count${i}` as Slot<'count'>], 0) +
      of.bad * total(p, 'checks'),
  }),
  variants: [
    {
      ...perElement<typeof checkParams>(
        (p) => total(p, 'checks'),
        CHECKS,
        ({ load }) => /* wgsl */ `${inGradient(
          'index',
          (i) => `for (var first = number * ${THREADS}u; first < p.count${i}; first += p.checks${i} * ${THREADS}u) {
      let end = min(first + ${THREADS}u, p.count${i});
      for (var i = first; i < end; i++) { found += bad_of(${load(`g${i}`, `p.g${i}_base + i`)}, p.largest${i}); }
    }`,
        )}
  bad[p.bad_base + index] = found;`,
        BAD_OF,
      ),
      estimate: (p) => (2 * total(p, 'count')) / total(p, 'checks'),
    },
    {
      name: 'workgroup',
      configurations: [{ threads: THREADS }],
      workgroupSize: ({ threads }) => threads,
      workgroups: (p) => total(p, 'checks'),
      estimate: (p, { threads }) => total(p, 'count') / total(p, 'checks') / threads + 20,
      text: ({ threads }, { load }) => ({
        declarations: BAD_OF + workgroupSum(threads),
        main: /* wgsl */ `
  // A folded dispatch may hold more workgroups than are asked for. They must reach the barriers: they look at nothing.
${inGradient(
  'workgroup',
  (i) => `for (var i = number * ${threads}u + lane; i < p.count${i}; i += p.checks${i} * ${threads}u) {
      found += bad_of(${load(`g${i}`, `p.g${i}_base + i`)}, p.largest${i});
    }`,
)}
  let sum = workgroup_sum(lane, found);
  if (lane == 0u && workgroup < ${CHECKS}) { bad[p.bad_base + workgroup] = sum; }`,
      }),
    },
  ],
});

/** What is looked at together, `GRADIENTS` at most: what slots are left look at nothing. */
export function checkOf<V>(
  parts: readonly { readonly g: V; readonly count: number; readonly checks: number; readonly largest: number }[],
) {
  const none = { ...parts[0], count: 0, checks: 0 };
  const slots = each.map((i) => parts[i] ?? none);
  return {
    params: Object.fromEntries(
      slots.flatMap(({ count, checks, largest }, i) => [
        [`count${i}`, count],
        [`checks${i}`, checks],
        [`largest${i}`, largest],
      ]),
    ) as Check,
    views: Object.fromEntries(slots.map(({ g }, i) => [`g${i}`, g])) as Readonly<Record<Slot<'g'>, V>>,
  };
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
