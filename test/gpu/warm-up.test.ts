import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { type Dispatch, Program } from '../../src/gpu/program.ts';
import { warmUp } from '../../src/gpu/warm-up.ts';
import { defineKernel, perElement } from '../../src/kernels/kernel.ts';
import { Bench } from '../../src/kernels/run.ts';

const params = { count: 'u32' } as const;

/** Makes the texts of this run new ones, which no cache of a driver's knows. */
const salt = 1_000_000 + (Date.now() % 1_000_000_000);

/** y += n, each a text of its own. */
const adding = (n: number) =>
  defineKernel({
    name: `test/add-${n}`,
    params,
    bindings: { y: { access: 'write' } },
    cost: ({ count }) => ({ flops: count, bytes: 8 * count }),
    variants: [
      perElement<typeof params>(
        (p) => p.count,
        'p.count',
        `  y[p.y_base + index] += select(${n}.0, 0.0, index == ${salt}u);`,
      ),
    ],
  });

describe('warming up', () => {
  let gpu: Gpu;
  let bench: Bench;
  beforeEach(async () => {
    gpu = await Gpu.open();
    bench = new Bench(gpu);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    bench.release();
    gpu.check();
    gpu.destroy();
  });
  const count = 101;
  const dispatchesOn = (y: ReturnType<Bench['put']>): Dispatch[] =>
    [1, 10, 100, 1000].map((n) => adding(n).dispatch(gpu, { count }, { y }));

  it('executes nothing, and the program then computes what it should', async () => {
    const y = bench.put('y', new Float32Array(count).fill(0.5));
    const program = await Program.prepare(gpu, dispatchesOn(y));
    expect(await bench.floats(y)).toEqual(new Float32Array(count).fill(0.5));
    program.submit();
    expect(await bench.floats(y)).toEqual(new Float32Array(count).fill(1111.5));
    program.destroy();
  });

  it.skipIf(availableParallelism() < 2)('closes the devices that helped (2 processors)', async () => {
    if (gpu.kind !== 'software') return;
    const sibling = vi.spyOn(gpu, 'sibling');
    vi.stubEnv('MESA_SHADER_CACHE_DISABLE', 'false');
    await warmUp(gpu, dispatchesOn(bench.put('y', new Float32Array(count))), 0);
    expect(sibling).toHaveBeenCalled();
    expect(sibling.mock.calls.length).toBeLessThan(availableParallelism());
    for (const { value } of sibling.mock.results) {
      const { device } = (await value) as Gpu;
      expect((await device.lost).reason).toBe('destroyed');
    }
  });

  it('takes no helpers whose code could not be shared, and warms each text once', async () => {
    const sibling = vi.spyOn(gpu, 'sibling');
    vi.stubEnv('MESA_SHADER_CACHE_DISABLE', 'true');
    const dispatches = dispatchesOn(bench.put('y', new Float32Array(count)));
    await warmUp(gpu, dispatches, 0);
    vi.stubEnv('MESA_SHADER_CACHE_DISABLE', 'false');
    await warmUp(gpu, dispatches, 0);
    expect(sibling).not.toHaveBeenCalled();
  });

  it('passes on that a text does not compile', async () => {
    const [good, other] = dispatchesOn(bench.put('y', new Float32Array(count)));
    const bad = { ...other, label: 'bad', source: other.source.replace('fn main', 'fn main main') };
    await expect(Program.prepare(gpu, [good, bad])).rejects.toThrow(/Kernel bad does not compile/);
    await expect(Program.prepare(gpu, [bad])).rejects.toBeInstanceOf(FrostlineError);
  });
});
