/** The check of kernels names what is wrong, and its seed repeats that case alone. */
import { expect, it } from 'vitest';
import type { KernelFamily } from '../../src/check/case.ts';
import { reluFamily } from '../../src/check/cases/elementwise.ts';
import { lrnFamily } from '../../src/check/cases/lrn.ts';
import { kernelRows } from '../../src/check/kernel-rows.ts';
import { mutateKernel } from '../../src/check/mutate.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

/** The family, its kernels broken. */
const broken = (family: KernelFamily, find: string | RegExp, replace: string): KernelFamily => ({
  ...family,
  draw: (...drawing) =>
    family
      .draw(...drawing)
      .map((one) => ({ ...one, kernel: mutateKernel(one.kernel, { name: 'broken', find, replace }) })),
});

it('adds up cases, configurations and errors of each variant', async () => {
  const rows = await kernelRows(gpu, lrnFamily, { names: ['lrn/forward'], seed: testSeed, count: 20 });
  expect(rows.map(({ name, variant }) => `${name} ${variant}`)).toEqual([
    'lrn/forward plain',
    'lrn/forward sliding',
    'lrn/forward segments',
  ]);
  expect(rows[0]).toMatchObject({ configurations: 1, cases: 20, notRun: [], failures: [] });
  expect(rows[1].configurations).toBeGreaterThan(1);
  for (const { error, units } of rows) {
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(units);
  }
});

it('repeats a failure by its seed, with the same numbers', async () => {
  // Wrong for even sizes alone, so that only some of the draws fail.
  const family = broken(lrnFamily, 'max(channel, ahead) - ahead', 'max(channel, behind) - behind');
  const names = ['lrn/backward'];
  const [row] = await kernelRows(gpu, family, { names, seed: testSeed, count: 24 });
  expect(row.variant).toBe('plain');
  expect(row.failures.length).toBeGreaterThan(0);
  expect(row.failures.length).toBeLessThan(24);
  const [first] = row.failures;
  expect(first.case).toMatch(/^lrn\/backward \[\d+,\d+,\d+\] size (2|4|6|8|12|\d*[02468]) .*\[plain\]$/);
  expect(first.problem).toMatch(/^dx: \d+ of \d+ values are off; the worst at \d+: got .*, expected .* units where/);
  const [again] = await kernelRows(gpu, family, { names, seed: first.seed, count: 1 });
  // Of a seed's cases, with and without a map before, others may fail too.
  expect(again.failures).toContainEqual(first);
});

it('finds writes outside a view and bits that differ between runs', async () => {
  const names = ['relu/forward'];
  const before = broken(reluFamily, 'y[p.y_base + index]', 'y[p.y_base + index - 1u]');
  const [damaged] = await kernelRows(gpu, before, { names, seed: testSeed, count: 2 });
  expect(damaged.failures[0].problem).toMatch(/wrote outside y/);

  let runs = 0;
  const changing: KernelFamily = {
    ...reluFamily,
    draw: (...drawing) =>
      reluFamily.draw(...drawing).map((one) => ({
        ...one,
        kernel: {
          ...one.kernel,
          // What is negative becomes 0 in one run and -0, an equal number, in the other.
          dispatch(...given): KernelDispatch {
            const dispatch = one.kernel.dispatch(...given);
            const zero = runs++ % 2 === 0 ? '0.0' : 'bitcast<f32>(0x80000000u)';
            return { ...dispatch, source: dispatch.source.replace('select(value, 0.0,', `select(value, ${zero},`) };
          },
        },
      })),
  };
  const [differing] = await kernelRows(gpu, changing, { names, seed: testSeed, count: 1 });
  expect(differing.failures[0].problem).toBe('y: two runs differ in their bits');
});

it('does not pass a reference that leaves an output out, or one without any slope', async () => {
  const unheld: KernelFamily = {
    ...reluFamily,
    draw: (...drawing) => reluFamily.draw(...drawing).map((one) => ({ ...one, reference: () => ({}) })),
  };
  const [forward] = await kernelRows(gpu, unheld, { names: ['relu/forward'], seed: testSeed, count: 1 });
  expect(forward.failures[0].problem).toBe('y: no reference');

  const derivativeOf = (forward: (x: Float64Array) => ArrayLike<number>): KernelFamily => ({
    ...reluFamily,
    draw: (...drawing) =>
      reluFamily
        .draw(...drawing)
        .map((one) => ({ ...one, derivative: one.derivative && { ...one.derivative, forward } })),
  });
  const unchecked = /the float64 reference cannot be checked: none of 2 directions has a slope/;
  const random = new Random(testSeed);
  for (const [forward, refusal] of [
    [(x: Float64Array) => x.fill(Number.NaN), unchecked],
    // By chance its differences agree in one of many directions, and then with no derivative.
    [
      (x: Float64Array) => x.map(() => random.uniform()),
      new RegExp(`${unchecked.source}|is no derivative of its forward`),
    ],
  ] as const) {
    const names = ['relu/backward'];
    const [row] = await kernelRows(gpu, derivativeOf(forward), { names, seed: testSeed, count: 20 });
    expect(row.failures.length).toBeGreaterThan(0);
    for (const { problem } of row.failures) expect(problem).toMatch(refusal);
  }
});

it('names the variants that no case ran in', async () => {
  // As on an adapter of few threads a workgroup.
  const lacking: KernelFamily = {
    ...lrnFamily,
    draw: (...drawing) =>
      lrnFamily.draw(...drawing).map((one) => ({ ...one, applies: ({ variant }) => variant === 'plain' })),
  };
  const [row, ...others] = await kernelRows(gpu, lacking, { names: ['lrn/forward'], seed: testSeed, count: 3 });
  // Draws may have no window that there are segments for.
  expect(row).toMatchObject({ variant: 'plain', notRun: expect.arrayContaining(['sliding']) });
  expect(others).toEqual([]);
});
