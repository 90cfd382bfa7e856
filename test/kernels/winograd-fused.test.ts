/** Convolution by tiles in one kernel: what no finite value shows. */
import { expect, it } from 'vitest';
import { conv2dReference } from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { fusedCorrelation } from '../../src/kernels/conv2d/winograd/fused/correlation.ts';
import { fusedComputes, planFusedForward } from '../../src/kernels/conv2d/winograd/fused/plan.ts';
import { RELU } from '../../src/kernels/relu/rule.ts';
import { Bench } from '../../src/kernels/run.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();

it('keeps NaN of one image, and of one filter, from all others', async () => {
  const sizes = { batch: 2, channels: 3, height: 4, width: 5, filters: 2 };
  const shape = {
    ...sizes,
    kernel: [3, 3],
    pads: [1, 1, 1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    groups: 1,
  } as const;
  const random = new Random(testSeed);
  const [x, w] = [normals(random, 2 * 3 * 20), normals(random, 2 * 3 * 9)];
  const first = conv2dReference(shape, x, w, undefined, 80).slice(0, 20);
  const params = planFusedForward(shape, { hasBias: false, relu: RELU.none });
  const spoilt = async (x: Float32Array<ArrayBuffer>, w: Float32Array<ArrayBuffer>) => {
    const bench = new Bench(gpu());
    const [xs, ws, y] = [bench.put('x', x), bench.put('w', w), bench.room('y', 80)];
    const choice = fusedCorrelation.choices(gpu(), params).find(({ variant }) => variant === 'fused')!;
    await bench.run([fusedCorrelation.dispatch(gpu(), params, { w: ws, x: xs, bias: ws, aux: ws, y }, choice)]);
    const found = await bench.floats(y);
    bench.release();
    return found;
  };
  // The second image, whose maps follow the first's; the second filter, whose taps follow the first's.
  const image = await spoilt(x.fill(Number.NaN, 60), w);
  expectClose(image.slice(0, 20), first, { absolute: 1e-5, relative: 1e-5 });
  expect(image.slice(40)).toEqual(new Float32Array(40).fill(Number.NaN));
  const filter = await spoilt(x.fill(1, 60), w.fill(Number.NaN, 27));
  expectClose(filter.slice(0, 20), first, { absolute: 1e-5, relative: 1e-5 });
  expect(filter.slice(20, 40)).toEqual(new Float32Array(20).fill(Number.NaN));
});

it('is of 3 x 3 taps, without strides and dilations', () => {
  const shape: Conv2dShape = {
    ...{ batch: 1, channels: 2, height: 9, width: 9, filters: 2, groups: 1 },
    ...{ kernel: [3, 3], pads: [0, 0, 0, 0], strides: [1, 1], dilations: [1, 1] },
  };
  expect(fusedComputes(shape)).toBe(true);
  for (const change of [
    { kernel: [3, 5] as const },
    { kernel: [1, 3] as const },
    { strides: [1, 2] as const },
    { strides: [2, 1] as const },
    { dilations: [1, 2] as const },
    { dilations: [2, 1] as const },
  ]) {
    expect(fusedComputes({ ...shape, ...change }), JSON.stringify(change)).toBe(false);
  }
});
