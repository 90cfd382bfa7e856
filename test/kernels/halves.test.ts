/** Every kernel that takes halves, in every variant, on halves: the same cases and references as of single precision. */
import { describe, expect, it } from 'vitest';
import { describeKernelCase, type KernelCase } from '../../src/check/case.ts';
import { checkKernelCases } from '../../src/check/check-kernels.ts';
import { drawing } from '../../src/check/choose.ts';
import { halfBits, halfValues, roundToHalf } from '../../src/check/half.ts';
import { halvesOf, inHalves } from '../../src/check/halves.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type Choice, choiceText } from '../../src/kernels/kernel.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random } from '../../src/random.ts';
import { testRuns, testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const DRAWS = 2 * testRuns;
/** Texts of each variant: drivers in software compile some for a second. */
const TEXTS = 2 * testRuns;

/** Draws what halves can hold, so that what a case makes of its values is made of what the device gets. */
class HalfRandom extends Random {
  override normal(): number {
    return roundToHalf(super.normal());
  }
}

/** Kernels, and their variants, that ran on halves. */
const checked = new Map<string, Set<string>>();

/** The configurations of each variant that run: the first, the last and some between, all cases together. */
function someTexts(device: Gpu, cases: readonly (KernelCase & { halves: ReadonlySet<string> })[]): Set<string> {
  const texts = new Map<string, Set<string>>();
  for (const { kernel, params, halves, applies } of cases) {
    for (const choice of kernel.choices(device, params, halves)) {
      if (!(applies?.(choice) ?? true)) continue;
      const key = `${kernel.name} ${choice.variant}`;
      texts.set(key, (texts.get(key) ?? new Set()).add(`${kernel.name} ${choiceText(choice)}`));
    }
  }
  return new Set(
    [...texts.values()].flatMap((all) => {
      const list = [...all];
      const at = (i: number) => list[Math.floor((i * (list.length - 1)) / Math.max(1, TEXTS - 1))];
      return list.length <= TEXTS ? list : Array.from({ length: TEXTS }, (_, i) => at(i));
    }),
  );
}

async function problemsOf(device: Gpu, cases: readonly KernelCase[]): Promise<string[]> {
  const rounded = cases.flatMap((one) => inHalves(one) ?? []);
  const texts = someTexts(device, rounded);
  const some = rounded.map((one) => ({
    ...one,
    applies: (choice: Choice) =>
      (one.applies?.(choice) ?? true) && texts.has(`${one.kernel.name} ${choiceText(choice)}`),
  }));
  const run = some.filter(({ kernel, params, halves, applies }) =>
    kernel.choices(device, params, halves).some(applies),
  );
  const findings = await checkKernelCases(device, run);
  for (const { testCase, choice } of findings) {
    const { name } = testCase.kernel;
    checked.set(name, (checked.get(name) ?? new Set()).add(choice.variant));
  }
  return findings.flatMap(({ testCase, choice, problem }) =>
    problem === undefined ? [] : [`${describeKernelCase(testCase)} [${choiceText(choice)}] ${problem}`],
  );
}

const families = kernelFamilies.filter((family) =>
  family.examples(new Random(1)).some((testCase) => halvesOf(testCase).size > 0),
);

describe.each(families.map((family) => ({ names: family.names.join(', '), family })))('$names', ({ family }) => {
  it(`computes on halves (seed ${testSeed})`, async () => {
    const drawn = Array.from({ length: DRAWS }, (_, i) => {
      const [choose] = drawing(testSeed + i);
      return family.draw(choose, new HalfRandom(testSeed + i));
    });
    const cases = [...family.examples(new HalfRandom(testSeed)), ...drawn.flat()];
    expect(await problemsOf(gpu(), cases)).toEqual([]);
  });
});

it('ran every kernel that takes halves, in every variant that this adapter has', () => {
  const taking = [...allKernels.values()].filter(({ bindings }) => Object.values(bindings).some(({ half }) => half));
  expect([...checked.keys()].sort()).toEqual(taking.map(({ name }) => name).sort());
  for (const { name, variants } of taking) {
    const able = variants.filter(({ halves }) => halves !== false).map((variant) => variant.name);
    expect([...checked.get(name)!].sort(), name).toEqual(able.sort());
  }
});

it('rounds on the host as the device does, to the bit', () => {
  const random = new Random(testSeed);
  // Between two halves, at both, and just beside the middle, in every binade and below the smallest normal half.
  for (let bits = 0; bits < 0x7c00; bits += 1 + random.integer(40)) {
    const [low, high] = halfValues(Uint16Array.of(bits, bits + 1));
    expect(halfBits([low])[0]).toBe(bits);
    if (!Number.isFinite(high)) continue;
    const middle = (low + high) / 2;
    expect(roundToHalf(middle)).toBe(bits % 2 === 0 ? low : high);
    expect(roundToHalf(middle - (high - low) / 64)).toBe(low);
    expect(roundToHalf(-middle - (high - low) / 64)).toBe(-high);
  }
  expect(roundToHalf(65519.9)).toBe(65504);
  expect(roundToHalf(65520)).toBe(Number.POSITIVE_INFINITY);
  expect(Array.from(halfBits([-0, Number.NEGATIVE_INFINITY, Number.NaN]))).toEqual([0x8000, 0xfc00, 0x7e00]);
});
