/** The derivative of a map, applied by the operation that reads it: no pass of its own, and the same bits. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter, type Shape, type Tensor } from '../../src/graph/tensor.ts';
import { affine } from '../../src/operators/affine/graph.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { dropout } from '../../src/operators/dropout/graph.ts';
import { elu } from '../../src/operators/elu/graph.ts';
import { leakyRelu } from '../../src/operators/leaky-relu/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { lrn } from '../../src/operators/lrn/graph.ts';
import { averagePool, maxPool } from '../../src/operators/pooling/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { flatten, reshape } from '../../src/operators/reshape/graph.ts';
import { sigmoid } from '../../src/operators/sigmoid/graph.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const normals = (count: number, seed = testSeed) => {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal());
};
const weight = (name: string, shape: Shape) =>
  new Parameter(
    name,
    shape,
    normals(
      shape.reduce((a, b) => a * b),
      shape.length,
    ),
  );

interface Reader {
  readonly what: string;
  readonly shape: Shape;
  read(active: Tensor): Tensor;
  /** forced for an operator, on software */
  readonly algorithm?: readonly [string, string];
  /** part of the name of the kernel that then applies it, on software */
  readonly by: string;
}

const image: Shape = [3, 8, 13, 11];
const readers: readonly Reader[] = [
  {
    what: 'a convolution by tiles',
    shape: [2, 64, 16, 15],
    read: (x) => conv2d(x, weight('w', [64, 64, 3, 3]), undefined, { pads: [1, 1, 1, 1] }),
    algorithm: ['conv2d', 'winograd'],
    by: 'conv2d/winograd-output',
  },
  {
    what: 'a direct convolution',
    shape: [2, 16, 24, 40],
    read: (x) => conv2d(x, weight('w', [16, 16, 1, 3]), undefined, { pads: [0, 1, 0, 1] }),
    algorithm: ['conv2d', 'direct'],
    by: 'conv2d/direct',
  },
  {
    what: 'a convolution of strides and dilations',
    shape: image,
    read: (x) => conv2d(x, weight('w', [6, 4, 3, 2]), undefined, { strides: [2, 1], dilations: [1, 2], groups: 2 }),
    by: 'contraction',
  },
  {
    what: 'a fully connected layer',
    shape: [3, 24],
    read: (x) => linear(x, weight('w', [7, 24])),
    by: 'linear/',
  },
  {
    what: 'a fully connected layer of odd width',
    shape: [3, 23],
    read: (x) => linear(x, weight('w', [7, 23])),
    by: 'contraction',
  },
  {
    what: 'a fully connected layer of a large batch',
    shape: [200, 256],
    read: (x) => linear(x, weight('w', [64, 256])),
    algorithm: ['linear', 'gemm-packed'],
    by: 'gemm/packed',
  },
  {
    what: 'max pooling',
    shape: image,
    read: (x) => maxPool(x, { kernel: [3, 3], strides: [2, 2] }),
    by: 'maxpool/backward',
  },
  {
    what: 'max pooling with pads',
    shape: image,
    read: (x) => maxPool(x, { kernel: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] }),
    by: 'maxpool/backward',
  },
  { what: 'normalisation', shape: image, read: (x) => lrn(x, { size: 5, alpha: 1 }), by: 'lrn/backward' },
  { what: 'dropout', shape: image, read: (x) => dropout(x, 0.4), by: 'dropout/backward' },
  {
    what: 'a layer behind reshapes',
    shape: image,
    read: (x) => linear(flatten(reshape(x, [3, 8, 143])), weight('w', [5, 8 * 143])),
    by: 'linear/',
  },
];

interface Map {
  readonly name: string;
  /** what its derivative is called, where not so */
  readonly derivative?: string;
  of(x: Tensor): Tensor;
}
const RELU: Map = { name: 'relu', of: relu };
const others: readonly Map[] = [
  { name: 'leaky-relu', of: (x) => leakyRelu(x, 0.3) },
  { name: 'elu', of: (x) => elu(x, 0.7) },
  { name: 'sigmoid', of: (x) => sigmoid(x) },
];
/** No random numbers are drawn for it, and neither has a pass. */
const DROPPED: Map = { name: 'dropout', derivative: 'relu and dropout', of: (x) => dropout(relu(x), 0.4) };
/** The map's own pass backward. */
const isPassOf =
  ({ name }: Map) =>
  (label: string) =>
    label.startsWith(`${name}/backward`);
const isRelu = isPassOf(RELU);

/** The gradient of the map's argument; where its own is asked for, the map has a pass of its own. */
async function gradientsOf(
  device: Gpu,
  { shape, read }: Reader,
  { asked, update, map }: { asked: boolean; update: boolean; map: Map },
) {
  const x = input('x', shape);
  // No input of the graph: its gradient is no buffer of its own.
  const argument = affine(x, [3], [0.1]);
  const active = map.of(argument);
  const y = read(active);
  const upstream = input('upstream', y.shape);
  const gradients = asked ? [x, active] : [x];
  const graph = await compile(device, { loss: y, upstream, gradients, update, training: true });
  const parameters = y.source!.inputs.filter((tensor) => tensor instanceof Parameter);
  try {
    graph.write(x, normals(x.size, testSeed + 1));
    graph.write(upstream, normals(y.size, testSeed + 2));
    graph.setStep({ learningRate: 0.01, momentum: 0.5, weightDecay: 0.1, step: 3, seed: testSeed });
    await graph.run();
    return {
      dx: await graph.readGradient(x),
      weights: await Promise.all(parameters.map((parameter) => parameter.read(device))),
      kernels: graph.dispatches.slice(graph.forwardDispatches).map(({ label }) => label),
    };
  } finally {
    graph.destroy();
    for (const parameter of parameters) parameter.release(device);
    device.check();
  }
}

async function same(device: Gpu, reader: Reader, update: boolean, map = RELU): Promise<readonly string[]> {
  const together = await gradientsOf(device, reader, { asked: false, update, map });
  const apart = await gradientsOf(device, reader, { asked: true, update, map });
  expect(together.kernels.filter(isPassOf(map))).toEqual([]);
  expect(apart.kernels.filter(isPassOf(map)).length).toBeGreaterThan(0);
  expect(together.dx.some((value) => value !== 0)).toBe(true);
  const zeros = together.dx.filter((value) => value === 0).length;
  if (map === RELU) expect(zeros).toBeGreaterThan(together.dx.length / 5);
  else {
    const derivative = `+ derivative of ${map.derivative ?? map.name}`;
    expect(together.kernels.filter((label) => label.includes(derivative))).not.toEqual([]);
  }
  expect(together.dx).toEqual(apart.dx);
  expect(together.weights).toEqual(apart.weights);
  return together.kernels;
}

describe.each(readers)('before $what', (reader) => {
  it.each([false, true])('the derivative is applied by it, with an update %s', async (update) => {
    const [operator, algorithm] = reader.algorithm ?? [];
    if (operator !== undefined) gpu().algorithms.set(operator, algorithm!);
    try {
      const kernels = await same(gpu(), reader, update);
      if (gpu().kind === 'software') {
        expect(kernels.filter((label) => label.startsWith(reader.by))).not.toEqual([]);
      }
    } finally {
      if (operator !== undefined) gpu().algorithms.delete(operator);
    }
  });

  it('so it is on a discrete GPU, by its texts', async () => {
    const device = await Gpu.open({ tuning: false, kind: 'hardware' });
    await same(device, reader, true);
    device.destroy();
  });

  it.each(others)('and the derivative of $name', async (map) => {
    const [operator, algorithm] = reader.algorithm ?? [];
    const forced = operator === undefined ? {} : { algorithms: { [operator]: algorithm! } };
    for (const options of [{ kind: 'software', ...forced }, { kind: 'hardware' }] as const) {
      const device = await Gpu.open({ tuning: false, ...options });
      await same(device, reader, true, map);
      device.destroy();
    }
  });
});

it.each(readers.filter(({ by }) => !by.startsWith('dropout')))(
  'before $what, the derivative of a ReLU and the dropout behind it',
  async (reader) => {
    const [operator, algorithm] = reader.algorithm ?? [];
    const forced = operator === undefined ? {} : { algorithms: { [operator]: algorithm! } };
    for (const options of [{ kind: 'software', ...forced }, { kind: 'hardware' }] as const) {
      const device = await Gpu.open({ tuning: false, ...options });
      const kernels = await same(device, reader, true, DROPPED);
      expect(kernels.filter(isRelu)).toEqual([]);
      device.destroy();
    }
  },
);

describe('dropout has a pass of its own', () => {
  const passes = async (graphOf: (active: Tensor) => Tensor, map: (x: Tensor) => Tensor) => {
    const x = input('x', image);
    const y = graphOf(map(affine(x, [3], [0])));
    const graph = await compile(gpu(), { loss: y, upstream: input('v', y.shape), gradients: [x], training: true });
    const count = graph.dispatches.filter(({ label }) => label.startsWith('dropout/backward')).length;
    graph.destroy();
    return count;
  };
  const pooled = (x: Tensor) => maxPool(x, { kernel: [1, 1] });

  it('where two operations read it, or its argument, and where that is not a ReLU', async () => {
    const dropped = (x: Tensor) => dropout(x, 0.4);
    expect(await passes((x) => pooled(dropped(x)), relu)).toBe(0);
    expect(await passes((x) => add(pooled(dropped(x)), lrn(x, { size: 3 })), relu)).toBe(1);
    expect(await passes((x) => ((y) => add(pooled(y), lrn(y, { size: 3 })))(dropped(x)), relu)).toBe(1);
    expect(await passes((x) => pooled(dropped(x)), sigmoid)).toBe(1);
    expect(
      await passes(
        (x) => pooled(dropped(x)),
        (x) => x,
      ),
    ).toBe(1);
  });
});

it.each(readers.filter(({ shape }) => shape[0] < 10))('before $what, in windows of a small binding', async (reader) => {
  // One item at a time; a fully connected layer has all of them at once, and some rows of its weight.
  const x = input('x', reader.shape);
  const y = reader.read(x);
  const weightBytes = y.source!.inputs.find((tensor) => tensor instanceof Parameter)?.bytes ?? 0;
  const [items, rows] = y.shape.length === 2 ? [1, 3] : [x.shape[0], 1];
  const maxBinding = 512 + Math.max(x.bytes / items, y.bytes / items, weightBytes / rows);
  for (const kind of ['software', 'hardware'] as const) {
    const device = await Gpu.open({ tuning: false, kind, limits: { maxBinding: Math.ceil(maxBinding / 256) * 256 } });
    await same(device, reader, true);
    device.destroy();
  }
});

describe('a ReLU has a pass of its own', () => {
  const passes = async (graphOf: (active: Tensor) => Tensor, shape = image) => {
    const x = input('x', shape);
    const y = graphOf(relu(affine(x, [3], [0])));
    const graph = await compile(gpu(), { loss: y, upstream: input('v', y.shape), gradients: [x] });
    const count = graph.dispatches.filter(({ label }) => isRelu(label)).length;
    graph.destroy();
    return count;
  };

  it('where two operations read it', async () => {
    const pooled = (x: Tensor) => maxPool(x, { kernel: [1, 1] });
    expect(await passes((x) => add(pooled(x), lrn(x, { size: 3 })))).toBe(1);
    expect(await passes((x) => add(flatten(pooled(x)), flatten(x)))).toBe(1);
  });

  it('where the one that reads it does not know how, as behind phases', async () => {
    expect(await passes((x) => averagePool(x, { kernel: [2, 2] }))).toBe(1);
    const filters = weight('w', [64, 16, 5, 5]);
    const strided = (x: Tensor) => conv2d(x, filters, undefined, { strides: [2, 2], pads: [2, 2, 2, 2] });
    expect(await passes(strided, [2, 16, 32, 32])).toBe(gpu().kind === 'software' ? 1 : 0);
    filters.release(gpu());
  });
});
