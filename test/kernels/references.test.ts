/** The float64 references: their derivatives against differences, and by hand. */
import { describe, expect, it } from 'vitest';
import { drawKernelCases } from '../../src/check/case.ts';
import { checkDerivative, DERIVATIVE_TOLERANCE } from '../../src/check/derivative.ts';
import * as lrn from '../../src/check/reference/lrn.ts';
import * as pooling from '../../src/check/reference/pooling.ts';
import { kernelFamilies } from '../../src/operators/all.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';

describe(`derivatives of the references (seed ${testSeed})`, () => {
  const seeds = Array.from({ length: 20 }, (_, i) => testSeed + i);
  const claims = kernelFamilies.flatMap((family) =>
    seeds.flatMap((seed) => drawKernelCases(family, seed).filter(({ derivative }) => derivative !== undefined)),
  );
  const names = [...new Set(claims.map(({ name }) => name))].sort();

  it('are claimed by every kernel that computes a derivative', () => {
    // Of the operators that have moved: the next test.
    expect(names).toEqual(
      expect.arrayContaining([
        'affine/backward',
        'avgpool/backward',
        'bias/gradient',
        'binary/broadcast-gradient',
        'clip/backward',
        'conv2d/filter-gradient',
        'conv2d/input-gradient',
        'conv2d/phases-backward',
        'conv2d/direct',
        'conv2d/direct-filter-gradient',
        'dropout/backward',
        'linear/backward',
        'linear/input-gradient',
        'linear/update',
        'log-softmax/backward',
        'lrn/backward',
        'maxpool/backward',
        'pad/backward',
        'relu/backward',
        'softmax-loss/gradient',
        'softmax/backward',
      ]),
    );
  });

  it('are claimed wherever a name says so', () => {
    const named = kernelFamilies.flatMap((family) => family.names).filter((name) => /backward|gradient/.test(name));
    // Winograd's are linear maps of the gradient, no derivatives; winograd.test.ts puts them together.
    expect(named.filter((name) => !names.includes(name) && !name.startsWith('conv2d/winograd-'))).toEqual([]);
  });

  it('are those that the kernels are held to', () => {
    // These two are held to weights after an update by the gradient.
    const updates = ['linear/update', 'linear/backward'];
    for (const { name, description, derivative, outputs, reference } of claims) {
      if (updates.includes(name)) continue;
      const gradient = derivative!.gradient();
      const found = Object.entries(reference()).map(([output, { values }]) => {
        // What is accumulated begins at other values.
        const start = outputs[output];
        return Array.from(values, (value, i) => value - (typeof start === 'number' ? 0 : start[i]));
      });
      const sorted = (values: ArrayLike<number>) => Float64Array.from(values).sort();
      const off = found.map((values) => {
        if (values.length !== gradient.length) return Number.POSITIVE_INFINITY;
        // Softmax's lie row by row in the claim; in single precision where the kernel reads values, not their source.
        const [claimed, held] = [sorted(gradient), sorted(values)];
        return held.reduce((most, value, i) => Math.max(most, Math.abs(value - claimed[i])), 0);
      });
      const size = Math.max(1, ...Array.from(gradient, Math.abs));
      expect(Math.min(...off) / size, `${name} ${description}`).toBeLessThan(1e-5);
    }
  });

  it.each(names)('%s is what differences of its forward show', (name) => {
    for (const { derivative, description } of claims.filter((claim) => claim.name === name)) {
      const { error, kinks, directions } = checkDerivative(derivative!, new Random(testSeed));
      expect(kinks, description).toBeLessThan(directions);
      expect(error, description).toBeLessThan(DERIVATIVE_TOLERANCE);
    }
  });
});

describe('differences in float64', () => {
  const [at, upstream] = [
    [0.3, -1.2, 2],
    [1, -0.5, 2],
  ];
  const square = (x: Float64Array) => x.map((value) => value * value);

  it('find a derivative that is 0.01 % off in one element', () => {
    const claim = (factor: number) => ({
      at,
      upstream,
      forward: square,
      gradient: () => at.map((value, i) => 2 * value * upstream[i] * (i === 1 ? factor : 1)),
    });
    expect(checkDerivative(claim(1), new Random(1)).error).toBeLessThan(1e-9);
    expect(checkDerivative(claim(1.0001), new Random(1)).error).toBeGreaterThan(DERIVATIVE_TOLERANCE);
  });

  it('report a kink and do not judge there', () => {
    const forward = (x: Float64Array) => x.map(Math.abs);
    const claim = { at: [0, 0], upstream: [1, 1], forward, gradient: () => [1, 1] };
    expect(checkDerivative(claim, new Random(1))).toEqual({ error: 0, kinks: 2, directions: 2 });
  });
});

describe('references by hand', () => {
  it('average pooling, ceil mode: padding may count, what hangs over never does', () => {
    // 1-D, 4 values, kernel 3, stride 2, one value of padding before: windows [pad 1 2] [2 3 4] [4 - -].
    const p = {
      batch: 1,
      channels: 1,
      height: 1,
      width: 4,
      kernel: [1, 3],
      strides: [1, 2],
      pads: [0, 1, 0, 0],
      dilations: [1, 1],
      output: [1, 3],
    } as const;
    expectClose(pooling.averagePool(p, [1, 2, 3, 4], true), [3 / 3, 9 / 3, 4 / 1]);
    expectClose(pooling.averagePool(p, [1, 2, 3, 4], false), [3 / 2, 9 / 3, 4 / 1]);
  });

  it('lrn of an even size looks one further ahead', () => {
    // size 2: the window of c is { c, c + 1 }; 1 + 2/2 (squares), beta 1.
    const p = { batch: 1, channels: 3, plane: 1, size: 2, alpha: 2, beta: 1, bias: 1 };
    expectClose(lrn.lrn(p, [1, 2, 3]), [1 / 6, 2 / 14, 3 / 10]);
  });
});
