/**
 * The mutation check: a kernel is broken on purpose in its final WGSL, and the same case objects that check the whole
 * one must notice, in every variant. What they do not notice they do not check.
 */
import {
  checkArguments,
  type Expectation,
  FUNCTION,
  listOf,
  OBJECT,
  orNothing,
  TEXT,
  withMembers,
} from '../arguments.ts';
import { FrostlineError } from '../errors.ts';
import { GPU } from '../gpu/argument.ts';
import type { Gpu } from '../gpu/device.ts';
import { type Choice, choiceText, type Kernel } from '../kernels/kernel.ts';
import { type Broken, broken, parameter } from './broken.ts';
import { CASES, describeKernelCase, type KernelCase } from './case.ts';
import { checkKernelCases } from './check-kernels.ts';

/** What became of a mutation in one variant of its kernel. */
export interface MutationOutcome {
  /** the kernel's name */
  readonly kernel: string;
  /** the mutation's name */
  readonly mutation: string;
  readonly variant: string;
  /** the first case that noticed; undefined where the mutation survives */
  readonly caughtBy: string | undefined;
  /** what was wrong in that case */
  readonly problem: string | undefined;
  /** cases that ran the broken text before and noticed nothing; 0 where it survives: no case reaches this variant */
  readonly cases: number;
}

const MUTATION = withMembers('', {
  name: TEXT.is,
  // Of a pattern without g the first place alone would be replaced, wherever else it stands.
  find: (find) => (typeof find === 'string' && find !== '') || (find instanceof RegExp && find.global),
  replace: TEXT.is,
  variants: orNothing(listOf(TEXT, '')).is,
});
const MUTATION_WORDS = '{ name, find, replace }: `find` a text, or a pattern with the flag g, such as /0\\.5 \\* /g';
const MUTATIONS: Expectation = {
  is: (value) => OBJECT.is(value) && Object.values(value as object).every(listOf(MUTATION, '').is),
  words: `lists of mutations by their kernels' names, each mutation ${MUTATION_WORDS}`,
};
const KERNEL = withMembers('a kernel, of defineKernel', {
  name: TEXT.is,
  bindings: OBJECT.is,
  variants: Array.isArray,
  dispatch: FUNCTION.is,
});

/** Cases that run at once: most mutations are noticed by the first ones. */
const CASES_AT_ONCE = 6;

/** The text with the phrase replaced; undefined where it does not occur. */
export function mutateText(text: string, { name, find, replace }: Broken): string | undefined {
  if (typeof find === 'string') {
    const parts = text.split(find);
    if (parts.length > 2) {
      throw new FrostlineError(
        `mutation '${name}': '${find}' stands ${parts.length - 1} times. Give a longer phrase, which stands once, or a ` +
          `pattern with the flag g, of which all places are replaced, in\n${text}`,
      );
    }
    return parts.length === 2 ? parts.join(replace) : undefined;
  }
  const changed = text.replace(find, replace);
  return changed === text ? undefined : changed;
}

/**
 * The kernel with a phrase replaced in every final text that has it: for a test of one's own that must fail on it.
 * Texts without the phrase run as they are. `checkMutations` does the whole of it.
 *
 * @throws FrostlineError where a dispatch meets the phrase, given as a text, more than once
 * @example
 * const wrong = mutateKernel(halve, { name: 'the factor', find: '0.5 * ', replace: '0.25 * ' });
 */
export function mutateKernel(kernel: Kernel, mutation: Broken): Kernel {
  checkArguments('mutateKernel', {
    kernel: [kernel, KERNEL],
    mutation: [mutation, { ...MUTATION, words: MUTATION_WORDS }],
  });
  return {
    ...kernel,
    dispatch(...given) {
      const dispatch = kernel.dispatch(...given);
      return { ...dispatch, source: mutateText(dispatch.source, mutation) ?? dispatch.source };
    },
  };
}

/**
 * Mutations that any kernel must not survive: each view's offset left out, and the last thread of the first variant left
 * idle, where it begins with the guard of `perElement`.
 */
export function generalMutations(kernel: Kernel): Broken[] {
  checkArguments('generalMutations', { kernel: [kernel, KERNEL] });
  const offsets = Object.keys(kernel.bindings).map((name) =>
    parameter(`offset of the view ${name} left out`, `${name}_base`, '0u'),
  );
  const [first] = kernel.variants;
  const guarded = /if \(index >= (.*)\) \{ return; \}/g;
  return [...offsets, broken('the last thread idle', guarded, 'if (index + 1u >= $1) { return; }', first.name)];
}

/** The variants that a mutation is looked for in. */
export const variantsOf = (kernel: Kernel, { variants }: Broken): readonly string[] =>
  variants ?? [...new Set(kernel.variants.map(({ name }) => name))];

function firstChoice(gpu: Gpu, { kernel, params, applies, halves }: KernelCase, variant: string): Choice | undefined {
  return kernel
    .choices(gpu, params, halves)
    .find((choice) => choice.variant === variant && (applies?.(choice) ?? true));
}

/** What some cases make of a mutation in one variant. */
export interface Trial {
  /** whether the text of any case has the phrase */
  readonly reached: boolean;
  /** cases that did not notice, before the one that does */
  readonly cases: number;
  readonly noticed: { readonly testCase: KernelCase; readonly problem: string | undefined } | undefined;
}

/**
 * Runs cases of a kernel with a mutation until one is noticed, a few at a time. One configuration of the variant: the first
 * that computes the case.
 */
export async function tryCases(
  gpu: Gpu,
  { kernel, mutation, variant }: { readonly kernel: Kernel; readonly mutation: Broken; readonly variant: string },
  cases: readonly KernelCase[],
): Promise<Trial> {
  const mutated = mutateKernel(kernel, mutation);
  const own = cases.flatMap((one) => {
    if (one.kernel !== kernel) return [];
    const choice = firstChoice(gpu, one, variant);
    if (choice === undefined) return [];
    if (mutateText(kernel.source(choice, one.epilogues, one.halves), mutation) === undefined) return [];
    const applies = (other: Choice) => choiceText(other) === choiceText(choice);
    return [{ ...one, kernel: mutated, applies }];
  });
  const reached = own.length > 0;
  for (let first = 0; first < own.length; first += CASES_AT_ONCE) {
    const findings = await checkKernelCases(gpu, own.slice(first, first + CASES_AT_ONCE));
    const at = findings.findIndex(({ problem }) => problem !== undefined);
    if (at >= 0) return { reached, cases: first + at, noticed: findings[at] };
  }
  return { reached, cases: own.length, noticed: undefined };
}

/** Whose every text, of the configurations that this adapter runs or not, lacks the phrase. */
function holdsPhrase(kernel: Kernel, mutation: Broken, variant: string, cases: readonly KernelCase[]): boolean {
  const choices = kernel.variants
    .filter(({ name }) => name === variant)
    .flatMap(({ configurations }) => configurations.map((configuration) => ({ variant, configuration })));
  const own = cases.filter((one) => one.kernel === kernel);
  return choices.some((choice) =>
    own.some(({ epilogues, halves }) => mutateText(kernel.source(choice, epilogues, halves), mutation) !== undefined),
  );
}

/** Each with its reference computed once. */
const remembering = (cases: readonly KernelCase[]): KernelCase[] =>
  cases.map((one) => {
    let expected: ReturnType<KernelCase['reference']> | undefined;
    return { ...one, reference: (halves) => (expected ??= one.reference(halves)) };
  });

/**
 * Breaks kernels on purpose, one phrase of the final WGSL at a time, and runs the cases that check them: each mutation must
 * be noticed in every variant that has the phrase. Beside those given, each kernel's `generalMutations` are tried where
 * their phrases stand. A mutation with an `adapter` is tried on an adapter of that name or kind alone.
 *
 * @param cases what checks the kernels, examples first: they run in this order until one notices
 * @param mutations by the kernels' names; an empty list tries the general ones alone
 * @returns one outcome a mutation and variant; what has no `caughtBy` survives: a case is missing, or the phrase does nothing
 * @throws FrostlineError where the kernel fails a case before anything is broken, where no case runs the kernel, where a
 * phrase stands nowhere or, as a text, more than once, and where a broken text does not compile
 * @example
 * const outcomes = await checkMutations(gpu, drawKernelCases(family, 1), {
 *   'halve/forward': [{ name: 'the factor', find: '0.5 * ', replace: '0.25 * ' }],
 * });
 * const survivors = outcomes.filter(({ caughtBy }) => caughtBy === undefined);
 */
export async function checkMutations(
  gpu: Gpu,
  cases: readonly KernelCase[],
  mutations: Readonly<Record<string, readonly Broken[]>>,
): Promise<MutationOutcome[]> {
  checkArguments('checkMutations', { gpu: [gpu, GPU], cases: [cases, CASES], mutations: [mutations, MUTATIONS] });
  const known = remembering(cases);
  const subjects = Object.entries(mutations).map(([name, given]) => {
    const kernel = known.find((one) => one.kernel.name === name)?.kernel;
    if (kernel !== undefined) return { kernel, given };
    const names = [...new Set(known.map((one) => one.kernel.name))].join(', ');
    throw new FrostlineError(`checkMutations: no case runs '${name}'. There are cases of ${names || 'nothing'}.`);
  });
  const kernels = new Set(subjects.map(({ kernel }) => kernel));
  const whole = await checkKernelCases(
    gpu,
    known.filter(({ kernel }) => kernels.has(kernel)),
  );
  const failing = whole.find(({ problem }) => problem !== undefined);
  if (failing !== undefined) {
    throw new FrostlineError(
      `checkMutations: before anything is broken, ${describeKernelCase(failing.testCase)} fails in ` +
        `${choiceText(failing.choice)}: ${failing.problem}. Mend the kernel or the case first.`,
    );
  }
  const outcomes: MutationOutcome[] = [];
  for (const { kernel, given } of subjects) {
    for (const mutation of given) outcomes.push(...(await outcomesOf(gpu, kernel, mutation, known, true)));
    for (const mutation of generalMutations(kernel)) {
      outcomes.push(...(await outcomesOf(gpu, kernel, mutation, known, false)));
    }
  }
  return outcomes;
}

/** @param wanted the author's own: its phrase must stand somewhere */
async function outcomesOf(
  gpu: Gpu,
  kernel: Kernel,
  mutation: Broken,
  cases: readonly KernelCase[],
  wanted: boolean,
): Promise<MutationOutcome[]> {
  const { name, find, adapter, variants } = mutation;
  if (adapter !== undefined && adapter !== gpu.kind && adapter !== gpu.name) return [];
  const there = [...new Set(kernel.variants.map((variant) => variant.name))];
  const strange = variants?.find((variant) => !there.includes(variant));
  if (strange !== undefined) {
    throw new FrostlineError(
      `mutation '${name}': ${kernel.name} has no variant '${strange}'. There are ${there.join(', ')}.`,
    );
  }
  const holding = variantsOf(kernel, mutation).filter((variant) => holdsPhrase(kernel, mutation, variant, cases));
  const without = variants?.find((variant) => !holding.includes(variant)) ?? (holding.length === 0 ? 'any' : undefined);
  if (wanted && without !== undefined) {
    throw new FrostlineError(
      `mutation '${name}': ${find} stands in no text of ${kernel.name}${without === 'any' ? '' : `'s ${without}`}. ` +
        'Give a phrase of the final WGSL: `kernel.source(choice)` gives it.',
    );
  }
  const outcomes: MutationOutcome[] = [];
  for (const variant of holding) {
    const { cases: before, noticed } = await compiling(name, tryCases(gpu, { kernel, mutation, variant }, cases));
    outcomes.push({
      kernel: kernel.name,
      mutation: name,
      variant,
      caughtBy: noticed && describeKernelCase(noticed.testCase),
      problem: noticed?.problem,
      cases: before,
    });
  }
  return outcomes;
}

/** What does not compile checks nothing. */
async function compiling<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new FrostlineError(`mutation '${name}': ${(error as Error).message}\nGive one that compiles.`);
  }
}
