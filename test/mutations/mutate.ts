/** The mutation check on families, whose cases are drawn until each variant's mutation is noticed: src/check/mutate.ts. */
import type { Broken } from '../../src/check/broken.ts';
import type { KernelCase, KernelFamily } from '../../src/check/case.ts';
import { describeKernelCase, drawKernelCases } from '../../src/check/case.ts';
import { tryCases, variantsOf } from '../../src/check/mutate.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { Random } from '../../src/random.ts';

export type { Broken as Mutation };

export interface Outcome {
  readonly variant: string;
  /** the first case that notices, and how; undefined where the mutation survives */
  readonly caughtBy: string | undefined;
  readonly problem: string | undefined;
  /** cases that did not notice, before the one that does */
  readonly cases: number;
}

/** Draws that are tried beyond the family's examples before a mutation counts as a survivor. */
const DRAWS = 48;
const DRAWS_AT_ONCE = 12;

/**
 * Runs a family's cases of one kernel with a mutation, until each variant's are noticed or all cases are through. A variant
 * that computes none of the family's cases has no outcome.
 */
export async function tryMutation(
  gpu: Gpu,
  family: KernelFamily,
  kernel: Kernel,
  mutation: Broken,
  seed: number,
): Promise<Outcome[]> {
  const open = new Map(variantsOf(kernel, mutation).map((variant) => [variant, 0]));
  const outcomes: Outcome[] = [];
  const seen = new Set<string>();
  for (let draw = 0; draw <= DRAWS && open.size > 0; draw += draw === 0 ? 1 : DRAWS_AT_ONCE) {
    const cases = casesOf(family, seed, draw);
    for (const variant of [...open.keys()]) {
      const { reached, cases: before, noticed } = await tryCases(gpu, { kernel, mutation, variant }, cases);
      if (reached) seen.add(variant);
      const total = open.get(variant)! + before;
      open.set(variant, total);
      if (noticed === undefined) continue;
      const { testCase, problem } = noticed;
      outcomes.push({ variant, caughtBy: describeKernelCase(testCase), problem, cases: total });
      open.delete(variant);
    }
  }
  for (const [variant, tried] of open) {
    if (seen.has(variant)) outcomes.push({ variant, caughtBy: undefined, problem: undefined, cases: tried });
  }
  return outcomes;
}

/** The variants that the adapter runs and whose text should have the phrase. */
export const expectedOutcomes = (gpu: Gpu, kernel: Kernel, mutation: Broken): string[] =>
  variantsOf(kernel, mutation).filter((variant) => gpuRuns(gpu, kernel, variant));

const known = new Map<KernelFamily, Map<number, KernelCase[]>>();

/** The examples (0), or the draws from `draw` on; each with its reference computed once for all mutations. */
function casesOf(family: KernelFamily, seed: number, draw: number): KernelCase[] {
  const own = known.get(family) ?? new Map<number, KernelCase[]>();
  known.set(family, own);
  let cases = own.get(draw);
  if (cases === undefined) {
    const seeds = Array.from({ length: DRAWS_AT_ONCE }, (_, i) => seed + draw + i);
    const drawn = draw === 0 ? family.examples(new Random(seed)) : seeds.flatMap((one) => drawKernelCases(family, one));
    cases = drawn.map((one) => {
      let expected: ReturnType<KernelCase['reference']> | undefined;
      return { ...one, reference: () => (expected ??= one.reference()) };
    });
    own.set(draw, cases);
  }
  return cases;
}

/** Whether the adapter can run the variant at all. */
function gpuRuns(gpu: Gpu, kernel: Kernel, name: string): boolean {
  const variant = kernel.variants.find((one) => one.name === name);
  // What runs on halves alone has no case here: test/kernels/halves.test.ts.
  if (variant === undefined || Array.isArray(variant.halves)) return false;
  return !(variant.subgroups && gpu.subgroupWidth === 0);
}
