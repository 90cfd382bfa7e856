/** Direct convolution whose images pass a binding: gradients of the weight add up over windows of the batch. */
import { expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { paddedImageBytes } from '../../src/kernels/conv2d/direct/plan.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { runConvolution } from '../support/convolution.ts';
import { testSeed } from '../support/gpu.ts';

const three = { batch: 5, channels: 3, height: 37, width: 41, filters: 7, kernel: [3, 3], strides: [1, 1] };
const shapes = [three, { ...three, channels: 4, filters: 6, groups: 2 }];

it.each(shapes)('x [$batch, $channels, $height, $width]', async (row) => {
  const shape = { groups: 1, dilations: [1, 1], pads: [1, 1, 1, 1], ...row } as unknown as Conv2dShape;
  const one = paddedImageBytes({ ...shape, batch: 1 });
  const gpu = await Gpu.open({
    tuning: false,
    algorithms: { conv2d: 'direct' },
    limits: { maxBinding: 256 * Math.ceil((2 * one) / 256) + 256 },
  });
  try {
    const { graph, results } = await runConvolution(gpu, shape, new Random(testSeed));
    const runs = graph.dispatches.filter(({ label }) => label.startsWith('conv2d/direct-filter-gradient')).length;
    // Where there are no subgroups of one width, layers go by the contraction.
    expect(runs).toBe(gpu.kind !== 'hardware' && gpu.subgroupWidth > 0 ? 3 : 0);
    for (const { found, expected } of results) expectClose(found, expected, { absolute: 1e-3, relative: 1e-4 });
    graph.destroy();
  } finally {
    gpu.destroy();
  }
});
