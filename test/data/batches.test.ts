import { describe, expect, it } from 'vitest';
import { batchesOf, epochOrder } from '../../src/data/batches.ts';

const sorted = (order: Uint32Array) => [...order].sort((a, b) => a - b);
const identity = Array.from({ length: 50 }, (_, i) => i);

describe('the order of an epoch', () => {
  it('never shuffled is as it is', () => {
    expect([...epochOrder(50, { shuffle: 'never', seed: 1, epoch: 3 })]).toEqual(identity);
  });

  it('shuffled once is the same in each epoch; in every epoch, another', () => {
    const once = [0, 1, 2].map((epoch) => epochOrder(50, { shuffle: 'once', seed: 1, epoch }));
    expect(once[1]).toEqual(once[0]);
    expect(once[2]).toEqual(once[0]);
    expect([...once[0]]).not.toEqual(identity);
    const every = [0, 1, 2].map((epoch) => epochOrder(50, { shuffle: 'every-epoch', seed: 1, epoch }));
    expect(every[1]).not.toEqual(every[0]);
    expect(every[2]).not.toEqual(every[1]);
    for (const order of [...once, ...every]) expect(sorted(order)).toEqual(identity);
  });

  it('depends on the seed', () => {
    const options = { shuffle: 'every-epoch', epoch: 4 } as const;
    expect(epochOrder(50, { ...options, seed: 1 })).toEqual(epochOrder(50, { ...options, seed: 1 }));
    expect(epochOrder(50, { ...options, seed: 1 })).not.toEqual(epochOrder(50, { ...options, seed: 2 }));
  });
});

describe('batches', () => {
  const order = Uint32Array.from([4, 2, 0, 1, 3]);

  it('discard the incomplete last one unless it is to be kept', () => {
    expect(batchesOf(order, { batchSize: 2 }).map((batch) => [...batch])).toEqual([
      [4, 2],
      [0, 1],
    ]);
    expect(batchesOf(order, { batchSize: 2, lastBatch: 'keep' }).map((batch) => [...batch])).toEqual([
      [4, 2],
      [0, 1],
      [3],
    ]);
    expect(batchesOf(order, { batchSize: 5 })).toHaveLength(1);
  });

  it('are refused where none comes of it', () => {
    expect(() => batchesOf(order, { batchSize: 6 })).toThrow(/5 samples give no batch of 6/);
    expect(batchesOf(order, { batchSize: 6, lastBatch: 'keep' })).toHaveLength(1);
    expect(() => batchesOf(order, { batchSize: 1.5 })).toThrow(/batch size is 1.5/);
  });
});
