/** Operands that are rotated past the caches of a GPU, on a software adapter that is planned for as one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCase } from '../../src/bench/kernels.ts';
import { layerCases } from '../../src/bench/layer-cases.ts';
import { OperandSets } from '../../src/bench/operand-sets.ts';
import type { Ceilings } from '../../src/bench/roofline.ts';
import { Stopwatch } from '../../src/bench/time-dispatch.ts';
import { Gpu } from '../../src/gpu/device.ts';
import type { Dispatch } from '../../src/gpu/program.ts';
import { bufferOf } from '../../src/gpu/storage.ts';
import { rooflineCopy } from '../../src/kernels/roofline/copy.ts';
import { alexnetSmall } from '../../src/models/tables.ts';

const MIB = 2 ** 20;

describe('operand sets', () => {
  let hardware: Gpu;
  let software: Gpu;
  beforeAll(async () => {
    hardware = await Gpu.open({ kind: 'hardware', tuning: false, probe: false });
    software = await Gpu.open({ kind: 'software', tuning: false });
  });
  afterAll(() => {
    for (const gpu of [hardware, software]) {
      gpu.check();
      gpu.destroy();
    }
  });

  /** y = x of so many bytes each. */
  const copying = (gpu: Gpu, bytes: number) => {
    const values = Float32Array.from({ length: bytes / 4 }, (_, i) => 1 + (i % 1009));
    const [x, y] = [gpu.storage('x', values), gpu.storage('y', bytes)];
    const dispatch = rooflineCopy.dispatch(gpu, { count: bytes / 4 }, { x: x.view(), y: y.view() });
    const release = () => {
      for (const one of [x, y]) gpu.release(bufferOf(one));
    };
    return { values, dispatch, release };
  };
  const outputOf = ([{ bindings }]: readonly Dispatch[]) => bindings[1].view.storage;

  it('a stopwatch goes round over copies that together pass the cache, and each is written', async () => {
    const before = hardware.memory().live;
    const { values, dispatch, release } = copying(hardware, 20 * MIB);
    const sets = new OperandSets(hardware);
    const watch = await Stopwatch.of(hardware, [dispatch], sets);
    // 3 x 40 MiB are below 128 MiB.
    const rounds = sets.of([dispatch]);
    expect(new Set(rounds.map((round) => bufferOf(outputOf(round)))).size).toBe(4);
    for (const round of rounds) hardware.write(outputOf(round), new Float32Array(values.length));
    for (let i = 0; i < rounds.length; i++) await watch.sample();
    for (const round of rounds) {
      expect(Buffer.compare(Buffer.from(await hardware.read(outputOf(round))), Buffer.from(values.buffer))).toBe(0);
    }
    watch.destroy();
    sets.release();
    release();
    expect(hardware.memory().live).toBe(before);
  });

  it('are few where operands are large, bounded where they are small, and none on a processor', () => {
    for (const [gpu, bytes, count] of [
      [hardware, 64 * MIB, 2],
      [hardware, 4096, 64],
      [software, 4096, 1],
    ] as const) {
      const { dispatch, release } = copying(gpu, bytes);
      const sets = new OperandSets(gpu);
      expect(sets.of([dispatch]).length).toBe(count);
      sets.release();
      release();
    }
  });

  it('a row of the benchmark is verified and timed on them, and leaves nothing behind', async () => {
    const roofline = { gflops: 1, gigabytes: 1 };
    const ceilings = { around: async (work: () => unknown) => ({ result: await work(), roofline }) };
    const before = hardware.memory().live;
    const cases = layerCases(hardware, alexnetSmall(), 1).filter(({ layer }) => layer === 'fc8');
    for (const layerCase of cases) {
      const sampling = { samples: 1, seconds: 0.001 };
      const row = await benchCase(hardware, layerCase, ceilings as unknown as Ceilings, sampling);
      expect(row).toMatchObject({ verdict: { passed: true } });
    }
    expect(cases.length).toBeGreaterThan(1);
    expect(hardware.memory().live).toBe(before);
  });
});
