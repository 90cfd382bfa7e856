/** Tuning: what may be chosen, what is kept, and what kernels make of it. Nothing here passes or fails by the clock. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { measuredBefore, tuneCase, tuneCases, tuneName } from '../../src/bench/tune.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { Storage } from '../../src/gpu/storage.ts';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { gemm } from '../../src/kernels/gemm/gemm.ts';
import { defineKernel, perElement, type Variant } from '../../src/kernels/kernel.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';

const params = { count: 'u32', factor: 'f32' } as const;

/** y = factor x + 1 by variants that state these results; the estimate prefers the last. */
function scaling(...results: [name: string, expression: string][]) {
  const variant = ([name, expression]: [string, string], rank: number): Variant<typeof params> => ({
    ...perElement<typeof params>((p) => p.count, 'p.count', `  y[p.y_base + index] = ${expression};`),
    name,
    estimate: () => 100 - rank,
  });
  return defineKernel({
    name: 'test/scale',
    params,
    bindings: { x: { access: 'read' }, y: { access: 'write' } },
    cost: ({ count }) => ({ flops: 2 * count, bytes: 8 * count }),
    variants: [
      variant(['plain', 'p.factor * x[p.x_base + index] + 1.0'], 0),
      ...results.map((result, i) => variant(result, i + 1)),
    ],
  });
}

const BUDGET = { seconds: 0.001 };

describe('tuning', () => {
  let folder: string;
  const opened: Gpu[] = [];
  /** As a new process would open it. */
  const open = async (options = {}) => {
    const gpu = await Gpu.open({ tuning: true, ...options });
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

  const caseOf = (gpu: Gpu, kernel: ReturnType<typeof scaling>, count = 1003) => {
    const views = { x: new Storage('x', 4 * count).view(), y: new Storage('y', 4 * count).view() };
    const [one] = tuneCases(gpu, [kernel.dispatch(gpu, { count, factor: 3 }, views)]);
    return one;
  };

  it('never chooses a variant that computes wrongly, however it is estimated', async () => {
    const gpu = await open();
    const kernel = scaling(
      ['right', '1.0 + x[p.x_base + index] * p.factor'],
      ['off', 'p.factor * x[p.x_base + index] + 1.001'],
      // The last elements are left as they were.
      ['short', 'select(y[p.y_base + index], p.factor * x[p.x_base + index] + 1.0, index + 2u < p.count)'],
      ['nan', 'select(p.factor * x[p.x_base + index] + 1.0, bitcast<f32>(0x7fc00000u | p.count), index == 5u)'],
    );
    const one = caseOf(gpu, kernel);
    expect(kernel.best(gpu, one.params as never).variant).toBe('nan');
    const { choice, measurements } = await tuneCase(gpu, one, BUDGET);
    expect(['plain', 'right']).toContain(choice.variant);
    const found = Object.fromEntries(measurements.map(({ variant, wrong }) => [variant, wrong !== undefined]));
    expect(found).toEqual({ plain: false, right: false, off: true, short: true, nan: true });
    expect(kernel.best(gpu, one.params as never).variant).toBe(choice.variant);
  });

  it('takes the plain variant where no other is right', async () => {
    const gpu = await open();
    const one = caseOf(gpu, scaling(['wrong', '0.0']));
    expect((await tuneCase(gpu, one, BUDGET)).choice.variant).toBe('plain');
  });

  it('is found by the next process for this shape and text, and for no other', async () => {
    const first = await open();
    const kernel = scaling(['wrong', '0.0']);
    const one = caseOf(first, kernel);
    expect(measuredBefore(first, one)).toBeUndefined();
    await tuneCase(first, one, BUDGET);
    const gpu = await open();
    expect(measuredBefore(gpu, one)?.choice.variant).toBe('plain');
    expect(kernel.best(gpu, { count: 1003, factor: 3 }).variant).toBe('plain');
    // A factor scales values only; a count is another shape, for which the estimate decides.
    expect(kernel.best(gpu, { count: 1003, factor: 4 }).variant).toBe('plain');
    expect(kernel.best(gpu, { count: 1004, factor: 3 }).variant).toBe('wrong');
    expect(kernel.estimated(gpu, { count: 1003, factor: 3 }).variant).toBe('wrong');
    expect(scaling(['wrong', '0.5']).best(gpu, { count: 1003, factor: 3 }).variant).toBe('wrong');
    // And where results are not to count.
    const untuned = await open({ tuning: false });
    expect(kernel.best(untuned, { count: 1003, factor: 3 }).variant).toBe('wrong');
    vi.stubEnv('FROSTLINE_TUNE', 'off');
    expect((await open({ tuning: undefined })).tuning).toBeUndefined();
  });

  it('falls back to the estimate where a choice does not fit the limits', async () => {
    const gpu = await open();
    const p = gemm({ m: 70, n: 80, k: 30, a: { row: 30, column: 1 }, b: { row: 80, column: 1 }, cRow: 80 });
    const choice = { variant: 'registers', configuration: { rows: 8, columns: 4, bounds: 0 } };
    const shape = contraction.shape(p);
    await gpu.tuning!.record('contraction', contraction.textHash(), shape, {
      choice,
      date: '',
      settled: true,
      measurements: [],
    });
    expect(contraction.best(gpu, p)).toEqual(choice);
    const small = await open({ limits: { maxThreads: 16 } });
    expect(contraction.best(small, p)).toEqual(contraction.estimated(small, p));
    expect(contraction.best(small, p)).not.toEqual(choice);
  });

  it("lists a graph's shapes with several candidates once each, by what they write", async () => {
    const gpu = await open();
    const weight = (name: string) => new Parameter(name, [20, 20], new Float32Array(400).fill(0.1));
    // A ReLU of an input: one that follows a layer would be applied there, and have no dispatch of its own.
    const x = relu(input('x', [4, 20]));
    const y = linear(linear(x, weight('w1'), undefined, 'one'), weight('w2'), undefined, 'two');
    const graph = await compile(gpu, { outputs: [y] });
    expect(tuneCases(gpu, graph.dispatches).map(tuneName)).toEqual([
      'relu/forward relu',
      `${gpu.subgroupWidth > 0 ? 'linear/forward' : 'contraction'} one, two`,
    ]);
    graph.destroy();
  });
});
