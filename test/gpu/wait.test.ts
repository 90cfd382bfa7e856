import { expect, it } from 'vitest';
import { Waiter } from '../../src/gpu/wait.ts';

it('passes values and failures on', async () => {
  const waiter = new Waiter();
  expect(await waiter.wait(Promise.resolve(7))).toBe(7);
  await expect(waiter.wait(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
});

it('keeps one turn in the queue, however many waits follow each other', async () => {
  const waiter = new Waiter();
  const original = globalThis.setImmediate;
  let queued = 0;
  let most = 0;
  globalThis.setImmediate = ((work: () => void) => {
    queued++;
    most = Math.max(most, queued);
    return original(() => {
      queued--;
      work();
    });
  }) as typeof setImmediate;
  try {
    for (let i = 0; i < 50; i++) await waiter.wait(Promise.resolve(i));
    await Promise.all(Array.from({ length: 5 }, (_, i) => waiter.wait(new Promise((done) => setTimeout(done, i)))));
  } finally {
    globalThis.setImmediate = original;
  }
  expect(most).toBe(1);
});
