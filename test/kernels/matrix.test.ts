/**
 * The contraction by matrix units: its text compiles on Dawn's null backend, which checks WGSL and pipelines without a
 * driver; what lies around the products is computed on halves by ./halves.test.ts, without the units; and it is refused where
 * there are none.
 */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { conv2dForward } from '../../src/kernels/conv2d/conv2d.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import type { Capabilities } from '../../src/kernels/kernel.ts';
import { nullAdapter } from '../support/null-device.ts';

const variant = contraction.variants.find(({ name }) => name === 'matrix')!;
const byUnits = variant.configurations.filter(({ units }) => units === 1);

describe('by matrix units', () => {
  const device = nullAdapter('enable-dawn-features=allow_unsafe_apis').then((adapter) =>
    adapter.requestDevice({
      requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[],
      requiredLimits: { maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize },
    }),
  );

  it.each(byUnits)('bounds $bounds, a_inner $a_inner, b_inner $b_inner is a pipeline', async (configuration) => {
    const halves = new Set(['a', 'b', 'aux', 'c']);
    const code = contraction.source({ variant: 'matrix', configuration }, undefined, halves);
    expect(code).toContain('subgroupMatrixMultiplyAccumulate');
    const module = (await device).createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    expect(messages.map(({ type, message }) => `${type}: ${message}`)).toEqual([]);
    const compute = { module, entryPoint: 'main' };
    await (await device).createComputePipelineAsync({ layout: 'auto', compute });
  });
});

const shape: Conv2dShape = {
  ...{ batch: 2, channels: 8, height: 9, width: 9, filters: 6, groups: 1 },
  ...{ kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] },
};

it('is taken on an adapter that has the units, where both operands are halves, and nowhere else', () => {
  const limits = { maxBinding: 2 ** 27, maxThreads: 1024, maxWorkgroupMemory: 2 ** 15, offsetAlignment: 256 };
  const adapter: Capabilities = { kind: 'hardware', subgroupWidth: 32, limits, subgroupMatrices: true };
  const params = conv2dForward(shape, true);
  const variants = (capabilities: Capabilities, ...halves: string[]) =>
    contraction.choices(capabilities, params, new Set(halves)).map((choice) => choice.variant);
  expect(variants(adapter, 'a', 'b', 'c')).toContain('matrix');
  expect(variants(adapter, 'a', 'c')).not.toContain('matrix');
  expect(variants(adapter)).not.toContain('matrix');
  expect(variants({ ...adapter, subgroupMatrices: false }, 'a', 'b', 'c')).not.toContain('matrix');
  expect(variants({ ...adapter, subgroupWidth: 16 }, 'a', 'b', 'c')).not.toContain('matrix');
});

it('is refused by name where an adapter has none', async () => {
  await expect(Gpu.open({ precision: 'f16', subgroupMatrices: true })).rejects.toThrow(
    /has no chromium-experimental-subgroup-matrix.*Unset it, or use another adapter/,
  );
});
