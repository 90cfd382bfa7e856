/** Opening, pretending, bringing a device of one's own, and closing. */

import { readdirSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { adaptersByIndex, chooseAdapter } from '../../src/gpu/adapter.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { input } from '../../src/graph/tensor.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { testRuns } from '../support/gpu.ts';

const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
const threads = () => readdirSync('/proc/self/task').length;

describe('a destroyed device', () => {
  it('is let go: nothing that outlives it refers to it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const open = async () => {
      const gpu = await Gpu.open({ tuning: false });
      gpu.destroy();
      return new WeakRef(gpu);
    };
    const opened: WeakRef<Gpu>[] = [];
    for (let i = 0; i < 5; i++) opened.push(await open());
    const left = () => opened.filter((one) => one.deref() !== undefined).length;
    for (let i = 0; i < 20 && left() > 1; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      collect();
    }
    // The last may still lie on the stack.
    expect(left()).toBeLessThanOrEqual(1);
  });
});

describe.runIf(process.platform === 'linux')('opening and destroying', () => {
  it('leaves neither threads nor memory behind', async () => {
    // FROSTLINE_TEST_RUNS=17 makes 1,020 cycles.
    const cycles = 60 * testRuns;
    const cycle = async () => {
      const gpu = await Gpu.open({ tuning: false });
      const storage = gpu.storage('x', new Float32Array(16));
      expect((await gpu.readFloats(storage)).length).toBe(16);
      gpu.destroy();
    };
    for (let i = 0; i < 10; i++) await cycle();
    const before = { threads: threads(), rss: rss() };
    for (let i = 10; i < cycles; i++) await cycle();
    expect(threads()).toBeLessThanOrEqual(before.threads + 8);
    // An instance each took 5 threads and 2.2 MB a cycle. A listener that stayed took 0.07 MB.
    expect(rss() - before.rss).toBeLessThan(1024 * (20 + 0.02 * cycles));
  }, 600_000);
});

describe('pretending', () => {
  it('plans for another kind and smaller limits', async () => {
    const gpu = await Gpu.open({ kind: 'hardware', limits: { maxBinding: 1024 } });
    expect([gpu.kind, gpu.limits.maxBinding]).toEqual(['hardware', 1024]);
    gpu.destroy();
  });

  it.each([
    [{ maxBinding: 2 ** 50 }, /maxBinding is 1125899906842624.*from 1 to/],
    [{ maxThreads: 0 }, /maxThreads is 0/],
    [{ offsetAlignment: 3 }, /offsetAlignment is 3.*multiple of/],
    [{ maxBindings: 4 }, /"maxBindings" is no limit.*maxBinding,/],
  ])('refuses limits the adapter has not: %o', async (limits, message) => {
    await expect(Gpu.open({ limits: limits as object })).rejects.toThrow(message);
  });
});

describe('an adapter by its backend and number', () => {
  it('is the one that Dawn lists there', async () => {
    const listed = await adaptersByIndex();
    // Where no driver is installed there is none to list.
    for (const [index, { name }] of listed) {
      if (!index.startsWith('vulkan:')) continue;
      const { adapter } = await chooseAdapter(index);
      expect(adapter.info.description + adapter.info.device).not.toBe('');
      expect(name).not.toBe('');
    }
    // Each opening takes the instance of the first.
    const [first] = [...listed.keys()];
    if (first !== undefined) {
      const [one, other] = [await chooseAdapter(first), await chooseAdapter(first)];
      expect(other.instance).toBe(one.instance);
    }
    await expect(chooseAdapter('vulkan:99')).rejects.toThrow(/There is no adapter vulkan:99\. Found: /);
  });
});

describe('a device of the caller', () => {
  it('computes, reads GPUBuffers, and stays open', async () => {
    const { adapter } = await chooseAdapter();
    const device = await adapter.requestDevice();
    const gpu = Gpu.from(device, { tuning: false });
    const x = input('x', [5]);
    const y = relu(x);
    const graph = await compile(gpu, { outputs: [y] });
    const buffer = device.createBuffer({ label: 'mine', size: 32, usage: 0x4 | 0x8 });
    device.queue.writeBuffer(buffer, 0, Float32Array.of(-1, 2, -3, 4, -5, 6, 7, 8));
    graph.write(x, buffer);
    await graph.run();
    expect(await graph.read(y)).toEqual(Float32Array.of(0, 2, 0, 4, 0));
    const small = device.createBuffer({ label: 'small', size: 16, usage: 0x4 });
    expect(() => graph.write(x, small)).toThrow(/takes 20 bytes; the GPUBuffer "small" has 16/);
    const write = device.createBuffer({ label: 'written', size: 32, usage: 0x8 });
    expect(() => graph.write(x, write)).toThrow(/"written" needs GPUBufferUsage.COPY_SRC/);
    await expect(gpu.sibling()).rejects.toThrow(/has no sibling/);
    graph.destroy();
    gpu.destroy();
    let lost = false;
    void device.lost.then(() => {
      lost = true;
    });
    await device.queue.onSubmittedWorkDone();
    expect(lost).toBe(false);
    device.destroy();
  });
});

it('refuses options and kinds that there are not, and what is no device', async () => {
  await expect(Gpu.open({ adaptor: 'software' } as never)).rejects.toThrow(/no option 'adaptor'. It has adapter/);
  await expect(Gpu.open({ kind: 'gpu' as never })).rejects.toThrow(/no kind of adapter 'gpu'. Give hardware/);
  expect(() => Gpu.from({} as never)).toThrow(/no GPUDevice. Give what/);
});
