/**
 * Cases of kernels on bindings that store halves. A case becomes one by rounding, where its values lie, all that goes into
 * such a binding: reference and device then have the same numbers, and the kernel computes in f32 as ever. What is written as
 * halves may be off by one rounding more:
 *
 *   |stored - v| <= e + 2^-11 (|v| + e) + 2^-14,   e what single precision allows (expected.ts)
 *
 * where 2^-14 stands for halves below the smallest normal one, which WGSL permits to take for 0. What is copied or chosen
 * among halves is exact.
 */
import { describeKernelCase, type KernelCase } from './case.ts';
import type { Expected } from './expected.ts';
import { HALF_UNIT, LARGEST_HALF, roundToHalf, SMALLEST_NORMAL_HALF } from './half.ts';
import { SMALLEST_NORMAL } from './values.ts';

/** The bindings of a kernel that may store halves. */
export const halvesOf = ({ kernel }: Pick<KernelCase, 'kernel'>): ReadonlySet<string> =>
  new Set(Object.keys(kernel.bindings).filter((name) => kernel.bindings[name].half));

/**
 * The case with halves wherever its kernel takes them; nothing where it takes none, or where a number is too large for a
 * half. Changes the case's own arrays.
 */
export function inHalves(testCase: KernelCase): (KernelCase & { readonly halves: ReadonlySet<string> }) | undefined {
  const halves = halvesOf(testCase);
  const tooLarge = (value: number) => Number.isFinite(value) && Math.abs(value) > LARGEST_HALF;
  if (halves.size === 0) return undefined;
  for (const [name, contents] of Object.entries({ ...testCase.inputs, ...testCase.outputs })) {
    if (!halves.has(name) || typeof contents === 'number') continue;
    if (contents.some(tooLarge)) return undefined;
    for (let i = 0; i < contents.length; i++) contents[i] = roundToHalf(contents[i]);
  }
  const expected = testCase.reference(halves);
  for (const [name, { values }] of Object.entries(expected)) {
    if (halves.has(name) && Array.prototype.some.call(values, tooLarge)) return undefined;
  }
  return {
    ...testCase,
    halves,
    reference: () =>
      Object.fromEntries(
        Object.entries(expected).map(([name, want]) => [name, halves.has(name) ? asHalves(testCase, want) : want]),
      ),
  };
}

function asHalves(testCase: KernelCase, { values, units, magnitudes, flushed }: Expected): Expected {
  if (units === 0) return { values: Array.from(values, roundToHalf), units, flushed: smallest(values.length) };
  if (magnitudes !== undefined && magnitudes.length !== values.length) {
    throw new Error(`${describeKernelCase(testCase)}: ${magnitudes.length} magnitudes of ${values.length} values`);
  }
  const bounds = Array.from(values, (value, i) => {
    const own = units * 2 ** -24 * (magnitudes?.[i] ?? Math.abs(value));
    return own + HALF_UNIT * (Math.abs(value) + own);
  });
  return {
    values,
    // In the unit of expected.ts.
    magnitudes: bounds.map((bound) => bound * 2 ** 24),
    units: 1,
    flushed: smallest(values.length).map((least, i) => least + (flushed?.[i] ?? SMALLEST_NORMAL)),
  };
}

const smallest = (count: number) => new Array<number>(count).fill(SMALLEST_NORMAL_HALF);
