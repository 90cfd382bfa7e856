/**
 * Winograd's tiles stored as halves: what they lose, beside what a half and a bfloat16 lose without tiles, and that what they
 * cannot hold is seen. The errors are those of docs/precision.md, of sums over 64 channels, in root mean squares over that of
 * the outputs.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { roundToHalf } from '../../src/check/half.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { gemm } from '../../src/kernels/gemm/gemm.ts';
import { FIRST_SCALE } from '../../src/kernels/loss-scale/state.ts';
import { HELD } from '../../src/kernels/nan.ts';
import { Bench } from '../../src/kernels/run.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { flatten } from '../../src/operators/reshape/graph.ts';
import { Random } from '../../src/random.ts';
import { runConvolution } from '../support/convolution.ts';
import { testSeed } from '../support/gpu.ts';
import { filteringError } from '../support/minimal-filtering.ts';

class HalfRandom extends Random {
  override normal(): number {
    return roundToHalf(super.normal());
  }
}

/** To 8 bits, as bfloat16 has them, where half precision has 11: of ties the even one. */
const roundToBfloat16 = (value: number) => {
  const spacing = 2 ** (Math.floor(Math.log2(Math.abs(value) || 1)) - 7);
  return spacing * (value / spacing + 1.5 * 2 ** 52 - 1.5 * 2 ** 52);
};

const exact = (value: number) => value;
const tiled = { operands: exact, tiles: roundToHalf, outputs: roundToHalf };
const untiled = { operands: exact, tiles: exact, outputs: roundToHalf };
const bfloat16 = { operands: roundToBfloat16, tiles: exact, outputs: roundToBfloat16 };

describe('the error of a sum over 64 channels', () => {
  // Points; taps; the error in ten thousandths.
  it.each([
    ['a half without tiles', [0, 1, -1], 3, untiled, 2.1],
    ['F(2, 3)', [0, 1, -1], 3, tiled, 5.9],
    ['F(4, 3) as here', [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2], 3, tiled, 14],
    ['F(4, 3) with 0, 1, 2', [0, 1, -1, 2, -2], 3, tiled, 30],
    ['F(2, 5)', [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2], 5, tiled, 18],
    ['a bfloat16 without tiles', [0, 1, -1], 3, bfloat16, 29],
    ['F(4, 5) as here', [0, 1 / 2, -1 / 2, 1, -1, 2, -2], 5, tiled, 59],
  ] as const)('of %s', (_name, points, taps, rounding, expected) => {
    const error = 1e4 * filteringError(points, taps, rounding, new HalfRandom(testSeed));
    expect(error / expected).toBeGreaterThan(0.85);
    expect(error / expected).toBeLessThan(1.15);
  });
});

it('a value that a half does not hold becomes NaN, all others stay', async () => {
  const gpu = await Gpu.open();
  const bench = new Bench(gpu);
  const values = Float32Array.of(65504, -65504, 1e-30, 65505, -7e4, Number.POSITIVE_INFINITY);
  const count = values.length;
  const params = gemm({ m: 1, n: count, k: 1, a: { row: 1, column: 1 }, b: { row: count, column: 1 }, cRow: count });
  const [a, b] = [bench.put('a', Float32Array.of(1)), bench.put('b', values)];
  const c = bench.room('c', count);
  const map = { name: 'held', wgsl: HELD, derivativeOf: 'input' } as const;
  const plain = { variant: 'plain', configuration: {} };
  await bench.run([contraction.dispatch(gpu, params, { a, b, bias: a, aux: a, c }, plain, { map })]);
  const nan = Number.NaN;
  expect([...(await bench.floats(c))]).toEqual([...values.subarray(0, 3), nan, nan, nan]);
  bench.release();
  gpu.destroy();
});

const shape: Conv2dShape = {
  ...{ batch: 2, channels: 64, height: 10, width: 13, filters: 32, groups: 1 },
  ...{ kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] },
};

/** A GPU's matrices, and panels of a rasteriser. */
describe.each(['hardware', 'software'] as const)('on %s', (kind) => {
  const opened = Gpu.open({ tuning: false, kind, precision: 'f16', algorithms: { conv2d: 'winograd' } });
  afterAll(async () => (await opened).destroy());

  it('a convolution by tiles of 6 loses what their storage does, of 8 nothing', async () => {
    for (const [kernel, most] of [
      [[3, 3], 2e-3],
      [[5, 5], 1e-5],
    ] as const) {
      const { graph, results } = await runConvolution(await opened, { ...shape, kernel }, new HalfRandom(testSeed));
      for (const { of, found, expected } of results) {
        let [error, size] = [0, 0];
        expected.forEach((value, i) => {
          error += (found[i] - value) ** 2;
          size += value ** 2;
        });
        expect(Math.sqrt(error / size), `${of} ${kernel}`).toBeLessThan(most);
      }
      const tiles = graph.dispatches.filter(({ source }) => source.includes('winograd'));
      expect(tiles.some(({ source }) => source.includes('panels: array<f16>'))).toBe(kernel[0] === 3);
      // What halves may not hold is looked at: images and gradients, which are single precision here, and all sums.
      const holding = graph.dispatches.filter(({ source }) => source.includes('> f32(65504.0)')).length;
      const sums = graph.dispatches.filter(({ source, label }) =>
        /held$|vec4h\(held/.test(`${source} ${label}`),
      ).length;
      expect([holding, sums]).toEqual(kernel[0] === 3 ? [kind === 'hardware' ? 3 : 4, 3] : [0, 0]);
      graph.destroy();
    }
  });

  const CHANNELS = 4;
  /** Two convolutions and a loss, all weights of both the same size. */
  async function network(first: number, second: number, pixel: number) {
    const x = input('x', [1, CHANNELS, 8, 8]);
    const weights = [first, second].map((value, i) => {
      return new Parameter(`w${i}`, [CHANNELS, CHANNELS, 3, 3], new Float32Array(CHANNELS * CHANNELS * 9).fill(value));
    });
    const h = conv2d(x, weights[0], undefined, { pads: [1, 1, 1, 1] });
    const logits = flatten(conv2d(h, weights[1], undefined, { pads: [1, 1, 1, 1] }));
    const labels = input('labels', [1], 'u32');
    const loss = softmaxCrossEntropy(logits, labels);
    const graph = await compile(await opened, { loss, update: true });
    graph.write(x, new Float32Array(x.size).fill(pixel));
    graph.write(labels, new Uint32Array(1));
    graph.setStep({ learningRate: 0.01, momentum: 0.9, weightDecay: 0, step: 0, seed: 1 });
    const value = new Float32Array((await graph.run([loss]))[0])[0];
    const [scale, , skipped] = await graph.read(graph.lossScale!);
    graph.destroy();
    return { value, scale, skipped };
  }

  it('sums that overflow in backward skip the step and halve the scale', async () => {
    // dy of up to 8192, times 36 weights of 400.
    expect(await network(1e-6, 400, 1e-3)).toMatchObject({ scale: FIRST_SCALE / 2, skipped: 1 });
    expect(await network(1e-6, 1e-2, 1e-3)).toMatchObject({ scale: FIRST_SCALE, skipped: 0 });
  });

  it('a filter, an image or sums that overflow in forward are a loss that is none', async () => {
    expect((await network(60000, 1e-3, 1e-6)).value).toBeNaN();
    expect((await network(1e-3, 1e-3, 1e8)).value).toBeNaN();
    expect((await network(400, 1e-3, 6e4)).value).toBeNaN();
    expect((await network(1e-2, 1e-2, 1)).value).toBeGreaterThan(0);
  });
});
