/** Updates where gradients are finished: in which graphs, and that they are those of gradients in memory, to the bit. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { compile, type Optimizer } from '../../src/graph/compile.ts';
import { input, type Mask, Parameter, type Shape, type Tensor } from '../../src/graph/tensor.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { type Conv2dOptions, conv2d } from '../../src/operators/conv2d/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const sizeOf = (shape: Shape) => shape.reduce((a, b) => a * b, 1);

interface Layer {
  readonly what: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly options?: Conv2dOptions;
  /** of the filter gradient; `hardware`: as a discrete GPU does it */
  readonly algorithm: string;
  readonly hardware?: true;
  /** the kernel that updates the weight */
  readonly by: string;
}

const layers: readonly Layer[] = [
  {
    what: 'tiles',
    x: [2, 32, 16, 15],
    w: [32, 32, 3, 3],
    options: { pads: [1, 1, 1, 1] },
    algorithm: 'winograd',
    by: 'conv2d/winograd-filter-gradient',
  },
  {
    what: 'tiles of phases',
    x: [2, 3, 23, 23],
    w: [16, 3, 7, 7],
    options: { strides: [2, 2] },
    algorithm: 'winograd',
    by: 'conv2d/phases-backward',
  },
  {
    what: 'the direct way',
    x: [2, 16, 24, 40],
    w: [20, 8, 1, 3],
    options: { pads: [0, 1, 0, 1], groups: 2 },
    algorithm: 'direct',
    by: 'conv2d/direct-filter-gradient',
  },
  {
    what: 'the contraction, of groups',
    x: [3, 8, 13, 11],
    w: [6, 4, 3, 2],
    options: { strides: [2, 1], dilations: [1, 2], groups: 2 },
    algorithm: 'implicit-gemm',
    by: 'contraction',
  },
  {
    what: 'the contraction in parts',
    x: [4, 3, 40, 40],
    w: [8, 3, 3, 3],
    algorithm: 'implicit-gemm-in-parts',
    hardware: true,
    by: 'contraction/sum',
  },
];

const eachElement = (size: number) => Float32Array.from({ length: size }, (_, i) => [0, 1, 0.5, 10][(i / 5) & 3]);
const settings: readonly { optimizer: Optimizer; mask: (size: number) => Mask; what: string }[] = [
  { optimizer: 'sgdm', mask: () => 10, what: 'sgdm, a mask of 10' },
  { optimizer: 'sgdm', mask: eachElement, what: 'sgdm, a mask for every element' },
  { optimizer: 'adam', mask: () => 0.5, what: 'adam, a mask of 0.5' },
  { optimizer: 'adamw', mask: eachElement, what: 'adamw, a mask for every element' },
];

/** Kernels that update, by what they are called before '+'. */
const updating = /\+ (sgdm|adam)/;
const passes = /^(sgdm|adam)\//;

interface Built {
  readonly parameters: readonly Parameter[];
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Three steps; all that they leave, as bits, and the kernels that ran. */
async function train(device: Gpu, build: () => Built, update: Optimizer, asked: boolean) {
  const { parameters, x, y } = build();
  const upstream = input('upstream', y.shape);
  const draw = new Random(testSeed);
  const of = (tensor: Tensor) => Float32Array.from({ length: tensor.size }, () => draw.normal());
  const gradients = asked ? parameters : [];
  const graph = await compile(device, { loss: y, upstream, update, gradients });
  for (const tensor of [x, upstream]) graph.write(tensor, of(tensor));
  for (let step = 0; step < 3; step++) {
    graph.setStep({ learningRate: 0.01, momentum: 0.9, weightDecay: 0.1, step, seed: 1, epsilon: 1e-3 });
    await graph.run();
  }
  const state = (await graph.readState()).map((part) => new Uint32Array(part));
  const labels = graph.dispatches.map(({ label }) => label);
  graph.destroy();
  for (const parameter of parameters) parameter.release(device);
  device.check();
  return { state: state.map((words) => words.join()).sort(), labels };
}

const parametersOf = (w: Shape, mask: (size: number) => Mask) => {
  const draw = new Random(testSeed);
  const values = (shape: Shape) => Float32Array.from({ length: sizeOf(shape) }, () => draw.normal());
  return [w, [w[0]]].map(
    (shape, i) =>
      new Parameter(i === 0 ? 'w' : 'b', shape, values(shape), { mask: mask(sizeOf(shape)), decayFactor: 1 - i }),
  );
};

async function onDevice(layer: Pick<Layer, 'algorithm' | 'hardware'>, work: (device: Gpu) => Promise<void>) {
  const forced = { algorithms: { 'conv2d filter gradient': layer.algorithm }, tuning: false } as const;
  const device = await Gpu.open(layer.hardware ? { ...forced, kind: 'hardware' } : { ...forced, kind: 'software' });
  try {
    await work(device);
  } finally {
    device.destroy();
  }
}

describe.each(layers)('a convolution by $what', (layer) => {
  it.each(settings)('updates where its gradients are finished, as apart: $what', async ({ optimizer, mask }) => {
    await onDevice(layer, async (device) => {
      const build = () => {
        const parameters = parametersOf(layer.w, mask);
        const x = input('x', layer.x);
        return { parameters, x, y: conv2d(x, parameters[0], parameters[1], layer.options) };
      };
      const together = await train(device, build, optimizer, false);
      const apart = await train(device, build, optimizer, true);
      expect(apart.labels.filter((label) => passes.test(label))).toHaveLength(2);
      expect(apart.labels.filter((label) => updating.test(label))).toEqual([]);
      expect(together.labels.filter((label) => passes.test(label))).toEqual([]);
      const updates = together.labels.filter((label) => updating.test(label)).map((label) => label.split(' ')[0]);
      expect(updates.sort()).toEqual([layer.by, 'bias/gradient'].sort());
      expect(together.state).toEqual(apart.state);
    });
  });
});

describe('a fully connected layer', () => {
  it.each(settings.slice(1))('updates where products are finished, as apart: $what', async ({ optimizer, mask }) => {
    const build = () => {
      const parameters = parametersOf([6, 10], mask);
      const x = input('x', [7, 10]);
      return { parameters, x, y: linear(x, parameters[0], parameters[1]) };
    };
    const together = await train(gpu(), build, optimizer, false);
    const apart = await train(gpu(), build, optimizer, true);
    expect(together.labels.filter((label) => updating.test(label))).toHaveLength(2);
    expect(together.labels.filter((label) => passes.test(label))).toEqual([]);
    expect(apart.labels.filter((label) => passes.test(label))).toHaveLength(2);
    expect(together.state).toEqual(apart.state);
  });
});

it.each(['implicit-gemm', 'direct', 'winograd', 'winograd-fused'])(
  'a gradient that windows of images add up is in memory, and its update apart: %s',
  async (algorithm) => {
    const shape = [4, 2, 30, 30];
    const build = () => {
      const parameters = parametersOf([3, 2, 3, 3], () => 1);
      const x = input('x', shape);
      return { parameters, x, y: conv2d(x, parameters[0], parameters[1]) };
    };
    const device = await Gpu.open({
      limits: { maxBinding: 4 * sizeOf(shape.slice(1)) * 2 + 256 },
      algorithms: { 'conv2d filter gradient': algorithm },
      tuning: false,
    });
    const { labels, state } = await train(device, build, 'sgdm', false);
    expect(labels.filter((label) => passes.test(label)).length).toBe(2);
    expect(labels.filter((label) => updating.test(label))).toEqual([]);
    expect((await train(device, build, 'sgdm', true)).state).toEqual(state);
    device.destroy();
  },
);

it('a weight of two convolutions is updated once, by the sum of both gradients', async () => {
  const build = () => {
    const parameters = parametersOf([2, 2, 3, 3], () => 1);
    const x = input('x', [2, 2, 9, 9]);
    const twice = [1, 2].map(() => conv2d(x, parameters[0], parameters[1], { pads: [1, 1, 1, 1] }));
    return { parameters, x, y: add(twice[0], twice[1]) };
  };
  const together = await train(gpu(), build, 'sgdm', false);
  expect(together.labels.filter((label) => passes.test(label))).toHaveLength(2);
  expect(together.labels.filter((label) => updating.test(label))).toEqual([]);
  expect(together.state).toEqual((await train(gpu(), build, 'sgdm', true)).state);
});

it('what is frozen stays as it is, and has no update', async () => {
  const parameters = parametersOf([3, 2, 3, 3], (size) => (size > 3 ? 0 : 1));
  const x = input('x', [2, 2, 9, 9]);
  const y = conv2d(x, parameters[0], parameters[1]);
  const { labels } = await train(gpu(), () => ({ parameters, x, y }), 'sgdm', false);
  expect(labels.filter((label) => updating.test(label)).map((label) => label.split(' ')[0])).toEqual(['bias/gradient']);
  expect(labels.filter((label) => label.includes('filter'))).toEqual([]);
});
