/** What convolutions and fully connected layers apply to what they write: a residual, a channel's scale and shift, a map, the derivative of the map before. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter, type Shape, type Tensor } from '../../src/graph/tensor.ts';
import { contraction } from '../../src/kernels/contraction/contraction.ts';
import { transposeForward } from '../../src/kernels/transpose/transpose.ts';
import { affine } from '../../src/operators/affine/graph.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { batchNormalization } from '../../src/operators/batch-normalization/graph.ts';
import { type Conv2dOptions, conv2d } from '../../src/operators/conv2d/graph.ts';
import { elu } from '../../src/operators/elu/graph.ts';
import { leakyRelu } from '../../src/operators/leaky-relu/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { sigmoid } from '../../src/operators/sigmoid/graph.ts';
import { transpose } from '../../src/operators/transpose/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const random = new Random(testSeed);
const sizeOf = (shape: Shape) => shape.reduce((a, b) => a * b, 1);
const normals = (shape: Shape, scale = 1) =>
  Float32Array.from({ length: sizeOf(shape) }, () => scale * random.normal());

interface Case {
  readonly what: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly options?: Conv2dOptions;
  readonly bias?: boolean;
  readonly algorithm: string;
  /** part of the name of the kernel that applies it */
  readonly by: string;
}

const cases: readonly Case[] = [
  {
    what: 'tiles',
    x: [2, 64, 16, 15],
    w: [64, 64, 3, 3],
    options: { pads: [1, 1, 1, 1] },
    algorithm: 'winograd',
    by: 'conv2d/winograd-output',
  },
  {
    what: 'a direct convolution',
    x: [2, 16, 24, 40],
    w: [20, 8, 1, 3],
    options: { pads: [0, 1, 0, 1], groups: 2 },
    algorithm: 'direct',
    by: 'conv2d/direct',
  },
  {
    what: 'a contraction of groups',
    x: [3, 8, 13, 11],
    w: [6, 4, 3, 2],
    options: { strides: [2, 1], dilations: [1, 2], groups: 2 },
    bias: true,
    algorithm: 'implicit-gemm',
    by: 'contraction',
  },
  { what: 'a product an image', x: [2, 256, 14, 14], w: [192, 256, 1, 1], algorithm: 'pointwise', by: 'gemm/packed' },
];

interface Network {
  readonly x: Tensor;
  readonly convolved: Tensor;
  readonly y: Tensor;
  /** inputs beside x */
  readonly others: readonly Tensor[];
}

/** The same network twice: as it is, and with the convolution's own values read, so that all stands apart. */
async function bothWays(device: Gpu, { x, convolved, y, others }: Network, gradients: readonly Tensor[]) {
  const upstream = input('upstream', y.shape);
  const inputs = [x, ...others, upstream];
  const values = inputs.map(({ shape }) => normals(shape));
  const run = async (outputs: readonly Tensor[]) => {
    const asked = gradients.length > 0 ? { loss: y, upstream, gradients } : {};
    const graph = await compile(device, { ...asked, outputs });
    inputs.forEach((tensor, i) => {
      if (gradients.length > 0 || tensor !== upstream) graph.write(tensor, values[i]);
    });
    await graph.run();
    const found = [await graph.read(y)];
    for (const tensor of gradients) found.push(await graph.readGradient(tensor));
    const kernels = graph.dispatches.map(({ label }) => label);
    graph.destroy();
    device.check();
    return { found, kernels };
  };
  const [together, apart] = [await run([y]), await run([y, convolved])];
  together.found.forEach((values, i) => {
    expect(values.some((value) => value !== 0)).toBe(true);
    expectClose(values, apart.found[i], { absolute: 2e-4, relative: 1e-5 }, i === 0 ? 'y' : gradients[i - 1].name);
  });
  return { together: together.kernels, apart: apart.kernels };
}

function convolution({ x: shape, w, options, bias }: Case) {
  const x = input('x', shape);
  const filters = new Parameter('w', w, normals(w, 0.2));
  const b = bias ? new Parameter('b', [w[0]], normals([w[0]])) : undefined;
  return { x, filters, convolved: conv2d(x, filters, b, options) };
}

function residual(one: Case): Network & { filters: Parameter; other: Tensor } {
  const { x, filters, convolved } = convolution(one);
  const other = input('other', convolved.shape);
  return { x, filters, convolved, other, y: relu(add(convolved, other)), others: [other] };
}

/** By this algorithm on a software rasteriser; and as a discrete GPU does it, in windows of one image and a few filters. */
async function onEach(one: Case, work: (device: Gpu, by: string | undefined) => Promise<void>): Promise<void> {
  const [image, output] = [one.x, convolution(one).convolved.shape].map((shape) => sizeOf(shape) / shape[0]);
  const maxBinding = 512 + 256 * Math.ceil((4 * Math.max(image, output)) / 256);
  const forced = { algorithms: { 'conv2d forward': one.algorithm }, kind: 'software' } as const;
  for (const options of [forced, { kind: 'hardware', limits: { maxBinding } }] as const) {
    const device = await Gpu.open({ tuning: false, ...options });
    await work(device, options === forced ? one.by : undefined);
    device.destroy();
  }
}

describe.each(['vectors', 'gemm', 'gemm-packed'])('a fully connected layer by %s', (algorithm) => {
  it.each([
    [7, 40, 36],
    [70, 128, 144],
  ])('of %i items applies a residual, and the ReLU behind it', async (batch, inputs, outputs) => {
    const row = 4 * inputs;
    const maxBinding =
      256 * Math.ceil(Math.max(4 * batch * Math.max(inputs, outputs), (row * outputs) / 2) / 256) + 512;
    const forced = { algorithms: { 'linear forward': algorithm }, kind: 'software' } as const;
    for (const options of [forced, { ...forced, limits: { maxBinding } }, { kind: 'hardware' }] as const) {
      const device = await Gpu.open({ tuning: false, ...options });
      const x = input('x', [batch, inputs]);
      const [weight, bias] = [[outputs, inputs], [outputs]].map((shape) => new Parameter('p', shape, normals(shape)));
      const layer = linear(x, weight, bias);
      const other = input('other', layer.shape);
      const network = { x, convolved: layer, y: relu(add(layer, other)), others: [other] };
      const { together } = await bothWays(device, network, [x, other]);
      expect(together.filter((label) => label.includes('+ add'))).not.toEqual([]);
      expect(
        together.filter((label) => /^(add|binary|relu\/forward)/.test(label) && label.includes('forward')),
      ).toEqual([]);
      for (const parameter of [weight, bias]) parameter.release(device);
      device.destroy();
    }
  });
});

describe.each(cases)('a convolution by $what applies', (one) => {
  const applies = (kernels: readonly string[], name: string, by = '') => {
    const those = kernels.filter((label) => label.includes(`+ ${name}`));
    expect(those).not.toEqual([]);
    for (const label of those) expect(label.startsWith(by), label).toBe(true);
  };

  it('a residual and the ReLU behind it, forward and backward', async () => {
    await onEach(one, async (device, by) => {
      const network = residual(one);
      const { together, apart } = await bothWays(device, network, [network.x, network.filters, network.other]);
      applies(together, 'add', by);
      const passes = (kernels: readonly string[]) =>
        kernels.filter((label) => /^(add|binary|relu\/forward)/.test(label));
      expect(passes(together).filter((label) => label.includes('forward'))).toEqual([]);
      expect(passes(apart).length).toBeGreaterThan(passes(together).length);
      network.filters.release(device);
    });
  });

  it('constants of each channel, and a sigmoid behind them', async () => {
    await onEach(one, async (device, by) => {
      const { x, filters, convolved } = convolution(one);
      const channels = convolved.shape[1];
      const scaled = affine(convolved, [...normals([channels])], [...normals([channels])]);
      const { together } = await bothWays(device, { x, convolved, y: sigmoid(scaled), others: [] }, [x, filters]);
      applies(together, 'affine + sigmoid', by);
      expect(together.filter((label) => /^(affine|sigmoid)\/forward/.test(label))).toEqual([]);
      filters.release(device);
    });
  });

  it('batch normalisation by statistics that stand still, where its scale is not trained', async () => {
    await onEach(one, async (device, by) => {
      const { x, filters, convolved } = convolution(one);
      const shape = [convolved.shape[1]];
      const positive = normals(shape).map((value) => 0.5 + value ** 2);
      const each = ['scale', 'shift', 'mean'].map((name) => new Parameter(name, shape, normals(shape)));
      const [scale, shift, mean] = each;
      const variance = new Parameter('variance', shape, positive);
      const y = batchNormalization(convolved, scale, shift, mean, variance);
      const { together } = await bothWays(device, { x, convolved, y, others: [] }, []);
      applies(together, 'batch normalisation', by);
      expect(together.filter((label) => label.startsWith('affine/forward'))).toEqual([]);
      // Its scale's gradient reads what the convolution writes.
      const graph = await compile(device, { loss: y, upstream: input('v', y.shape), gradients: [scale] });
      expect(graph.dispatches.filter(({ label }) => label.includes('+ batch normalisation'))).toEqual([]);
      graph.destroy();
      for (const parameter of [filters, ...each, variance]) parameter.release(device);
    });
  });

  const maps = [
    { name: 'leaky-relu', map: (x: Tensor) => leakyRelu(x, 0.3) },
    { name: 'elu', map: (x: Tensor) => elu(x, 0.7) },
    { name: 'sigmoid', map: (x: Tensor) => sigmoid(x) },
  ];
  it.each(one === cases[1] ? maps : maps.slice(0, 1))('the derivative of $name before it', async ({ name, map }) => {
    await onEach(one, async (device) => {
      const x = input('x', one.x);
      const active = map(affine(x, [2], [0.1]));
      const filters = new Parameter('w', one.w, normals(one.w, 0.2));
      const y = conv2d(active, filters, undefined, one.options);
      const upstream = input('v', y.shape);
      const [xs, vs] = [normals(x.shape), normals(y.shape)];
      const gradient = async (asked: readonly Tensor[]) => {
        const graph = await compile(device, { loss: y, upstream, gradients: [x, ...asked] });
        graph.write(x, xs);
        graph.write(upstream, vs);
        await graph.run();
        const found = await graph.readGradient(x);
        const passes = graph.dispatches.filter(({ label }) => label.startsWith(`${name}/backward`)).length;
        const applied = graph.dispatches.filter(({ label }) => label.includes(`+ derivative of ${name}`)).length;
        graph.destroy();
        return { found, passes, applied };
      };
      const [together, apart] = [await gradient([]), await gradient([active])];
      expect([together.passes, apart.applied]).toEqual([0, 0]);
      expect(together.applied).toBeGreaterThan(0);
      expect(apart.passes).toBeGreaterThan(0);
      expectClose(together.found, apart.found, { absolute: 1e-4, relative: 1e-5 });
      filters.release(device);
    });
  });
});

describe('a residual is added by a pass of its own', () => {
  const added = async (y: Tensor, outputs: readonly Tensor[] = []) => {
    const graph = await compile(gpu(), { outputs: [y, ...outputs] });
    const count = graph.dispatches.filter(({ label }) => label.includes('+ add')).length;
    graph.destroy();
    return count;
  };
  const [one] = cases;

  it('where the convolution is read by others, or wanted', async () => {
    const { convolved, y, other } = residual(one);
    expect(await added(y)).toBe(1);
    expect(await added(y, [convolved])).toBe(0);
    expect(await added(add(y, affine(convolved, [2], [0])))).toBe(0);
    expect(await added(add(convolved, convolved))).toBe(0);
    expect(await added(add(other, convolved))).toBe(1);
  });

  it('where it is made only after the convolution: the later of the two adds the earlier', async () => {
    const { x, convolved, filters } = convolution(one);
    const later = affine(x, [3], [0]);
    expect(await added(add(convolved, later))).toBe(0);
    const both = add(convolved, conv2d(x, filters, undefined, one.options));
    expect(await added(both)).toBe(1);
  });

  it('where it is repeated along a dimension', async () => {
    const { convolved } = convolution(one);
    expect(await added(add(convolved, input('channels', [2, 64, 1, 1])))).toBe(0);
  });

  it('by a transposition, which has no operand', async () => {
    const y = transpose(input('x', [3, 24, 8]), [0, 2, 1]);
    expect(await added(add(y, input('other', [3, 8, 24])))).toBe(0);
  });
});

it('a text that cannot apply it says so', () => {
  const combination = { name: 'add', wgsl: 'value + operand', operand: 'place' } as const;
  const [{ name: variant, configurations }] = transposeForward.variants;
  const choice = { variant, configuration: configurations[0] };
  expect(() => transposeForward.source(choice, { combination })).toThrow(/transpose\/forward plain cannot apply add/);
  for (const { name: variant, configurations } of contraction.variants) {
    const text = contraction.source({ variant, configuration: configurations[0] }, { combination });
    expect(text).toContain('let operand = operand_at(place); return value + operand;');
  }
});
