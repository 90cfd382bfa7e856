/** The sums by which the host checks kernels of a network's size, against the references of small cases. */
import { describe, expect, it } from 'vitest';
import { hostSum } from '../../src/bench/host-sums.ts';
import { drawKernelCases } from '../../src/check/case.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { Random } from '../../src/random.ts';
import { testSeed } from '../support/gpu.ts';

const kernels = ['contraction', 'conv2d/direct', 'conv2d/direct-filter-gradient'];

describe.each(kernels)('%s', (name) => {
  const cases = kernelFamilies
    .flatMap((family) => Array.from({ length: 60 }, (_, i) => drawKernelCases(family, testSeed + i)).flat())
    .filter(
      ({ kernel, inputs }) => kernel.name === name && Object.values(inputs).every((v) => v.every(Number.isFinite)),
    );

  it(`holds what the reference does (seed ${testSeed})`, () => {
    const random = new Random(testSeed);
    for (const { description, params, inputs, outputs, reference } of cases) {
      const sum = hostSum(name, params)!;
      const start = outputs[sum.output];
      const written = typeof start === 'number' ? new Float32Array(start) : start;
      const operands = { ...inputs, [sum.output]: written } as Record<string, Float32Array>;
      const { values, magnitudes } = reference()[sum.output];
      for (let i = 0; i < 20; i++) {
        const { place, value } = sum.at(
          sum.extents.map((count) => random.integer(count)),
          operands,
        );
        const error = Math.abs(value - values[place]);
        expect(error, `${description} at ${place}`).toBeLessThanOrEqual(1e-12 * (magnitudes?.[place] ?? 1) + 1e-37);
      }
    }
  });

  it('has looked at every ReLU, and at parts', () => {
    const seen = (key: string) => [...new Set(cases.map(({ params }) => params[key]))].sort();
    expect(cases.length).toBeGreaterThan(50);
    if (name !== 'conv2d/direct-filter-gradient') expect(seen('relu')).toEqual([0, 1, 2]);
    if (name === 'contraction') expect(seen('parts')).toEqual([1, 2, 3]);
  });
});
