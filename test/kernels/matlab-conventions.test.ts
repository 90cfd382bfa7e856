/** MATLAB's conventions on the device, each with numbers worked out by hand; docs/conventions.md names the sources. */
import { describe, expect, it } from 'vitest';
import { runCases } from '../../src/check/run-cases.ts';
import { type AugmentPreset, augmentPresets, drawTransforms } from '../../src/data/augment.ts';
import { affineSampleKernel, normalisationParams } from '../../src/kernels/augment/augment.ts';
import { dropoutForward, dropoutParams } from '../../src/kernels/dropout/dropout.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { lrnForward } from '../../src/kernels/lrn/lrn.ts';
import type { Words } from '../../src/kernels/run.ts';
import { sgdm } from '../../src/kernels/sgdm/sgdm.ts';
import { packStep } from '../../src/kernels/step.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

/** The outputs of one run of the plain variant. */
async function run(
  kernel: Kernel,
  params: Record<string, number>,
  inputs: Record<string, Words>,
  outputs: Record<string, number | Words>,
): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const testCase = { name: kernel.name, kernel, params, inputs, outputs };
  const [{ words }] = await runCases(gpu(), [{ testCase, choice: { variant: 'plain', configuration: {} } }]);
  return Object.fromEntries(Object.entries(words).map(([name, { buffer }]) => [name, new Float32Array(buffer)]));
}

describe('crosschannelnorm: x / (K + alpha ss / windowSize)^beta', () => {
  it('divides alpha by the size, also where the window hangs over the channels', async () => {
    // Window 3, K = 2, alpha = 6, beta = 1: alpha / size = 2; sums of squares 1+4, 1+4+9, 4+9.
    const params = { batch: 1, channels: 3, plane: 1, size: 3, alpha: 6, beta: 1, bias: 2 };
    const { y } = await run(lrnForward, params, { x: Float32Array.of(1, 2, 3) }, { y: 3 });
    expectClose(y, [1 / (2 + 10), 2 / (2 + 28), 3 / (2 + 26)], { absolute: 0, relative: 1e-6 });
  });

  it("has the power 3/4 of the layer's default", async () => {
    // K + alpha ss = 16 and 16^(3/4) = 8.
    const params = { batch: 1, channels: 1, plane: 2, size: 1, alpha: 1.25, beta: 0.75, bias: 11 };
    const { y } = await run(lrnForward, params, { x: Float32Array.of(2, -2) }, { y: 2 });
    expectClose(y, [2 / 8, -2 / 8], { absolute: 0, relative: 1e-6 });
  });
});

describe('sgdm with factors: v <- m v - a (gradient + lambda w), w <- w + v', () => {
  const step = packStep({ learningRate: 0.125, momentum: 0.5, weightDecay: 0.25, step: 0, seed: 0 });
  const twoSteps = async (mask: number, decay_factor: number) => {
    let [w, v] = [Float32Array.of(8), Float32Array.of(0)];
    const seen: number[][] = [];
    for (const gradient of [2, 4]) {
      const inputs = { g: Float32Array.of(gradient), step };
      const out = await run(sgdm, { count: 1, mask, decay_factor }, inputs, { w, v });
      [w, v] = [out['w'], out['v']];
      seen.push([w[0], v[0]]);
    }
    return seen;
  };

  it('factor 1: the rate multiplies gradient and decay', async () => {
    // v = -0.125 (2 + 0.25 8) = -0.5, w = 7.5; v = -0.25 - 0.125 (4 + 0.25 7.5) = -0.984375, w = 6.515625.
    expect(await twoSteps(1, 1)).toEqual([
      [7.5, -0.5],
      [6.515625, -0.984375],
    ]);
  });

  it('factor 10: ten times the whole step, not ten times the momentum', async () => {
    // v = -1.25 4 = -5, w = 3; v = -2.5 - 1.25 (4 + 0.75) = -8.4375, w = -5.4375.
    expect(await twoSteps(10, 1)).toEqual([
      [3, -5],
      [-5.4375, -8.4375],
    ]);
  });

  it('factor 0: neither gradient nor decay moves the weight', async () => {
    expect(await twoSteps(0, 1)).toEqual([
      [8, 0],
      [8, 0],
    ]);
  });

  it('a bias has no decay: BiasL2Factor 0', async () => {
    // v = -0.125 2 = -0.25, w = 7.75; v = -0.125 - 0.125 4 = -0.625, w = 7.125.
    expect(await twoSteps(1, 0)).toEqual([
      [7.75, -0.25],
      [7.125, -0.625],
    ]);
  });
});

describe('imageDataAugmenter: reflection, translation, scale; black outside, before the mean is subtracted', () => {
  const { none } = augmentPresets;
  /** One row of five grey pixels through a drawn transform, the mean 10 subtracted. */
  const augmented = async (change: Partial<AugmentPreset>) => {
    const size = { height: 1, width: 5 };
    const preset: AugmentPreset = { ...none, ...change };
    const transform = drawTransforms(preset, { seed: 1, epoch: 0, samples: [0], ...size });
    const images = Uint32Array.of(10, 20, 30, 40, 50).map((grey) => grey * 0x010101);
    const look = normalisationParams({ channelOrder: 'rgb', scale: 1, mean: [10], std: [1] });
    const { y } = await run(
      affineSampleKernel,
      { batch: 1, channels: 1, ...size, out_height: 1, out_width: 5, fill: preset.fill, ...look },
      { images, source: Uint32Array.of(0), transform },
      { y: 5 },
    );
    return y;
  };

  it('reflects left to right', async () => {
    expectClose(await augmented({ reflectX: 1 }), [40, 30, 20, 10, 0]);
  });

  it('moves to the right for a positive translation; what enters is 0 less the mean', async () => {
    // Right by 0.4 of five pixels and down by 0.4 of one: 0.6 of the row is left, the rest is black.
    expectClose(await augmented({ translate: [0.4, 0.4] }), [-10, -10, 0.6 * 10 - 10, 0.6 * 20 - 10, 0.6 * 30 - 10]);
  });

  it('shows the image larger for a factor above 1, about its centre', async () => {
    // Factor 2: the output pixels 0..4 show the input at 1, 1.5, 2, 2.5, 3.
    expectClose(await augmented({ scale: [2, 2] }), [10, 15, 20, 25, 30]);
  });

  it('shows it smaller below 1, with black at the sides', async () => {
    // Factor 1/2: at -2, 0, 2, 4, 6.
    expectClose(await augmented({ scale: [0.5, 0.5] }), [-10, 0, 20, 40, -10]);
  });
});

it('dropoutLayer scales what is kept by 1 / (1 - probability)', async () => {
  const step = packStep({ learningRate: 0, momentum: 0, weightDecay: 0, step: 0, seed: 3 });
  const x = new Float32Array(64).fill(3);
  const { y } = await run(
    dropoutForward,
    { count: 64, first: 0, stream: 0, ...dropoutParams(0.25) },
    { x, step },
    { y: 64 },
  );
  expect([...new Set(y)].sort()).toEqual([0, 4]);
});
