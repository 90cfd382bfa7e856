/** The references' derivatives against central differences of the references' own forward, in float64. */
import { describe, it } from 'vitest';
import { poolOutput } from '../../src/kernels/pooling.ts';
import { Random } from '../cases/case.ts';
import * as lrn from '../reference/lrn.ts';
import * as pooling from '../reference/pooling.ts';
import * as softmax from '../reference/softmax.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';

const normals = (random: Random, count: number) => Array.from({ length: count }, () => random.normal());

/** d/dx of sum over i of dy[i] f(x)[i]. */
function differences(f: (x: number[]) => number[], x: readonly number[], dy: readonly number[]): number[] {
  const step = 1e-5;
  const loss = (values: number[]) => f(values).reduce((sum, value, i) => sum + dy[i] * value, 0);
  return x.map((value, i) => {
    const [above, below] = [[...x], [...x]];
    above[i] = value + step;
    below[i] = value - step;
    return (loss(above) - loss(below)) / (2 * step);
  });
}

const tolerance = { absolute: 1e-7, relative: 1e-6 };

describe(`derivatives of the references (seed ${testSeed})`, () => {
  const random = new Random(testSeed, 1);

  for (const size of [1, 2, 3, 4, 5, 7, 20]) {
    it(`lrn, size ${size}`, () => {
      const p = { batch: 1, channels: 8, plane: 2, size, alpha: 1, beta: 0.75, bias: 1 };
      const [x, dy] = [normals(random, 16), normals(random, 16)];
      expectClose(
        lrn.lrnBackward(p, x, dy),
        differences((values) => lrn.lrn(p, values), x, dy),
        tolerance,
      );
    });
  }

  const shape = {
    batch: 1,
    channels: 2,
    height: 7,
    width: 6,
    kernel: [3, 2],
    strides: [2, 3],
    pads: [1, 0, 2, 1],
    dilations: [1, 1],
    ceilMode: true,
  } as const;
  const pool = { ...shape, output: poolOutput(shape) };
  const windows = 2 * pool.output[0] * pool.output[1];

  it('max pooling', () => {
    const [x, dy] = [normals(random, 84), normals(random, windows)];
    const expected = differences((values) => pooling.maxPool(pool, values).y, x, dy);
    expectClose(pooling.maxPoolBackward(pool, x, dy), expected, tolerance);
  });

  it.each([false, true])('average pooling, padding counted: %s', (counted) => {
    const [x, dy] = [normals(random, 84), normals(random, windows)];
    const expected = differences((values) => pooling.averagePool(pool, values, counted), x, dy);
    expectClose(pooling.averagePoolBackward(pool, dy, counted), expected, tolerance);
  });

  it('softmax', () => {
    const [x, dy] = [normals(random, 15), normals(random, 15)];
    const expected = differences((values) => softmax.softmax(values, 5), x, dy);
    expectClose(softmax.softmaxBackward(softmax.softmax(x, 5), dy, 5), expected, tolerance);
  });

  it('log-softmax', () => {
    const [x, dy] = [normals(random, 15), normals(random, 15)];
    const expected = differences((values) => softmax.logSoftmax(values, 5), x, dy);
    expectClose(softmax.logSoftmaxBackward(softmax.logSoftmax(x, 5), dy, 5), expected, tolerance);
  });

  it('weighted cross-entropy', () => {
    const x = normals(random, 15);
    const [labels, weights] = [
      [4, 0, 1],
      [0.5, 2, 1, 1, 3],
    ];
    const loss = (values: number[]) => [
      softmax.weightedMean(softmax.crossEntropies(values, labels, 5), labels, weights).loss,
    ];
    const expected = differences(loss, x, [1]);
    expectClose(softmax.crossEntropyBackward(x, labels, weights, 5), expected, tolerance);
  });
});

describe('references by hand', () => {
  it('average pooling, ceil mode: padding may count, what hangs over never does', () => {
    // 1-D, 4 values, kernel 3, stride 2, one value of padding before: windows [pad 1 2] [2 3 4] [4 - -].
    const p = {
      batch: 1,
      channels: 1,
      height: 1,
      width: 4,
      kernel: [1, 3],
      strides: [1, 2],
      pads: [0, 1, 0, 0],
      dilations: [1, 1],
      output: [1, 3],
    } as const;
    expectClose(pooling.averagePool(p, [1, 2, 3, 4], true), [3 / 3, 9 / 3, 4 / 1]);
    expectClose(pooling.averagePool(p, [1, 2, 3, 4], false), [3 / 2, 9 / 3, 4 / 1]);
  });

  it('lrn of an even size looks one further ahead', () => {
    // size 2: the window of c is { c, c + 1 }; 1 + 2/2 (squares), beta 1.
    const p = { batch: 1, channels: 3, plane: 1, size: 2, alpha: 2, beta: 1, bias: 1 };
    expectClose(lrn.lrn(p, [1, 2, 3]), [1 / 6, 2 / 14, 3 / 10]);
  });
});
