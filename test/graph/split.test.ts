/** The gradient of filters in parts, as on discrete GPUs: what the second pass adds up to, and when there is one. */
import { expect, it } from 'vitest';
import { conv2dFilterGradientReference } from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { conv2d } from '../../src/graph/ops/conv2d.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { filterGradientParts } from '../../src/kernels/conv2d/split.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';

/** A device that takes itself for a discrete GPU, with the texts for one. */
async function discrete(maxBinding?: number): Promise<Gpu> {
  const gpu = await Gpu.open({ tuning: false, ...(maxBinding === undefined ? {} : { limits: { maxBinding } }) });
  Object.defineProperty(gpu, 'kind', { value: 'hardware' });
  return gpu;
}

const conv1 = {
  ...{ batch: 12, channels: 3, height: 47, width: 51, filters: 5, kernel: [11, 11], strides: [4, 4] },
  ...{ pads: [0, 2, 1, 0], dilations: [1, 1], groups: 1 },
} as const satisfies Conv2dShape;

it.each([
  { what: 'one group', shape: conv1, parts: 2 },
  { what: 'groups, an image a part', shape: { ...conv1, channels: 6, height: 70, filters: 4, groups: 2 }, parts: 12 },
  { what: 'too few places for more than one', shape: { ...conv1, height: 15, width: 15 }, parts: 1 },
  { what: 'a prime batch', shape: { ...conv1, batch: 13, height: 70 }, parts: 13 },
  // Half of the images a binding, then the others, added to them.
  { what: 'windows', shape: { ...conv1, batch: 24, height: 70 }, parts: 2, maxBinding: 4 * 3 * 70 * 51 * 12 + 256 },
])('$what: $parts parts', async ({ shape, parts, maxBinding }) => {
  const gpu = await discrete(maxBinding);
  const { batch, channels, height, width, filters, kernel, strides, pads, groups } = shape;
  const random = new Random(5);
  const x = input('x', [batch, channels, height, width]);
  const w = new Parameter(
    'w',
    [filters, channels / groups, ...kernel],
    normals(random, (filters * channels * 121) / groups),
  );
  const y = conv2d(x, w, undefined, { strides, pads, groups });
  const upstream = input('upstream', y.shape);
  const graph = await compile(gpu, { loss: y, upstream, gradients: [w] });
  try {
    const [xs, dys] = [normals(random, x.size), normals(random, y.size)];
    graph.write(x, xs);
    graph.write(upstream, dys);
    const gradients = [];
    for (let run = 0; run < 2; run++) {
      await graph.run();
      gradients.push(await graph.readGradient(w));
    }
    const expected = conv2dFilterGradientReference(shape, dys, xs, w.size);
    expectClose(gradients[0], expected, { absolute: 1e-3, relative: 1e-4 });
    expect(gradients[1]).toEqual(gradients[0]);
    const windows = maxBinding === undefined ? 1 : 2;
    expect(filterGradientParts(gpu, { ...shape, batch: batch / windows })).toBe(parts);
    const second = graph.dispatches.filter(({ label }) => label.startsWith('bias/gradient'));
    expect(second).toHaveLength(parts === 1 ? 0 : windows);
  } finally {
    graph.destroy();
    gpu.check();
    gpu.destroy();
  }
});

it('leaves AlexNet alone where the outputs keep a GPU busy, and on software', async () => {
  const gpu = await discrete();
  const alexnet = { ...conv1, batch: 10, height: 227, width: 227, filters: 96, pads: [0, 0, 0, 0] as const };
  expect(filterGradientParts(gpu, alexnet)).toBe(2);
  expect(filterGradientParts(gpu, { ...alexnet, batch: 128 })).toBe(16);
  const wide = { ...alexnet, channels: 256, filters: 384, kernel: [3, 3] as const, strides: [1, 1] as const };
  expect(filterGradientParts(gpu, { ...wide, height: 13, width: 13 })).toBe(2);
  expect(filterGradientParts(gpu, { ...wide, height: 13, width: 13, channels: 512 })).toBe(1);
  expect(filterGradientParts({ ...gpu, kind: 'software', subgroupWidth: 8, limits: gpu.limits }, alexnet)).toBe(1);
  gpu.destroy();
});
