/** What a comparison of values alone would not show: bits left alone, masks replayed, NaN that reaches the loss. */
import { describe, expect, it } from 'vitest';
import { type CaseRun, runCases } from '../../src/check/run-cases.ts';
import { normals } from '../../src/check/values.ts';
import { FrostlineError } from '../../src/errors.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { biasGradient } from '../../src/kernels/bias/bias.ts';
import { dropoutForward, dropoutParams, replayDropout } from '../../src/kernels/dropout/dropout.ts';
import { type Capabilities, defineKernel, type Kernel, type Variant } from '../../src/kernels/kernel.ts';
import { linearForward } from '../../src/kernels/linear/forward.ts';
import { linearInputGradient } from '../../src/kernels/linear/input-gradient.ts';
import { lrnBackward, lrnForward } from '../../src/kernels/lrn/lrn.ts';
import { Bench, type Words } from '../../src/kernels/run.ts';
import { sgdm, sgdmMasked } from '../../src/kernels/sgdm/sgdm.ts';
import { softmaxLoss, softmaxLossGradient } from '../../src/kernels/softmax-loss/softmax-loss.ts';
import { packStep } from '../../src/kernels/step.ts';
import { allKernels } from '../../src/operators/kernels.ts';
import { Random, randomBits } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

async function runCase(testCase: CaseRun['testCase'], choice: CaseRun['choice']): Promise<Record<string, ArrayBuffer>> {
  const [{ words, damage }] = await runCases(gpu(), [{ testCase, choice }]);
  expect(damage).toBeUndefined();
  return Object.fromEntries(Object.entries(words).map(([name, { buffer }]) => [name, buffer]));
}

/** One run of the plain variant; the outputs as words. */
async function run(
  kernel: Kernel,
  params: Record<string, number>,
  inputs: Record<string, Words>,
  outputs: Record<string, number | Words>,
): Promise<Record<string, ArrayBuffer>> {
  const choice = { variant: 'plain', configuration: {} };
  return runCase({ name: kernel.name, kernel, params, inputs, outputs }, choice);
}

describe(`dropout (seed ${testSeed})`, () => {
  const ones = new Float32Array(5000).fill(1);
  const draw = { seed: testSeed, step: 7, stream: 3, ratio: 0.4 };
  const params = { count: 5000, first: 11, stream: 3, ...dropoutParams(0.4) };
  const mask = async (step: number, change: Partial<typeof params> = {}) => {
    const all = { ...params, ...change };
    const words = packStep({ learningRate: 0, momentum: 0, weightDecay: 0, seed: testSeed, step });
    const { y } = await run(dropoutForward, all, { x: ones.slice(0, all.count), step: words }, { y: all.count });
    return Uint8Array.from(new Float32Array(y), (value) => (value === 0 ? 0 : 1));
  };

  it('is replayed bit for bit on the host', async () => {
    expect(await mask(7)).toEqual(replayDropout(draw, 5000, 11));
  });

  it('keeps an element whose bits equal the threshold and drops it one above', async () => {
    const bits = randomBits(randomBits(randomBits(testSeed, 7), 3), 11);
    expect(await mask(7, { count: 1, threshold: bits })).toEqual(Uint8Array.of(1));
    expect(await mask(7, { count: 1, threshold: bits + 1 })).toEqual(Uint8Array.of(0));
  });

  it('draws anew at each step and in each stream', async () => {
    const first = await mask(7);
    expect(await mask(8)).not.toEqual(first);
    expect(await mask(7, { stream: 4 })).not.toEqual(first);
  });

  it('gives a window of the batch the mask it has in the whole', async () => {
    const whole = await mask(7);
    expect(await mask(7, { first: 11 + 1234, count: 100 })).toEqual(whole.slice(1234, 1334));
  });

  it('keeps 1 - ratio of the elements, without correlation between neighbours or steps', async () => {
    const n = 5000;
    const kept = replayDropout(draw, n);
    const next = replayDropout({ ...draw, step: 8 }, n);
    const deviation = Math.sqrt((0.4 * 0.6) / n);
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    expect(Math.abs(mean(kept) - 0.6)).toBeLessThan(4 * deviation);
    for (const other of [kept.subarray(1), next]) {
      const both = mean(Array.from(other, (value, i) => value * kept[i]));
      expect(Math.abs(both - 0.36)).toBeLessThan(4 * Math.sqrt((0.36 * 0.64) / n));
    }
  });

  it.each([-0.1, 1, Number.NaN])('refuses a ratio of %s', (ratio) => {
    expect(() => dropoutParams(ratio)).toThrow(FrostlineError);
  });
});

describe('sgdm', () => {
  // Values that arithmetic would not give back: a negative zero, a subnormal, a NaN with a payload.
  const strange = new Uint32Array([0x8000_0000, 0x0000_0001, 0x7fc0_1234, 0x3f80_0001]);
  const floats = () => new Float32Array(strange.slice().buffer);
  const g = Float32Array.of(1, Number.NaN, 2, Number.POSITIVE_INFINITY);
  const step = packStep({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.1, step: 0, seed: 0 });

  it('leaves the bytes of w and v alone where the mask is 0', async () => {
    const whole = await run(sgdm, { count: 4, mask: 0, decay_factor: 1 }, { g, step }, { w: floats(), v: floats() });
    const mask = new Float32Array(4);
    const each = await run(sgdmMasked, { count: 4, decay_factor: 1 }, { g, step, mask }, { w: floats(), v: floats() });
    for (const { w, v } of [whole, each]) {
      expect(new Uint32Array(w)).toEqual(strange);
      expect(new Uint32Array(v)).toEqual(strange);
    }
  });

  it('masks single elements and updates their neighbours', async () => {
    const mask = Float32Array.of(1, 0, 1, 0);
    const [w, v] = [Float32Array.of(1, 1, 1, 1), Float32Array.of(1, 1, 1, 1)];
    const out = await run(sgdmMasked, { count: 4, decay_factor: 0 }, { g: new Float32Array(4), step, mask }, { w, v });
    const after = Math.fround(Math.fround(0.9) + 1);
    expect([...new Float32Array(out.w)]).toEqual([after, 1, after, 1]);
  });
});

describe.each(['plain', 'workgroup'])('softmax-loss, %s', (variant) => {
  const class_weights = Float32Array.of(1, 1, 1);
  const labels = Uint32Array.of(0, 2);
  const params = { rows: 2, columns: 3, first: 0, batch: 2, summed: 0, smoothing: 0 };
  async function lossOf(values: readonly number[]) {
    const inputs = { logits: Float32Array.from(values), labels, class_weights, weight_sum: class_weights };
    const found = async (kernel: Kernel, outputs: Record<string, number>) => {
      const choice = kernel.choices(gpu(), params).find((one) => one.variant === variant)!;
      return runCase({ name: kernel.name, kernel, params, inputs, outputs }, choice);
    };
    const { losses, dlogits } = await found(softmaxLossGradient as Kernel, { losses: 1, dlogits: 6 });
    const alone = await found(softmaxLoss as Kernel, { losses: 1 });
    expect(new Float32Array(alone.losses)).toEqual(new Float32Array(losses));
    return { loss: new Float32Array(losses)[0], dlogits: [...new Float32Array(dlogits)] };
  }

  it('is finite for extreme logits, and exact where one class has it all', async () => {
    const { loss, dlogits } = await lossOf([-1e30, 0, 1e4, 3e38, -3e37, 2e30]);
    expect(loss / 3e38).toBeCloseTo(1 / 2 + 1e30 / 6e38, 5);
    expect(dlogits).toEqual([-0.5, 0, 0.5, 0.5, 0, -0.5]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'carries %s of any class into the loss and the gradient',
    async (bad) => {
      for (const place of [0, 1, 2]) {
        const logits = [0, 1, 2, 3, 4, 5];
        logits[place] = bad;
        const { loss, dlogits } = await lossOf(logits);
        expect(loss).toBeNaN();
        expect(dlogits.slice(0, 3).every(Number.isNaN)).toBe(true);
        expect(dlogits.slice(3).every(Number.isFinite)).toBe(true);
      }
    },
  );

  it('is infinite where the label itself has logit -infinity, and untouched where another class has', async () => {
    expect((await lossOf([Number.NEGATIVE_INFINITY, 1, 2, 3, 4, 5])).loss).toBe(Number.POSITIVE_INFINITY);
    const { loss } = await lossOf([0, Number.NEGATIVE_INFINITY, 0, 0, 0, 0]);
    expect(loss).toBeCloseTo((Math.log(2) + Math.log(3)) / 2, 6);
  });
});

describe('lrn', () => {
  it('keeps an infinity within its window in every variant', async () => {
    const params = { batch: 1, channels: 40, plane: 1, size: 5, alpha: 1e-4, beta: 0.75, bias: 1 };
    const x = normals(new Random(testSeed), 40);
    x[3] = Number.POSITIVE_INFINITY;
    for (const choice of lrnForward.choices(gpu(), params)) {
      const testCase = { name: 'lrn', kernel: lrnForward, params, inputs: { x }, outputs: { y: 40 } };
      const y = new Float32Array((await runCase(testCase, choice)).y);
      expect(y.subarray(6).every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    }
  });
});

describe('the choice of a variant', () => {
  it("slides over AlexNet's LRN and takes the plain text for a size without one", () => {
    const alexnet = {
      batch: 10,
      channels: 96,
      plane: 3025,
      size: 5,
      alpha: 1e-4,
      beta: 0.75,
      bias: 1,
      differentiates: 0,
    };
    const view = gpu()
      .storage('x', 4 * 10 * 96 * 3025)
      .view();
    const views = { x: view, y: view, dy: view, dx: view };
    expect(lrnForward.dispatch(gpu(), alexnet, views).label).toBe('lrn/forward sliding');
    expect(lrnBackward.dispatch(gpu(), alexnet, views).label).toBe('lrn/backward sliding');
    expect(lrnBackward.dispatch(gpu(), { ...alexnet, size: 25 }, views).label).toBe('lrn/backward plain');
    gpu().release(view.storage.buffer!);
  });

  it('gives a GPU enough threads to reach its memory', () => {
    const h100 = plannedGpu('h100');
    const pixels = { batch: 10, size: 5, alpha: 1e-4, beta: 0.75, bias: 1, differentiates: 1 };
    const norm1 = { ...pixels, channels: 96, plane: 3025 };
    // 30,250 pixels are a quarter of the threads that an H100 has at once; 200 times as many images fill it.
    expect(lrnBackward.estimated(h100, norm1).variant).toBe('segments');
    expect(lrnBackward.estimated(h100, { ...norm1, batch: 2000 }).variant).toBe('sliding');
    expect(lrnBackward.estimated(plannedGpu('lavapipe'), norm1).variant).toBe('sliding');
    const fc8 = { batch: 10, inputs: 4096, outputs: 1000, y_row: 1000, has_bias: 1, relu: 0 };
    expect(linearForward.estimated(h100, fc8)).toEqual({ variant: 'rows', configuration: { items: 10, rows: 4 } });
    // One thread for four inputs would have 6,272 threads read 411 MB.
    const fc6 = { batch: 1, inputs: 25088, outputs: 4096, dy_row: 4096, accumulate: 0, differentiates: 0 };
    expect(linearInputGradient.estimated(plannedGpu('navi31'), fc6).variant).toBe('columns');
  });

  it('takes the shortest of texts within 5 % where a driver takes seconds to compile one, elsewhere the quickest', () => {
    const tiles: Variant<{ count: 'u32' }> = {
      name: 'tiles',
      configurations: [{ sums: 256 }, { sums: 64 }, { sums: 128 }, { sums: 8 }],
      workgroupSize: () => 64,
      workgroups: () => 1,
      estimate: (_, { sums }) => ({ 256: 100, 64: 106, 128: 104, 8: 200 })[sums]!,
      unrolled: ({ sums }) => sums,
      text: () => ({ main: '' }),
    };
    const chosen = (kind: 'software' | 'hardware') => {
      const kernel = defineKernel({
        name: 'test/tiles',
        params: { count: 'u32' },
        bindings: { y: { access: 'write' } },
        cost: () => ({ flops: 1, bytes: 1 }),
        // Shorter, and as near, but another way to compute it.
        variants: [{ ...tiles, name: 'plain', configurations: [{}], estimate: () => 101, unrolled: undefined }, tiles],
      });
      const adapter = { kind, subgroupWidth: 8, limits: gpu().limits } as unknown as Capabilities;
      const { variant, configuration } = kernel.estimated(adapter, { count: 1 });
      return [variant, configuration['sums'], kernel.time(adapter, { count: 1 })];
    };
    expect(chosen('software')).toEqual(['tiles', 128, 104]);
    expect(chosen('hardware')).toEqual(['tiles', 256, 100]);
  });
});

describe('the registry', () => {
  it('holds each kernel once, by a name of the form folder or folder/direction', () => {
    expect(allKernels.size).toBeGreaterThanOrEqual(28);
    for (const [name, kernel] of allKernels) {
      expect(name).toMatch(/^[a-z0-9-]+(\/[a-z-]+)?$/);
      expect(kernel.name).toBe(name);
    }
  });

  it('holds only texts that compile, in every variant and configuration', async () => {
    for (const kernel of allKernels.values()) {
      for (const variant of kernel.variants) {
        // Texts of halves alone: ./matrix.test.ts.
        if (Array.isArray(variant.halves)) continue;
        for (const configuration of variant.configurations) {
          if (variant.workgroupSize(configuration) > gpu().limits.maxThreads) continue;
          if (variant.subgroups && gpu().subgroupWidth === 0) continue;
          const source = kernel.source({ variant: variant.name, configuration });
          const access = Object.values(kernel.bindings).map((binding) => binding.access);
          await gpu().pipelines.get(kernel.name, source, ['uniform', ...access]);
        }
      }
    }
  });
});

describe('a folded dispatch', () => {
  it('gives workgroups beyond the channels nothing to write', async () => {
    const small = { kind: gpu().kind, subgroupWidth: 0, limits: gpu().limits };
    const bench = new Bench(gpu());
    const dy = normals(new Random(testSeed), 7 * 5);
    // One element more than there are channels: a write beyond them stays within the binding and would be seen.
    const views = { dy: bench.put('dy', dy), db: bench.put('db', new Float32Array(8).fill(-9)) };
    const params = { batch: 1, channels: 7, plane: 5, accumulate: 0 };
    const dispatch = biasGradient.dispatch(small, params, views, {
      variant: 'workgroup',
      configuration: { threads: 64 },
    });
    // As a fold of 7 into rows of 4 would launch it.
    await bench.run([{ ...dispatch, workgroups: 8 }]);
    const db = await bench.floats(views.db);
    for (let c = 0; c < 7; c++)
      expect(db[c]).toBeCloseTo(
        dy.slice(5 * c, 5 * c + 5).reduce((a, b) => a + b),
        5,
      );
    expect(db[7]).toBe(-9);
    bench.release();
  });
});
