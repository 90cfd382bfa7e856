/** Every kernel in every variant, by the families of src/check: their examples, and cases that fast-check makes small. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeKernelCase, drawKernelCases, type KernelCase } from '../../src/check/case.ts';
import { checkKernelCases, checkReferences } from '../../src/check/check-kernels.ts';
import { FOLDING } from '../../src/check/choose.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { choiceText } from '../../src/kernels/kernel.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random } from '../../src/random.ts';
import { choices, choicesOf } from '../support/choices.ts';
import { testRuns, testSeed, useGpu } from '../support/gpu.ts';

/** What is wrong, a line each. */
async function problemsOf(gpu: Gpu, cases: readonly KernelCase[]): Promise<string[]> {
  const findings = await checkKernelCases(gpu, cases);
  return [
    ...findings.flatMap(({ testCase, choice, problem }) =>
      problem === undefined ? [] : [`${describeKernelCase(testCase)} [${choiceText(choice)}] ${problem}`],
    ),
    ...(checkReferences(cases, testSeed)?.problems ?? []),
  ];
}

const gpu = useGpu();
// Rows that do not come out even, threads and workgroups beyond the last element.
const foldedGpu = useGpu({ limits: FOLDING });

describe.each(kernelFamilies.map((family) => ({ names: family.names.join(', '), family })))('$names', ({ family }) => {
  it(`computes its examples (seed ${testSeed})`, async () => {
    const cases = family.examples(new Random(testSeed));
    expect(new Set(cases.map(({ name }) => name))).toEqual(new Set(family.names));
    expect(await problemsOf(gpu(), cases)).toEqual([]);
    expect(await problemsOf(foldedGpu(), cases)).toEqual([]);
  });

  it('computes whatever case is drawn', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.nat(), fc.boolean(), async (list, seed, folded) => {
        const cases = family.draw(choicesOf(list), new Random(seed));
        expect(await problemsOf(folded ? foldedGpu() : gpu(), cases)).toEqual([]);
      }),
      { seed: testSeed, numRuns: 25 * testRuns },
    );
  });
});

it(`draws no case too large for the small limits (seed ${testSeed})`, () => {
  for (const family of kernelFamilies) {
    for (let seed = testSeed; seed < testSeed + 200; seed++) {
      for (const one of drawKernelCases(family, seed)) {
        const { kernel, params } = one;
        const sizes = kernel.variants.map((variant) => variant.workgroups(params, variant.configurations[0]));
        expect(Math.max(...sizes), `${describeKernelCase(one)}, seed ${seed}`).toBeLessThanOrEqual(15 ** 2);
      }
    }
  }
});

it('has a case of every kernel', () => {
  const random = new Random(testSeed);
  const checked = kernelFamilies.flatMap((family) => family.examples(random).map(({ kernel }) => kernel.name));
  expect(new Set(checked)).toEqual(new Set(allKernels.keys()));
});
