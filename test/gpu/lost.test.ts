/** A device that goes away: what every waiter is told, and that work which is saved goes on, three times at most. */
import { expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { acrossLosses, DeviceLostError } from '../../src/gpu/lost.ts';
import { compile } from '../../src/graph/compile.ts';
import { input } from '../../src/graph/tensor.ts';
import { relu } from '../../src/operators/relu/graph.ts';

const opened = () => Gpu.open({ warn: () => {} });

it('ends whatever waits for it with what was lost, not as a defect', async () => {
  const gpu = await opened();
  const x = input('x', [1024]);
  const y = relu(x);
  const graph = await compile(gpu, { outputs: [y] });
  graph.write(x, new Float32Array(1024));
  const storage = gpu.storage('values', 4096);
  const pending = [graph.run([y]), gpu.read(storage), gpu.idle()];
  // As the driver does: not by `Gpu.destroy`, which is the user's.
  gpu.device.destroy();
  for (const result of await Promise.allSettled(pending)) {
    if (result.status === 'fulfilled') continue;
    expect(result.reason).toBeInstanceOf(DeviceLostError);
    expect(result.reason.message).toMatch(/the device was lost.*Run the command again/);
  }
  await expect(graph.run([y])).rejects.toThrow(DeviceLostError);
  await expect(gpu.read(storage)).rejects.toThrow(DeviceLostError);
  expect(() => gpu.allocate('more', 16)).toThrow(DeviceLostError);
  gpu.destroy();
});

it('that was destroyed on purpose says so to what still waits', async () => {
  const gpu = await opened();
  const pending = gpu.read(gpu.storage('values', 4096));
  gpu.destroy();
  await expect(pending).rejects.toThrow(FrostlineError);
  await expect(pending).rejects.toThrow(/was destroyed/);
});

it('is opened anew for work that is saved, three times at most', async () => {
  const losing = (times: number) => {
    const seen: number[] = [];
    const told: number[] = [];
    let next = 0;
    const work = async (device: number) => {
      seen.push(device);
      if (seen.length <= times) throw new DeviceLostError('gone');
      return 'done';
    };
    const result = acrossLosses(
      next,
      async () => ++next,
      work,
      (_, losses) => told.push(losses),
    );
    return { seen, told, result };
  };
  const thrice = losing(3);
  expect(await thrice.result).toBe('done');
  expect([thrice.seen, thrice.told]).toEqual([
    [0, 1, 2, 3],
    [1, 2, 3],
  ]);
  const often = losing(4);
  await expect(often.result).rejects.toThrow(DeviceLostError);
  expect(often.told).toEqual([1, 2, 3]);
  const other = acrossLosses(
    0,
    async () => 1,
    async () => {
      throw new FrostlineError('another fault');
    },
    () => {},
  );
  await expect(other).rejects.toThrow('another fault');
});
