/** Long sums of few outputs in parts, as on discrete GPUs: what the second pass adds up to, and when there is one. */
import { describe, expect, it } from 'vitest';
import {
  conv2dFilterGradientReference,
  conv2dInputGradientReference,
  conv2dReference,
} from '../../src/check/reference/conv2d.ts';
import { normals } from '../../src/check/values.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { machineNamed } from '../../src/gpu/machine.ts';
import { type CompiledGraph, type CompileOptions, compile } from '../../src/graph/compile.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { type ContractionParams, contraction, depthOf } from '../../src/kernels/contraction/contraction.ts';
import { planSplit, splitDepth } from '../../src/kernels/contraction/split.ts';
import { conv2dFilterGradient, conv2dForward } from '../../src/kernels/conv2d/conv2d.ts';
import type { Conv2dShape } from '../../src/kernels/conv2d/shape.ts';
import type { Capabilities } from '../../src/kernels/kernel.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { matMul } from '../../src/operators/mat-mul/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';

/** A device that takes itself for a discrete GPU, with the texts for one. */
async function onDiscrete<T>(work: (gpu: Gpu) => Promise<T>, maxBinding?: number): Promise<T> {
  const gpu = await Gpu.open({
    tuning: false,
    kind: 'hardware',
    ...(maxBinding === undefined ? {} : { limits: { maxBinding } }),
  });
  try {
    const result = await work(gpu);
    gpu.check();
    return result;
  } finally {
    gpu.destroy();
  }
}

const isSecondPass = ({ label }: { label: string }) => label.startsWith('contraction/sum');
const random = new Random(testSeed);
const near = { absolute: 2e-3, relative: 1e-4 };

/** Compiles, runs twice with equal bits, and reads. */
async function ran(
  gpu: Gpu,
  options: CompileOptions,
  given: ReadonlyMap<Tensor, Float32Array<ArrayBuffer>>,
  read: (graph: CompiledGraph) => Promise<Float32Array>,
): Promise<{ values: Float32Array; secondPasses: number }> {
  const graph = await compile(gpu, options);
  for (const [tensor, values] of given) graph.write(tensor, values);
  const found = [];
  for (let run = 0; run < 2; run++) {
    await graph.run();
    found.push(await read(graph));
  }
  expect(found[1]).toEqual(found[0]);
  // Of the way back, where there is one.
  const first = options.loss === undefined ? 0 : graph.forwardDispatches;
  const secondPasses = graph.dispatches.slice(first).filter(isSecondPass).length;
  graph.destroy();
  return { values: found[0], secondPasses };
}

const conv1 = {
  ...{ batch: 12, channels: 3, height: 47, width: 51, filters: 5, kernel: [11, 11], strides: [4, 4] },
  ...{ pads: [0, 2, 1, 0], dilations: [1, 1], groups: 1 },
} as const satisfies Conv2dShape;
/** Deep and small, as of one image of a late layer. */
const late = {
  ...{ batch: 1, channels: 96, height: 7, width: 6, filters: 10, kernel: [3, 3], strides: [1, 1] },
  ...{ pads: [1, 1, 1, 1], dilations: [1, 1], groups: 1 },
} as const satisfies Conv2dShape;

function convolution(shape: Conv2dShape) {
  const { batch, channels, height, width, filters, kernel, strides, pads, groups } = shape;
  const count = (filters * channels * kernel[0] * kernel[1]) / groups;
  const values = { x: normals(random, batch * channels * height * width), w: normals(random, count) };
  const x = input('x', [batch, channels, height, width]);
  const w = new Parameter('w', [filters, channels / groups, ...kernel], values.w);
  const bias = new Parameter('b', [filters], normals(random, filters));
  return { x, w, bias, values, convolved: (from: Tensor = x) => conv2d(from, w, bias, { strides, pads, groups }) };
}

describe('the gradient of filters', () => {
  it.each([
    { what: 'one group', shape: conv1, inParts: true },
    { what: 'groups', shape: { ...conv1, channels: 6, height: 70, filters: 4, groups: 2 }, inParts: true },
    { what: 'too few places for parts', shape: { ...conv1, batch: 1, height: 15, width: 15 }, inParts: false },
    // Parts end within an image, and within a line of it.
    { what: 'a prime batch', shape: { ...conv1, batch: 13, height: 70 }, inParts: true },
    // Half of the images a binding, then the others, added to them.
    {
      what: 'windows',
      shape: { ...conv1, batch: 24, height: 70 },
      inParts: true,
      maxBinding: 4 * 3 * 70 * 51 * 12 + 256,
    },
  ])('$what, in parts: $inParts', async ({ shape, inParts, maxBinding }) => {
    await onDiscrete(async (gpu) => {
      const { x, w, values, convolved } = convolution(shape);
      const y = convolved();
      const upstream = input('upstream', y.shape);
      const dy = normals(random, y.size);
      const given = new Map([
        [x, values.x],
        [upstream, dy],
      ]);
      const options = { loss: y, upstream, gradients: [w] };
      const found = await ran(gpu, options, given, (graph) => graph.readGradient(w));
      expectClose(found.values, conv2dFilterGradientReference(shape, dy, values.x, w.size), near);
      const windows = maxBinding === undefined ? 1 : 2;
      const whole = conv2dFilterGradient({ ...shape, batch: shape.batch / windows }, false);
      const depth = splitDepth(gpu, whole);
      expect(depth < depthOf(whole)).toBe(inParts);
      // Whole slabs of every tile, so that no part pays for values beyond its end.
      if (inParts) expect(depth % 16).toBe(0);
      expect(found.secondPasses).toBe(inParts ? windows : 0);
    }, maxBinding);
  });
});

describe('a convolution of one image', () => {
  it.each([
    { what: 'of one group', shape: late },
    { what: 'of groups', shape: { ...late, groups: 2 } },
    { what: 'of strides', shape: { ...late, strides: [2, 2] as const, height: 13 } },
  ])('$what: forward, with its bias and ReLU', async ({ shape }) => {
    await onDiscrete(async (gpu) => {
      const { x, bias, values, convolved } = convolution(shape);
      const y = relu(convolved());
      const given = new Map([[x, values.x]]);
      const found = await ran(gpu, { outputs: [y] }, given, (graph) => graph.read(y));
      const expected = conv2dReference(shape, values.x, values.w, await bias.read(gpu), y.size);
      expectClose(
        found.values,
        Array.from(expected, (value) => Math.max(value, 0)),
        near,
      );
      expect(found.secondPasses).toBe(1);
    });
  });

  it('the gradient of its input, and of the ReLU before', async () => {
    const shape: Conv2dShape = { ...late, channels: 10, filters: 96 };
    await onDiscrete(async (gpu) => {
      const { x, values, convolved } = convolution(shape);
      const y = convolved(relu(x));
      const upstream = input('upstream', y.shape);
      const dy = normals(random, y.size);
      const given = new Map([
        [x, values.x],
        [upstream, dy],
      ]);
      const options = { loss: y, upstream, gradients: [x] };
      const found = await ran(gpu, options, given, (graph) => graph.readGradient(x));
      const dx = conv2dInputGradientReference(shape, dy, values.w);
      expectClose(
        found.values,
        Array.from(dx, (value, i) => (values.x[i] > 0 ? value : 0)),
        near,
      );
      expect(found.secondPasses).toBe(1);
    });
  });
});

describe('a product', () => {
  const sum = (count: number, term: (i: number) => number) => {
    let total = 0;
    for (let i = 0; i < count; i++) total += term(i);
    return total;
  };

  it.each([undefined, 4 * 1024 * 40 + 256])('of a fully connected layer, a binding of %s bytes', async (maxBinding) => {
    await onDiscrete(async (gpu) => {
      gpu.algorithms.set('linear', 'gemm-in-parts');
      const [batch, inputs, outputs] = [40, 1024, 70];
      const x = input('x', [batch, inputs]);
      const w = new Parameter('w', [outputs, inputs], normals(random, outputs * inputs));
      const bias = new Parameter('b', [outputs], normals(random, outputs));
      const y = linear(x, w, bias);
      const values = normals(random, x.size);
      const found = await ran(gpu, { outputs: [y] }, new Map([[x, values]]), (graph) => graph.read(y));
      const [ws, bs] = [await w.read(gpu), await bias.read(gpu)];
      const expected = Array.from({ length: batch * outputs }, (_, at) => {
        const [n, o] = [Math.floor(at / outputs), at % outputs];
        return bs[o] + sum(inputs, (i) => values[n * inputs + i] * ws[o * inputs + i]);
      });
      expectClose(found.values, expected, near);
      // One for each window of the weight's rows.
      expect(found.secondPasses).toBe(maxBinding === undefined ? 1 : 2);
    }, maxBinding);
  });

  it('of matrices, several of them', async () => {
    await onDiscrete(async (gpu) => {
      const [products, m, k, n] = [2, 5, 600, 7];
      const [a, b] = [input('a', [products, m, k]), input('b', [products, k, n])];
      const [as, bs] = [normals(random, a.size), normals(random, b.size)];
      const y = matMul(a, b);
      const given = new Map([
        [a, as],
        [b, bs],
      ]);
      const found = await ran(gpu, { outputs: [y] }, given, (graph) => graph.read(y));
      const expected = Array.from({ length: y.size }, (_, at) => {
        const [e, i, j] = [Math.floor(at / m / n), Math.floor(at / n) % m, at % n];
        return sum(k, (l) => as[(e * m + i) * k + l] * bs[(e * k + l) * n + j]);
      });
      expectClose(found.values, expected, near);
      expect(found.secondPasses).toBe(1);
    });
  });
});

/** Workgroups of the variant that is chosen for a contraction in the parts that are chosen for it. */
const workgroups = (adapter: Capabilities, whole: ContractionParams) => {
  const depth = splitDepth(adapter, whole);
  const { run } = depth < depthOf(whole) ? planSplit(whole, depth) : { run: whole };
  const choice = contraction.estimated(adapter, run);
  return contraction.variants.find(({ name }) => name === choice.variant)!.workgroups(run, choice.configuration);
};

it('gives four of five multiprocessors of an H100 work at least, and leaves software alone', async () => {
  const limits = { maxBinding: 2 ** 31 - 4, maxThreads: 1024, maxWorkgroupMemory: 49152, offsetAlignment: 256 };
  const h100 = { kind: 'hardware', subgroupWidth: 32, limits, machine: machineNamed('h100') } as const;
  const software = { ...h100, kind: 'software', subgroupWidth: 8, machine: undefined } as const;
  const alexnet1 = { ...conv1, height: 227, width: 227, filters: 96, pads: [0, 0, 0, 0] } as const;
  const alexnet3 = { ...late, channels: 256, height: 13, width: 13, filters: 384 } satisfies Conv2dShape;
  const vgg1 = { ...late, channels: 64, height: 224, width: 224, filters: 64 } satisfies Conv2dShape;
  for (const batch of [1, 10, 32]) {
    for (const shape of [alexnet1, alexnet3, vgg1].map((one) => ({ ...one, batch }))) {
      for (const params of [conv2dForward(shape, true), conv2dFilterGradient(shape, false)]) {
        expect(workgroups(h100, params), JSON.stringify(shape)).toBeGreaterThanOrEqual(0.8 * 132);
        expect(splitDepth(software, params)).toBe(depthOf(params));
      }
    }
  }
});
