/**
 * The mutation check: a kernel is broken on purpose in its final WGSL, and the same case objects that check the whole
 * one must notice, in every variant. What they do not notice they do not check.
 */
import type { Broken } from '../../src/check/broken.ts';
import type { KernelCase, KernelFamily } from '../../src/check/case.ts';
import { describeKernelCase, drawKernelCases } from '../../src/check/case.ts';
import { checkKernelCases } from '../../src/check/check-kernels.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type Choice, choiceText, type Kernel } from '../../src/kernels/kernel.ts';
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
const CASES_AT_ONCE = 6;

/** The text with the phrase replaced; undefined where it does not occur. */
function mutateText(text: string, { name, find, replace }: Broken): string | undefined {
  if (typeof find === 'string') {
    const parts = text.split(find);
    if (parts.length > 2) throw new Error(`${name}: '${find}' stands ${parts.length - 1} times in\n${text}`);
    return parts.length === 2 ? parts.join(replace) : undefined;
  }
  const changed = text.replace(find, replace);
  return changed === text ? undefined : changed;
}

/** The kernel with the mutation in every text that has its phrase. */
export function mutateKernel(kernel: Kernel, mutation: Broken): Kernel {
  return {
    ...kernel,
    dispatch(...given) {
      const dispatch = kernel.dispatch(...given);
      return { ...dispatch, source: mutateText(dispatch.source, mutation) ?? dispatch.source };
    },
  };
}

/**
 * Runs a family's cases of one kernel with a mutation, until each variant's are noticed or all cases are through. One
 * configuration a variant: the first that computes the case. A variant that computes none of the family's cases has no
 * outcome.
 */
export async function tryMutation(
  gpu: Gpu,
  family: KernelFamily,
  kernel: Kernel,
  mutation: Broken,
  seed: number,
): Promise<Outcome[]> {
  const mutated = mutateKernel(kernel, mutation);
  const open = new Map(variantsOf(kernel, mutation).map((variant) => [variant, 0]));
  const outcomes: Outcome[] = [];
  const seen = new Set<string>();
  for (let draw = 0; draw <= DRAWS && open.size > 0; draw += draw === 0 ? 1 : DRAWS_AT_ONCE) {
    const cases = casesOf(family, seed, draw);
    for (const variant of [...open.keys()]) {
      const own = cases
        .filter((one) => one.kernel === kernel)
        .flatMap((one) => {
          const choice = firstChoice(gpu, one, variant);
          if (choice === undefined || mutateText(kernel.source(choice), mutation) === undefined) return [];
          seen.add(variant);
          const applies = (other: Choice) => choiceText(other) === choiceText(choice);
          return [{ ...one, kernel: mutated, applies }];
        });
      const { cases: before, noticed } = await firstNoticed(gpu, own);
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

const variantsOf = (kernel: Kernel, { variants }: Broken): readonly string[] =>
  variants ?? [...new Set(kernel.variants.map(({ name }) => name))];

/** The variants that the adapter runs and whose text should have the phrase. */
export const expectedOutcomes = (gpu: Gpu, kernel: Kernel, mutation: Broken): string[] =>
  variantsOf(kernel, mutation).filter((variant) => gpuRuns(gpu, kernel, variant));

/** The first case that fails and how many do not before it, a few at a time: most mutations are noticed at once. */
async function firstNoticed(gpu: Gpu, cases: readonly KernelCase[]) {
  for (let first = 0; first < cases.length; first += CASES_AT_ONCE) {
    const findings = await checkKernelCases(gpu, cases.slice(first, first + CASES_AT_ONCE));
    const at = findings.findIndex(({ problem }) => problem !== undefined);
    if (at >= 0) return { cases: first + at, noticed: findings[at] };
  }
  return { cases: cases.length, noticed: undefined };
}

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

function firstChoice(gpu: Gpu, { kernel, params, applies }: KernelCase, variant: string): Choice | undefined {
  return kernel.choices(gpu, params).find((choice) => choice.variant === variant && (applies?.(choice) ?? true));
}

/** Whether the adapter can run the variant at all. */
function gpuRuns(gpu: Gpu, kernel: Kernel, name: string): boolean {
  const variant = kernel.variants.find((one) => one.name === name);
  // What runs on halves alone has no case here: test/kernels/halves.test.ts.
  if (variant === undefined || Array.isArray(variant.halves)) return false;
  return !(variant.subgroups && gpu.subgroupWidth === 0);
}
