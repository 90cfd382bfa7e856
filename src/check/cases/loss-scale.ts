/** Cases of loss scaling, and of the copy between precisions. */
import { castCopy } from '../../kernels/cast/cast.ts';
import { checkOf, GRADIENTS, LARGEST, lossScaleCheck, lossScaleNext } from '../../kernels/loss-scale/loss-scale.ts';
import { SCALING, SCALING_WORDS } from '../../kernels/loss-scale/state.ts';
import type { Random } from '../../random.ts';
import { defineFamily, type KernelCase } from '../case.ts';
import { exactly } from '../expected.ts';
import { valuesOf } from '../values.ts';

/** What an update reads of loss scaling: a scale of a power of two, and one step in three skipped. */
export function drawScaling(random: Random) {
  const exponent = random.integer(16);
  const skipped = random.integer(3) === 0;
  const scaling = new Float32Array(SCALING_WORDS);
  // The next step's, which an update must not take for its own.
  scaling[SCALING.scale] = 2 ** (exponent + 1);
  scaling[SCALING.good] = 1;
  scaling[SCALING.skipped] = skipped ? 1 : 0;
  scaling[SCALING.unscale] = 2 ** -exponent;
  scaling[SCALING.total] = 2;
  return { scaling, skipped, unscale: 2 ** -exponent };
}

interface Shape {
  readonly count: number;
  /** values that are not finite, or as large as the largest */
  readonly bad: number;
  readonly checks: number;
  /** steps since the scale was changed, of an interval of 5 */
  readonly good: number;
  /** the scale as a power of 2; the largest is 2^10 */
  readonly exponent: number;
}

const BAD = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, LARGEST.f32, -LARGEST.f32];
const INTERVAL = 5;
const LARGEST_EXPONENT = 10;

export const lossScaleFamily = defineFamily<Shape>({
  names: ['loss-scale/check', 'loss-scale/next', 'cast/copy'],
  examples: [
    { count: 1, bad: 0, checks: 1, good: 0, exponent: 3 },
    { count: 1, bad: 1, checks: 1, good: 4, exponent: 0 },
    { count: 700, bad: 2, checks: 2, good: 3, exponent: 10 },
    { count: 700, bad: 0, checks: 3, good: 4, exponent: 10 },
    { count: 301, bad: 1, checks: 1, good: 4, exponent: 5 },
    { count: 257, bad: 0, checks: 1, good: 4, exponent: 5 },
  ],
  shape: (choose) => ({
    count: choose(1, 900),
    bad: Math.max(0, choose(0, 6) - 3),
    checks: choose(1, 3),
    good: choose(0, INTERVAL - 1),
    exponent: choose(0, LARGEST_EXPONENT),
  }),
  cases({ count, bad, checks, good, exponent }, kind, random): KernelCase[] {
    const g = valuesOf(random, kind, count, { instead: 'tiny' });
    // The first, the last and others: whoever leaves one out is found.
    for (let i = 0; i < bad; i++) g[[count - 1, 0][i] ?? random.integer(count)] = BAD[random.integer(BAD.length)];
    const isBad = (value: number) => !(Math.abs(value) < LARGEST.f32);
    /** Gradients that are looked at together: this one, and others of which some are bad, too. */
    const others = Array.from({ length: random.integer(GRADIENTS) }, () => {
      const values = valuesOf(random, kind, 1 + random.integer(600), { instead: 'tiny' });
      if (random.integer(2) === 0) values[random.integer(values.length)] = BAD[random.integer(BAD.length)];
      return { g: values, count: values.length, checks: 1 + random.integer(3), largest: LARGEST.f32 };
    });
    const looked = [...others, { g, count, checks, largest: LARGEST.f32 }];
    const check = checkOf(looked);
    // Of a gradient in parts, each summed on its own.
    const found = new Float32Array(3 * checks);
    found[random.integer(found.length)] = bad;
    const scale = 2 ** exponent;
    const scaling = Float32Array.of(scale, good, random.integer(2), 17, 3);
    const grows = bad === 0 && good + 1 >= INTERVAL;
    const grown = grows ? Math.min(2 * scale, 2 ** LARGEST_EXPONENT) : scale;
    const next = [
      bad > 0 ? Math.max(scale / 2, 1) : grown,
      bad > 0 || grows ? 0 : good + 1,
      bad > 0 ? 1 : 0,
      1 / scale,
      3 + (bad > 0 ? 1 : 0),
    ];
    const description = `n=${count} of which ${bad} bad`;
    return [
      {
        name: 'loss-scale/check',
        description: `${description}, behind ${others.length} others`,
        kernel: lossScaleCheck,
        params: check.params,
        inputs: check.views,
        outputs: { bad: looked.reduce((sum, one) => sum + one.checks, 0) },
        reference() {
          const sums = looked.flatMap((one) => {
            const own = new Array<number>(one.checks).fill(0);
            // Runs of 256 values, in turn.
            for (const [i, value] of one.g.entries()) if (isBad(value)) own[Math.floor(i / 256) % one.checks]++;
            return own;
          });
          return { bad: exactly(sums) };
        },
      },
      {
        name: 'loss-scale/next',
        description: `scale ${scale} after ${good} steps, ${bad} bad`,
        kernel: lossScaleNext,
        params: { checks: found.length, interval: INTERVAL, largest: 2 ** LARGEST_EXPONENT },
        inputs: { bad: found },
        outputs: { scaling },
        // 1 / scale of a power of two is exact, by every division that WGSL allows but one: off by 2.5 units.
        reference: () => ({ scaling: { values: next, units: 2.5 } }),
      },
      {
        name: 'cast/copy',
        description,
        kernel: castCopy,
        params: { count },
        inputs: { x: g },
        outputs: { y: count },
        reference: () => ({ y: exactly(g) }),
      },
    ];
  },
});
