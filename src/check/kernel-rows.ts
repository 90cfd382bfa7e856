/** The check of kernels over many seeds, added up: a row for each kernel and variant. */
import type { Gpu } from '../gpu/device.ts';
import { choiceText } from '../kernels/kernel.ts';
import { describeKernelCase, drawKernelCases, type KernelCase, type KernelFamily } from './case.ts';
import { type CaseFinding, checkKernelCases, checkReferences } from './check-kernels.ts';

export interface KernelFailure {
  readonly seed: number;
  /** shapes and options, and the variant and configuration where one is at fault */
  readonly case: string;
  readonly problem: string;
}

export interface KernelRow {
  readonly name: string;
  readonly variant: string;
  /** configurations of the variant that some case ran in */
  readonly configurations: number;
  readonly cases: number;
  /** the result nearest to what is allowed: its error and what is allowed, in units (expected.ts) */
  readonly error: number;
  readonly units: number;
  /** float64 differences against the reference, on the row of the first variant of a derivative */
  readonly reference?: { readonly error: number; readonly directions: number; readonly kinks: number };
  /**
   * on the row of a kernel's first variant: its variants that no case ran in, as the adapter lacks what they need or no
   * shape was drawn that they compute
   */
  readonly notRun?: readonly string[];
  readonly failures: readonly KernelFailure[];
}

export interface KernelRowsOptions {
  /** names of the family's cases to check */
  readonly names: readonly string[];
  /** of the first draw; the next ones count up */
  readonly seed: number;
  readonly count: number;
  readonly signal?: AbortSignal;
}

/** Draws whose cases run in one submission or few. */
const TOGETHER = 128;

/** Checks `count` draws of a family. @param deviceOf the device on which a seed's cases run */
export async function kernelRows(
  deviceOf: (seed: number) => Gpu,
  family: KernelFamily,
  { names, seed: first, count, signal }: KernelRowsOptions,
): Promise<KernelRow[]> {
  const tallies = new Map<string, Tally>();
  const variants = new Map<string, readonly string[]>();
  const references = new Map<string, { error: number; directions: number; kinks: number; failures: KernelFailure[] }>();
  for (let start = 0; start < count && !signal?.aborted; start += TOGETHER) {
    const seedOf = new Map<KernelCase, number>();
    for (let seed = first + start; seed < first + Math.min(start + TOGETHER, count); seed++) {
      for (const one of drawKernelCases(family, seed)) if (names.includes(one.name)) seedOf.set(one, seed);
    }
    for (const device of new Set([...seedOf.values()].map(deviceOf))) {
      const own = [...seedOf].filter(([, seed]) => deviceOf(seed) === device).map(([one]) => one);
      for (const finding of await checkKernelCases(device, own, signal)) {
        const key = `${finding.testCase.name} ${finding.choice.variant}`;
        const tally = tallies.get(key) ?? new Tally(finding);
        tallies.set(key, tally);
        tally.add(finding, seedOf.get(finding.testCase)!);
        const { name, kernel } = finding.testCase;
        variants.set(
          name,
          kernel.variants.map((variant) => variant.name),
        );
      }
    }
    for (const [one, seed] of seedOf) {
      const checked = checkReferences([one], seed);
      if (checked === undefined) continue;
      const sum = references.get(one.name) ?? { error: 0, directions: 0, kinks: 0, failures: [] };
      references.set(one.name, sum);
      sum.error = Math.max(sum.error, checked.finding.error);
      sum.directions += checked.finding.directions;
      sum.kinks += checked.finding.kinks;
      sum.failures.push(...checked.problems.map((problem) => ({ seed, case: describeKernelCase(one), problem })));
    }
  }
  const rows = [...tallies.values()].map((tally) => tally.row());
  return rows
    .sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
    .map((row, i) => {
      if (rows.findIndex(({ name }) => name === row.name) !== i) return row;
      const run = rows.filter(({ name }) => name === row.name).map(({ variant }) => variant);
      const first = { ...row, notRun: variants.get(row.name)!.filter((variant) => !run.includes(variant)) };
      const reference = references.get(row.name);
      if (reference === undefined) return first;
      const { failures, ...numbers } = reference;
      return { ...first, reference: numbers, failures: [...row.failures, ...failures] };
    });
}

class Tally {
  private readonly name: string;
  private readonly variant: string;
  private readonly configurations = new Set<string>();
  private readonly cases = new Set<KernelCase>();
  private readonly failures: KernelFailure[] = [];
  private worst = { error: 0, units: 0, share: -1 };

  constructor({ testCase, choice }: CaseFinding) {
    this.name = testCase.name;
    this.variant = choice.variant;
  }

  add({ testCase, choice, error, units, problem }: CaseFinding, seed: number): void {
    this.configurations.add(choiceText(choice));
    this.cases.add(testCase);
    const share = error === 0 ? 0 : error / units;
    if (share > this.worst.share) this.worst = { error, units, share };
    if (problem === undefined) return;
    this.failures.push({ seed, case: `${describeKernelCase(testCase)} [${choiceText(choice)}]`, problem });
  }

  row(): KernelRow {
    const { error, units } = this.worst;
    return {
      name: this.name,
      variant: this.variant,
      configurations: this.configurations.size,
      cases: this.cases.size,
      error,
      units,
      failures: this.failures,
    };
  }
}
