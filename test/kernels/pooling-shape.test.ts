import { describe, expect, it } from 'vitest';
import { FrostlineError } from '../../src/errors.ts';
import { input } from '../../src/graph/tensor.ts';
import { type PoolShape, poolOutput } from '../../src/kernels/pooling.ts';
import { maxPool } from '../../src/operators/pooling/graph.ts';

const base: PoolShape = {
  batch: 1,
  channels: 1,
  height: 55,
  width: 55,
  kernel: [3, 3],
  strides: [2, 2],
  pads: [0, 0, 0, 0],
  ceilMode: false,
};

const build = (name: string, { batch, channels, height, width, ...window }: PoolShape) =>
  maxPool(input('x', [batch, channels, height, width]), { ...window, name });

describe('the size of a pooling', () => {
  it.each([
    ["AlexNet's pool1", {}, [27, 27]],
    ["the zoo AlexNet's pool5, pads 0,0,1,1", { height: 12, width: 12, pads: [0, 0, 1, 1] }, [6, 6]],
    ['floor', { height: 54, width: 54 }, [26, 26]],
    ['ceil', { height: 54, width: 54, ceilMode: true }, [27, 27]],
    ['ceil where nothing is left over', { ceilMode: true }, [27, 27]],
    // PyTorch: MaxPool2d(2, stride=3, ceil_mode=True) of 4 x 5 gives 2 x 2; of 3 x 3 only 1 x 1.
    ['ceil, 2 over 4 x 5', { height: 4, width: 5, kernel: [2, 2], strides: [3, 3], ceilMode: true }, [2, 2]],
    ['ceil, a last window beyond', { height: 3, width: 3, kernel: [2, 2], strides: [3, 3], ceilMode: true }, [1, 1]],
    ['dilation', { height: 9, width: 10, strides: [1, 1], dilations: [2, 3] }, [5, 4]],
  ] as [string, Partial<PoolShape>, [number, number]][])('%s', (_, change, expected) => {
    expect(poolOutput({ ...base, ...change })).toEqual(expected);
    expect(() => build('pool', { ...base, ...change })).not.toThrow();
  });

  it.each([
    ['a window of padding alone', { kernel: [2, 2], pads: [2, 0, 0, 0] }, /only padding/],
    [
      'a window of padding alone between dilated taps',
      { height: 2, kernel: [2, 1], dilations: [4, 1], pads: [2, 0, 2, 0] },
      /only padding/,
    ],
    ['a kernel larger than the image', { height: 2 }, /too small for kernel \[3,3\]/],
    ['a stride of 0', { strides: [0, 1] }, /strides \[0,1\]/],
    ['a negative pad', { pads: [0, -1, 0, 0] }, /pads \[0,-1,0,0\]/],
  ] as [string, Partial<PoolShape>, RegExp][])('refuses %s', (_, change, message) => {
    expect(() => build('pool1', { ...base, ...change })).toThrow(FrostlineError);
    expect(() => build('pool1', { ...base, ...change })).toThrow(message);
    expect(() => build('pool1', { ...base, ...change })).toThrow(/^pool1: /);
  });
});
