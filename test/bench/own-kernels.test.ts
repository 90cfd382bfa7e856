/** Tuning and timing of anybody's kernels by their cases. Nothing here passes or fails by the clock. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  allKernels,
  defineKernel,
  Gpu,
  type KernelCase,
  perElement,
  timeKernels,
  tuneKernel,
  type Variant,
} from '../../src/index.ts';

const params = { count: 'u32', factor: 'f32' } as const;

/** y = factor x + 1 by variants of these results; the estimate prefers the last. */
function scaling(name: string, results: Readonly<Record<string, string>>) {
  const variants = Object.entries(results).map(
    ([variant, expression], rank): Variant<typeof params> => ({
      ...perElement<typeof params>((p) => p.count, 'p.count', `  y[p.y_base + index] = ${expression};`),
      name: variant,
      estimate: () => 100 - rank,
    }),
  );
  return defineKernel({
    name,
    params,
    bindings: { x: { access: 'read' }, y: { access: 'write' } },
    cost: ({ count }) => ({ flops: 2 * count, bytes: 8 * count }),
    variants: variants as [Variant<typeof params>],
  });
}
const RIGHT = 'p.factor * x[p.x_base + index] + 1.0';
const FUSED = 'fma(p.factor, x[p.x_base + index], 1.0)';

function caseOf(kernel: KernelCase['kernel'], count = 1000, more: Partial<KernelCase> = {}): KernelCase {
  const x = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  return {
    name: kernel.name,
    description: `n=${count}`,
    kernel,
    params: { count, factor: 3 },
    inputs: { x },
    outputs: { y: count },
    reference: () => ({
      y: { values: Float64Array.from(x, (v) => 3 * v + 1), magnitudes: x.map((v) => Math.abs(3 * v) + 1), units: 3 },
    }),
    ...more,
  };
}
const only =
  (...names: string[]) =>
  ({ variant }: { readonly variant: string }) =>
    names.includes(variant);

const opened: Gpu[] = [];
let folder: string;
const open = async (tuning = true) => {
  const gpu = await Gpu.open({ tuning });
  opened.push(gpu);
  return gpu;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'frostline-tune-'));
  vi.stubEnv('FROSTLINE_CACHE', folder);
});
afterEach(() => {
  for (const gpu of opened.splice(0)) {
    gpu.check();
    gpu.destroy();
  }
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const seconds = 0.001;

describe('tuneKernel', () => {
  it('never chooses what is wrong, though the estimate does, and later processes take the choice', async () => {
    const kernel = scaling('own/scale', { plain: RIGHT, fused: FUSED, wrong: `${RIGHT} + 0.01` });
    const gpu = await open();
    const testCase = caseOf(kernel);
    expect(kernel.best(gpu, testCase.params as never).variant).toBe('wrong');
    const tuned = await tuneKernel(gpu, testCase, { seconds });
    expect(['plain', 'fused']).toContain(tuned.choice.variant);
    expect(tuned).toMatchObject({ shape: 'count 1000', recorded: true });
    const byName = new Map(tuned.measurements.map((one) => [one.variant, one]));
    expect([...byName.keys()].sort()).toEqual(['fused', 'plain', 'wrong']);
    // 0.01 beside bounds of 3 units of 2^-24.
    expect(byName.get('wrong')!.wrong).toBeGreaterThan(1000);
    expect(byName.get('wrong')!.milliseconds).toBeUndefined();
    for (const name of ['plain', 'fused']) expect(byName.get(name)!.milliseconds).toBeGreaterThan(0);
    const later = await open();
    expect(kernel.best(later, testCase.params as never)).toEqual(tuned.choice);
    // Of another shape nothing was measured.
    expect(kernel.best(later, { count: 999, factor: 3 }).variant).toBe('wrong');
  });

  it('tries what the case applies to', async () => {
    const kernel = scaling('own/limited', { plain: RIGHT, fused: FUSED });
    const gpu = await open();
    const { choice, measurements } = await tuneKernel(gpu, caseOf(kernel, 64, { applies: only('plain') }), { seconds });
    expect(choice.variant).toBe('plain');
    expect(measurements.map(({ variant }) => variant)).toEqual(['plain']);
    expect(kernel.best(gpu, { count: 64, factor: 3 }).variant).toBe('plain');
  });

  it('says that nothing was kept where the device has no table', async () => {
    const kernel = scaling('own/unkept', { plain: RIGHT, fused: FUSED });
    const gpu = await open(false);
    const one = caseOf(kernel, 64, { applies: only('plain') });
    expect(await tuneKernel(gpu, one, { seconds })).toMatchObject({ recorded: false, choice: { variant: 'plain' } });
    expect(kernel.best(gpu, { count: 64, factor: 3 }).variant).toBe('fused');
  });

  it('refuses what it could not choose or keep', async () => {
    const gpu = await open();
    const wrong = scaling('own/wrong', { plain: `${RIGHT} + 1.0` });
    await expect(tuneKernel(gpu, caseOf(wrong))).rejects.toThrow(
      /no variant of own\/wrong computes own\/wrong n=1000: y: 1000 of 1000 values are off.*Mend the kernel, or the case/,
    );
    await expect(tuneKernel(gpu, caseOf(scaling('relu/forward', { plain: RIGHT })))).rejects.toThrow(
      "relu/forward is a kernel of the package. Give yours a name of its own, such as 'mine/relu-forward'.",
    );
    const right = caseOf(scaling('own/right', { plain: RIGHT }));
    await expect(tuneKernel(gpu, { ...right, halves: new Set(['x']) })).rejects.toThrow('stores halves');
    await expect(tuneKernel(gpu, right, { seconds: 0 })).rejects.toThrow('seconds is 0. Give a number above 0.');
  });
});

describe('timeKernels', () => {
  it('times all in their order, ours beside theirs', async () => {
    const gpu = await open();
    const kernel = scaling('own/timed', { plain: RIGHT, fused: FUSED });
    const ours = allKernels.get('relu/forward')!;
    const times = await timeKernels(
      gpu,
      [
        caseOf(kernel, 1000, { applies: only('plain') }),
        caseOf(kernel),
        caseOf(ours, 500, { name: 'relu', params: { count: 500 } }),
      ],
      { rounds: 3 },
    );
    expect(times).toMatchObject([
      { name: 'own/timed', choice: { variant: 'plain' }, cost: { flops: 2000, bytes: 8000 } },
      { name: 'own/timed', choice: { variant: 'fused' } },
      { name: 'relu', description: 'n=500', choice: ours.best(gpu, { count: 500 }), cost: { bytes: 4000 } },
    ]);
    for (const { milliseconds, rounds } of times) {
      expect(rounds).toBe(3);
      expect(milliseconds).toBeGreaterThan(0);
    }
    expect(await timeKernels(gpu, [])).toEqual([]);
  });

  it('refuses a case that nothing runs, and leaves no memory behind', async () => {
    const gpu = await open();
    const kernel = scaling('own/none', { plain: RIGHT });
    const before = gpu.memory().live;
    await expect(timeKernels(gpu, [caseOf(kernel), caseOf(kernel, 10, { applies: () => false })])).rejects.toThrow(
      'own/none n=10 applies to none of the choices: plain.',
    );
    await expect(timeKernels(gpu, [caseOf(kernel, 10, { inputs: {} })])).rejects.toThrow(
      'own/none: the case has no contents for binding x of own/none. Give what it holds in `inputs`',
    );
    await timeKernels(gpu, [caseOf(kernel)], { rounds: 1 });
    await tuneKernel(gpu, caseOf(kernel), { seconds });
    expect(gpu.memory().live).toBe(before);
  });
});
