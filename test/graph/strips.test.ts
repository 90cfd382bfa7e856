/** Convolution in strips whose images pass a binding: gradients of the weight add up over windows of the batch. */
import { expect, it } from 'vitest';
import {
  conv2dFilterGradientReference,
  conv2dInputGradientReference,
  conv2dReference,
} from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { conv2d } from '../../src/graph/ops/conv2d.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { paddedImageBytes } from '../../src/kernels/conv2d/strips/plan.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';

const three = { batch: 5, channels: 3, height: 37, width: 41, filters: 7, kernel: [3, 3], strides: [1, 1] };
const shapes = [three, { ...three, channels: 4, filters: 6, groups: 2 }];

it.each(shapes)('x [$batch, $channels, $height, $width]', async (row) => {
  const shape = { groups: 1, dilations: [1, 1], pads: [1, 1, 1, 1], ...row } as unknown as Conv2dShape;
  const { batch, channels, height, width, filters, groups, kernel, strides, pads } = shape;
  const one = paddedImageBytes({ ...shape, batch: 1 });
  const gpu = await Gpu.open({ tuning: false, limits: { maxBinding: 256 * Math.ceil((2 * one) / 256) + 256 } });
  try {
    const random = new Random(testSeed);
    const x = input('x', [batch, channels, height, width]);
    const ws = normals(random, (filters * channels * kernel[0] * kernel[1]) / groups);
    const biases = normals(random, filters);
    const w = new Parameter('w', [filters, channels / groups, ...kernel], ws);
    const y = conv2d(x, w, new Parameter('bias', [filters], biases), { strides, pads, groups });
    const upstream = input('upstream', y.shape);
    const graph = await compile(gpu, { loss: y, upstream, outputs: [y], gradients: [x, w] });
    const [xs, dys] = [normals(random, x.size), normals(random, y.size)];
    graph.write(x, xs);
    graph.write(upstream, dys);
    await graph.run();
    const runs = graph.dispatches.filter(({ label }) => label.startsWith('conv2d/strips-filter-gradient')).length;
    // Where there are no subgroups of one width, layers go by the contraction.
    expect(runs).toBe(gpu.kind !== 'hardware' && gpu.subgroupWidth > 0 ? 3 : 0);
    const tolerance = { absolute: 1e-3, relative: 1e-4 };
    expectClose(await graph.read(y), conv2dReference(shape, xs, ws, biases, y.size), tolerance);
    expectClose(await graph.readGradient(x), conv2dInputGradientReference(shape, dys, ws), tolerance);
    expectClose(await graph.readGradient(w), conv2dFilterGradientReference(shape, dys, xs, w.size), tolerance);
    graph.destroy();
  } finally {
    gpu.destroy();
  }
});
