/** The compiler: shared tensors, aliases, the frost line, memory, and what is refused. */
import { describe, expect, it } from 'vitest';
import { lrnBackward as lrnGradient } from '../../src/check/reference/lrn.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { type CompiledGraph, type CompileOptions, compile } from '../../src/graph/compile.ts';
import { affineSample } from '../../src/graph/ops/affine-sample.ts';
import { argMax, softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, type Mask, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { affine } from '../../src/operators/affine/graph.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { clip } from '../../src/operators/clip/graph.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { lrn } from '../../src/operators/lrn/graph.ts';
import { averagePool, maxPool } from '../../src/operators/pooling/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { flatten, reshape } from '../../src/operators/reshape/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
/** one binding holds 256 bytes, less what alignment may add */
const narrow = useGpu({ limits: { maxBinding: 512 } });
/** The texts that rasterisers in software are served by need subgroups. */
const isRasteriser = () => gpu().kind !== 'hardware' && gpu().subgroupWidth > 0;
const tight = { absolute: 1e-6, relative: 1e-5 };
const rate = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, step: 0, seed: 0 };

const normals = (count: number, seed = testSeed) => {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal());
};
const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Runs once with the inputs given and reads the gradients. */
async function gradientsOf(
  loss: Tensor,
  wanted: readonly Tensor[],
  given: ReadonlyMap<Tensor, Float32Array<ArrayBuffer>>,
  { runs = 1, ...options }: CompileOptions & { runs?: number } = {},
): Promise<Float32Array[]> {
  const graph = await compile(gpu(), { loss, gradients: wanted, ...options });
  try {
    for (const [tensor, values] of given) graph.write(tensor, values);
    for (let run = 0; run < runs; run++) await graph.run();
    return await Promise.all(wanted.map((tensor) => graph.readGradient(tensor)));
  } finally {
    graph.destroy();
  }
}

describe('a tensor with several readers', () => {
  it('gets the sum of their gradients, the same in every run', async () => {
    // L = v . (3 x + (x + x) + relu(x)), dL/dx = v (5 + [x > 0])
    const x = input('x', [2, 5]);
    const y = add(add(affine(x, [3], [0]), add(x, x)), relu(x));
    const v = input('v', [2, 5]);
    const [xs, vs] = [normals(10), normals(10, testSeed + 1)];
    const given = new Map([
      [x, xs],
      [v, vs],
    ]);
    for (const runs of [1, 3]) {
      const [dx] = await gradientsOf(y, [x], given, { upstream: v, runs });
      expectClose(
        dx,
        Array.from(vs, (value, i) => value * (5 + (xs[i] > 0 ? 1 : 0))),
        tight,
      );
    }
  });

  it('a weight shared by two layers: dw = dy x1^T + ..., and one update by the sum', async () => {
    // y = (x w^T) w^T with w [2, 2]; L = v . y; dL/dw = v^T (x w^T) + (v w)^T x, by hand below.
    const w = new Parameter('w', [2, 2], Float32Array.of(1, 2, -1, 0.5));
    const x = input('x', [1, 2]);
    const v = input('v', [1, 2]);
    const y = linear(linear(x, w), w);
    const graph = await compile(gpu(), { loss: y, upstream: v, gradients: [w, x], update: true });
    graph.write(x, Float32Array.of(3, -1));
    graph.write(v, Float32Array.of(2, 1));
    graph.setStep({ ...rate, weightDecay: 0 });
    await graph.run();
    // h = x w^T = (1, -3.5); dh = v w = (1, 4.5); dw = v^T h + dh^T x = [[2, -7], [1, -3.5]] + [[3, -1], [13.5, -4.5]]
    expectClose(await graph.readGradient(w), [5, -8, 14.5, -8], tight);
    // dx = dh w = (1 * 1 + 4.5 * -1, 1 * 2 + 4.5 * 0.5)
    expectClose(await graph.readGradient(x), [-3.5, 4.25], tight);
    expectClose(await w.read(gpu()), [1 - 0.5, 2 + 0.8, -1 - 1.45, 0.5 + 0.8], tight);
    graph.destroy();
    w.release(gpu());
  });
});

describe('aliases', () => {
  it('chains of them carry gradients, with other readers in between', async () => {
    // r = reshape(reshape(a)); L = v . flatten(r) + v2 . (readers of a, of r): all factors add up.
    const x = input('x', [2, 6]);
    const a = affine(x, [2], [0]);
    const r1 = reshape(a, [3, 4]);
    const r2 = reshape(r1, [2, 3, 2]);
    const direct = affine(a, [5], [0]);
    const y = add(add(flatten(r2), direct), reshape(affine(r1, [7], [0]), [2, 6]));
    const v = input('v', [2, 6]);
    const vs = normals(12);
    const given = new Map([
      [x, normals(12, 5)],
      [v, vs],
    ]);
    const times = (factor: number) => Array.from(vs, (value) => factor * value);
    for (const runs of [1, 2]) {
      const all = await gradientsOf(y, [x, a, r1, r2, direct], given, { upstream: v, runs });
      [26, 13, 8, 1, 1].forEach((factor, i) => {
        expectClose(all[i], times(factor), tight, `asked ${i}`);
      });
    }
    const [alone] = await gradientsOf(y, [x], given, { upstream: v, runs: 2 });
    expectClose(alone, times(26), tight);
  });

  it("keeps an asked alias's gradient apart from what else reaches its source", async () => {
    const x = input('x', [4]);
    const other = affine(x, [10], [0]);
    const alias = reshape(x, [2, 2]);
    const y = add(alias, reshape(other, [2, 2]));
    const v = input('v', [2, 2]);
    const given = new Map([
      [x, normals(4)],
      [v, Float32Array.of(1, 2, 3, 4)],
    ]);
    const [da, dx] = await gradientsOf(y, [alias, x], given, { upstream: v, runs: 2 });
    expectClose(da, [1, 2, 3, 4], tight);
    expectClose(dx, [11, 22, 33, 44], tight);
    const [single] = await gradientsOf(y, [alias], given, { upstream: v });
    expectClose(single, [1, 2, 3, 4], tight);
  });
});

it('keeps constants of operations with one name apart', async () => {
  const x = input('x', [3]);
  const y = affine(affine(x, [2], [1]), [10], [5]);
  const graph = await compile(gpu(), { outputs: [y] });
  graph.write(x, Float32Array.of(1, 2, 3));
  await graph.run();
  expectClose(await graph.read(y), [35, 55, 75], tight);
  graph.destroy();
});

interface Small {
  readonly parameters: readonly Parameter[];
  readonly x: Tensor;
  readonly labels: Tensor;
  readonly hidden: Tensor;
  readonly loss: Tensor;
}

describe("a ReLU's derivative before local response normalisation", () => {
  const p = { batch: 2, channels: 5, plane: 6, size: 3, alpha: 1, beta: 0.75, bias: 1 };
  const values = normals(60, 21);
  const upstreamValues = normals(60, 22);
  const rectified = values.map((value) => Math.max(3 * value, 0));
  const throughLrn = lrnGradient(p, rectified, upstreamValues);
  /** dL/dx of L = upstream . f(relu(3 x)), from the gradient of the ReLU's output */
  const before = (gradient: ArrayLike<number>) =>
    Float64Array.from(gradient, (value, i) => (rectified[i] > 0 ? 3 * value : 0));

  it.each([
    { what: 'is applied by it', shared: false, asked: false, passes: 0 },
    { what: 'is not where the ReLU has another reader', shared: true, asked: false, passes: 1 },
    { what: "is not where the ReLU's own gradient was asked for", shared: false, asked: true, passes: 1 },
  ])('$what', async ({ shared, asked, passes }) => {
    const x = input('x', [2, 5, 2, 3]);
    const output = relu(affine(x, Array(5).fill(3), Array(5).fill(0)));
    const { size, alpha, beta, bias } = p;
    const normalised = lrn(output, { size, alpha, beta, bias });
    const y = shared ? add(normalised, output) : normalised;
    const upstream = input('upstream', y.shape);
    const graph = await compile(gpu(), { loss: y, upstream, gradients: asked ? [x, output] : [x] });
    graph.write(x, values);
    graph.write(upstream, upstreamValues);
    await graph.run();
    const expected = shared ? throughLrn.map((value, i) => value + upstreamValues[i]) : throughLrn;
    const close = (found: Float32Array, wanted: Float64Array) =>
      found.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]), `element ${i}`).toBeLessThan(1e-5);
      });
    close(await graph.readGradient(x), before(expected));
    if (asked) close(await graph.readGradient(output), Float64Array.from(expected));
    expect(graph.dispatches.filter(({ label }) => label.startsWith('relu/backward')).length).toBe(passes);
    free(graph, []);
  });
});

/** conv - relu - lrn - pool - linear - relu - linear - loss, with a mask for each of the three layers' weights. */
function small(masks: readonly Mask[]): Small {
  const shapes = [
    [4, 2, 3, 3],
    [5, 36],
    [3, 5],
  ];
  const weights = shapes.map(
    (shape, i) =>
      new Parameter(
        `w${i}`,
        shape,
        normals(
          shape.reduce((a, b) => a * b, 1),
          10 + i,
        ).map((value) => value / 3),
        {
          mask: masks[i],
        },
      ),
  );
  const x = input('x', [6, 2, 8, 8]);
  const labels = input('labels', [6], 'u32');
  const convolved = conv2d(x, weights[0], undefined);
  const pooled = maxPool(lrn(relu(convolved), { size: 3 }), { kernel: [2, 2], strides: [2, 2] });
  const hidden = relu(linear(flatten(pooled), weights[1]));
  const loss = softmaxCrossEntropy(linear(hidden, weights[2]), labels);
  return { parameters: weights, x, labels, hidden, loss };
}

async function trained(masks: readonly Mask[], steps: number) {
  const net = small(masks);
  const graph = await compile(gpu(), { loss: net.loss, update: true });
  graph.write(net.x, normals(6 * 128, 3));
  graph.write(net.labels, Uint32Array.of(0, 1, 2, 0, 1, 2));
  const before = await Promise.all(net.parameters.map((parameter) => parameter.read(gpu())));
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    graph.setStep({ ...rate, step });
    const [loss] = await graph.run([net.loss]);
    losses.push(new Float32Array(loss)[0]);
  }
  const after = await Promise.all(net.parameters.map((parameter) => parameter.read(gpu())));
  return { net, graph, before, after, losses };
}

function free(graph: CompiledGraph, parameters: readonly Parameter[]): void {
  graph.destroy();
  for (const parameter of parameters) parameter.release(gpu());
}

const backwardKernels = (graph: CompiledGraph) =>
  graph.dispatches.filter(({ label }) => /backward|gradient/.test(label)).map(({ label }) => label.split(' ')[0]);

describe('the frost line', () => {
  it('nothing below it is differentiated, changed, or given momentum', async () => {
    const { net, graph, before, after } = await trained([0, 0, 1], 5);
    expect(bytes(after[0]).equals(bytes(before[0]))).toBe(true);
    expect(bytes(after[1]).equals(bytes(before[1]))).toBe(true);
    expect(bytes(after[2]).equals(bytes(before[2]))).toBe(false);
    expect(backwardKernels(graph)).toEqual(['softmax-loss/gradient']);
    // What is trained is dw of the last layer alone: three contractions forward, one backward.
    expect(graph.dispatches.filter(({ label }) => /^(contraction|conv2d.direct|linear)/.test(label))).toHaveLength(4);
    expect(graph.dispatches.filter(({ label }) => label.startsWith('maxpool/inference'))).toHaveLength(1);
    expect(graph.memory.momentum).toBe(net.parameters[2].bytes);
    free(graph, net.parameters);
  });

  it('a frozen layer between trained ones passes the gradient on and keeps its bytes', async () => {
    const { net, graph, before, after } = await trained([1, 0, 1], 3);
    expect(after.map((values, i) => bytes(values).equals(bytes(before[i])))).toEqual([false, true, false]);
    expect(backwardKernels(graph)).toEqual(
      expect.arrayContaining(['softmax-loss/gradient', 'maxpool/backward', 'lrn/backward']),
    );
    expect(graph.memory.momentum).toBe(net.parameters[0].bytes + net.parameters[2].bytes);
    free(graph, net.parameters);
  });

  it('with everything frozen there is no backward at all', async () => {
    const { net, graph, before, after } = await trained([0, 0, 0], 2);
    expect(after.every((values, i) => bytes(values).equals(bytes(before[i])))).toBe(true);
    expect(backwardKernels(graph)).toEqual([]);
    expect(graph.memory.momentum).toBe(0);
    free(graph, net.parameters);
  });

  it('a mask of one value an element freezes single filters, and scales the rate of others', async () => {
    const mask = Float32Array.from({ length: 72 }, (_, i) => (i < 18 ? 0 : i < 36 ? 10 : 1));
    const plain = await trained([1, 1, 1], 1);
    const masked = await trained([mask, 1, 1], 1);
    const [start, moved, ordinary] = [masked.before[0], masked.after[0], plain.after[0]];
    expect(bytes(moved.slice(0, 18)).equals(bytes(start.slice(0, 18)))).toBe(true);
    const steps = (values: Float32Array, from: number, to: number) =>
      Array.from(values.slice(from, to), (value, i) => value - start[from + i]);
    const tenfold = steps(ordinary, 18, 36).map((value) => 10 * value);
    expectClose(steps(moved, 18, 36), tenfold, { absolute: 1e-6, relative: 1e-3 });
    expect(bytes(moved.slice(36)).equals(bytes(ordinary.slice(36)))).toBe(true);
    free(plain.graph, plain.net.parameters);
    free(masked.graph, masked.net.parameters);
  });

  it('refuses to run when a mask was changed after compiling, a frozen one too', async () => {
    for (const [index, mask] of [
      [0, 1],
      [2, 0],
    ]) {
      const net = small([0, 1, 1]);
      const graph = await compile(gpu(), { loss: net.loss, update: true });
      net.parameters[index].mask = mask;
      await expect(graph.run()).rejects.toThrow(/mask of w\d was changed after the graph was compiled/);
      free(graph, net.parameters);
    }
  });

  it('refuses to run when values of a mask were changed after compiling', async () => {
    const mask = new Float32Array(72).fill(1);
    const net = small([mask, 1, 1]);
    const graph = await compile(gpu(), { loss: net.loss, update: true });
    graph.setStep({ learningRate: 0.1, momentum: 0.9, weightDecay: 0, step: 0, seed: 1 });
    graph.write(net.x, new Float32Array(net.x.size));
    graph.write(net.labels, new Uint32Array(6));
    await graph.run();
    mask[71] = 0;
    await expect(graph.run()).rejects.toThrow(
      'The mask of w0 was changed after the graph was compiled. Compile it again.',
    );
    free(graph, net.parameters);
  });

  it('refuses masks of a wrong length, negative or not a number', async () => {
    for (const [mask, message] of [
      [new Float32Array(5), /mask of w0 \[4, 2, 3, 3\] is Float32Array of length 5\. Give one number, or .* 72/],
      [-1, /mask of w0 holds -1/],
      [Number.NaN, /mask of w0 holds NaN/],
      ['0' as never, /mask of w0 \[4, 2, 3, 3\] is '0'\. Give one number/],
    ] as const) {
      expect(() => small([mask, 1, 1])).toThrow(message);
      // A mask may be set later, too.
      const { parameters } = small([1, 1, 1]);
      expect(() => {
        parameters[0].mask = mask;
      }).toThrow(message);
    }
    // And one of many values may have been changed since.
    const values = new Float32Array(72);
    const net = small([values, 1, 1]);
    values[3] = -1;
    await expect(compile(gpu(), { loss: net.loss, update: true })).rejects.toThrow(/mask of w0 holds -1/);
    for (const parameter of net.parameters) parameter.release(gpu());
  });
});

describe('a trained fully connected layer', () => {
  /** Two layers read what a first one makes; the weights after three steps. */
  async function steps(device: Gpu, masks: readonly number[], asked: boolean) {
    const shapes = [
      [20, 8],
      [9, 20],
      [9, 20],
    ];
    const weights = shapes.map(
      ([rows, columns], i) =>
        new Parameter(`w${i}`, [rows, columns], normals(rows * columns, 20 + i), { mask: masks[i] }),
    );
    const x = input('x', [3, 8]);
    const labels = input('labels', [3], 'u32');
    const hidden = linear(x, weights[0]);
    const loss = softmaxCrossEntropy(add(linear(hidden, weights[1]), linear(hidden, weights[2])), labels);
    // Whoever asks for a weight's gradient gets it written, and the update apart.
    const graph = await compile(device, { loss, update: true, gradients: asked ? weights.slice(1) : [] });
    graph.write(x, normals(24));
    graph.write(labels, Uint32Array.of(8, 0, 3));
    for (let step = 0; step < 3; step++) {
      graph.setStep({ ...rate, step });
      await graph.run();
    }
    const values = await Promise.all(weights.map((weight) => weight.read(device)));
    const onePass = graph.dispatches.filter(({ label }) => label.startsWith('linear/backward')).length;
    graph.destroy();
    for (const weight of weights) weight.release(device);
    return { values, onePass };
  }

  it.each([
    [1, 1, 1],
    [1, 10, 0.5],
    [1, 0, 1],
  ])('is the same by one pass over the weight, in windows, and apart, masks %d, %d, %d', async (...masks) => {
    const [whole, again, windows, apart] = [
      await steps(gpu(), masks, false),
      await steps(gpu(), masks, false),
      await steps(narrow(), masks, false),
      await steps(gpu(), masks, masks[1] > 0),
    ];
    if (isRasteriser()) {
      const passes = masks.slice(1).filter((mask) => mask > 0).length;
      expect(whole.onePass).toBe(passes);
      expect(windows.onePass).toBe(3 * passes);
    }
    if (masks[1] > 0) expect(apart.onePass).toBe(0);
    expect(again.values).toEqual(whole.values);
    whole.values.forEach((values, i) => {
      expectClose(windows.values[i], values, { absolute: 1e-5, relative: 1e-4 });
      expectClose(apart.values[i], values, { absolute: 1e-5, relative: 1e-4 });
    });
  });
});

describe('memory', () => {
  it('stays flat over 1,000 steps, is all given back, and two runs give the same bytes', async () => {
    const start = gpu().memory().live;
    const first = await trained([1, 0.5, 10], 5);
    // Three in flight, as in training: each has a place of its own to be read from, which the next ones take over.
    const flight: Promise<unknown>[] = [];
    let before = 0;
    for (let step = 5; step < 1000; step++) {
      first.graph.setStep({ ...rate, learningRate: 0.001, step });
      flight.push(first.graph.run([first.net.loss]));
      if (flight.length >= 3) await flight.shift();
      if (step === 10) before = gpu().memory().live;
    }
    await Promise.all(flight);
    expect(gpu().memory().live).toBe(before);
    const { parameters, momentum, pinned, packed, transient } = first.graph.memory;
    expect(parameters + momentum + pinned + packed + transient).toBeLessThanOrEqual(before - start);
    free(first.graph, first.net.parameters);
    expect(gpu().memory().live).toBe(start);

    const second = await trained([1, 0.5, 10], 5);
    expect(second.losses).toEqual(first.losses);
    second.after.forEach((values, i) => {
      expect(bytes(values).equals(bytes(first.after[i]))).toBe(true);
    });
    free(second.graph, second.net.parameters);
    expect(gpu().memory().live).toBe(start);
  });

  it('has a peak that the next run counts anew, and what is read back counts', async () => {
    const start = gpu().memory().live;
    const large = gpu().storage('large', 4096);
    gpu().release(large.buffer!);
    expect(gpu().memory().peak).toBeGreaterThanOrEqual(start + 4096);
    gpu().resetPeak();
    expect(gpu().memory()).toEqual({ live: start, peak: start });
    const small = gpu().storage('small', 64);
    await gpu().read(small);
    expect(gpu().memory()).toEqual({ live: start + 64, peak: start + 128 });
    gpu().release(small.buffer!);
  });

  it('of a chain below the frost line is two buffers in turn', async () => {
    let chain: Tensor = input('x', [4, 64]);
    for (let i = 0; i < 6; i++) chain = clip(chain, -2 - i, 2 + i);
    const w = new Parameter('w', [3, 64], normals(3 * 64));
    const loss = softmaxCrossEntropy(linear(chain, w), input('labels', [4], 'u32'));
    for (const graph of [
      await compile(gpu(), { outputs: [affine(chain, [2], [0])] }),
      await compile(gpu(), { loss, update: true }),
    ]) {
      const clips = graph.dispatches.filter(({ label }) => label.startsWith('clip'));
      const written = clips.map(({ bindings }) => bindings.find(({ access }) => access === 'write')!.view.storage);
      expect(new Set(written).size).toBe(6);
      expect(new Set(written.map(({ buffer }) => buffer)).size).toBe(2);
      graph.destroy();
    }
    w.release(gpu());
  });

  it('is given back when compiling fails, at every stage', async () => {
    const start = gpu().memory().live;
    const x = input('x', [2, 5]);
    const prediction = argMax(affine(x, [2], [0]));
    await expect(compile(gpu(), { loss: reshape(x, [10]) })).rejects.toThrow(/must have one/);
    await expect(compile(gpu(), { loss: argMax(input('row', [1, 4])), gradients: [prediction] })).rejects.toThrow();
    const w = new Parameter('w', [7, 90], normals(630));
    await expect(compile(narrow(), { outputs: [linear(input('wide', [1, 90]), w)] })).rejects.toThrow(
      /linear: one row of the weight takes 360 bytes; one binding of .* holds 512\. Use/,
    );
    w.release(narrow());
    expect(narrow().memory().live).toBe(0);
    expect(gpu().memory().live).toBe(start);
  });
});

describe('refused, with operation, value, limit and remedy', () => {
  const x4 = () => input('x', [2, 4, 5, 5]);
  it.each<[string, () => unknown, RegExp]>([
    [
      'conv2d: channels',
      () => conv2d(x4(), input('w', [3, 3, 2, 2]), undefined),
      /conv2d: reads 'x' with 4 channels, its weight 'w' \[3, 3, 2, 2\] with 1 groups needs 3\. Check the input/,
    ],
    [
      'conv2d: groups',
      () => conv2d(x4(), input('w', [3, 2, 2, 2]), undefined, { groups: 2 }),
      /conv2d: has 2 groups for 4 channels in and 3 out/,
    ],
    [
      'conv2d: bias',
      () => conv2d(x4(), input('w', [3, 4, 2, 2]), input('b', [4])),
      /conv2d: has bias 'b' of shape \[4\]\. \[3\] is expected/,
    ],
    [
      'conv2d: nothing left',
      () => conv2d(x4(), input('w', [3, 4, 6, 2]), undefined),
      /conv2d: reads 'x' of 5 x 5, too small for kernel \[6,2\].*Give a larger input/,
    ],
    [
      'conv2d: not an image',
      () => conv2d(input('x', [2, 4]), input('w', [3, 4, 1, 1]), undefined),
      /shape \[2, 4\]\. Give N, C, H, W/,
    ],
    [
      'linear',
      () => linear(x4(), input('w', [3, 99])),
      /linear: reads 'x' .* 100 values an image, its weight 'w' \[3, 99\] needs 99/,
    ],
    [
      'add',
      () => add(input('a', [2]), input('b', [3])),
      /add: reads 'a' of 2 items and 'b' of 3\. All must have the same batch/,
    ],
    ['reshape', () => reshape(input('a', [6]), [4]), /6 values, to \[4\], 4 values\. Their number must stay/],
    ['affine', () => affine(x4(), [1, 2, 3], [0]), /affine: has 3 constants/],
    ['maxPool', () => maxPool(x4(), { kernel: [6, 1] }), /too small for kernel \[6,1\]/],
    ['maxPool: only padding', () => maxPool(x4(), { kernel: [1, 1], pads: [1, 0, 0, 0] }), /sees only padding/],
    ['averagePool', () => averagePool(x4(), { kernel: [2, 2], dilations: [2, 1] }), /dilations 2 x 1\. Use 1 x 1/],
    ['lrn', () => lrn(x4(), { size: 0 }), /lrn: has size 0\. A number, whole and at least 1/],
    [
      'cross-entropy',
      () => softmaxCrossEntropy(input('l', [2, 3]), input('y', [3], 'u32')),
      /labels y \[3\] of u32\. Give 2 values/,
    ],
    [
      'cross-entropy: weights',
      () => softmaxCrossEntropy(input('l', [2, 2]), input('y', [2], 'u32'), [1, 0]),
      /class weights \[1, 0\]\. Give 2 positive/,
    ],
    ['integers', () => relu(input('i', [2], 'u32')), /relu: input i holds u32\. Give f32/],
    [
      'affineSample',
      () =>
        affineSample(input('i', [1, 2, 2]), input('s', [1], 'u32'), input('t', [1, 6]), {
          size: [2, 2],
          channels: 3,
          fill: 0,
          channelOrder: 'rgb',
          scale: 1,
          mean: [0, 0, 0],
          std: [1, 1, 1],
        }),
      /Give \[count, H, W\]/,
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('gradients that nothing could give', async () => {
    const x = input('x', [1, 3]);
    const y = affine(x, [2], [0]);
    const loss = softmaxCrossEntropy(y, input('labels', [1], 'u32'));
    const refused = (options: CompileOptions) => expect(compile(gpu(), options)).rejects;
    await refused({ loss, gradients: [input('other', [1])] }).toThrow(/other was asked for, but loss does not depend/);
    await refused({ loss, gradients: [loss.source!.inputs[1]] }).toThrow(/it holds integers/);
    await refused({ outputs: [y], gradients: [x] }).toThrow(/need a loss/);
    await refused({ outputs: [y], update: true }).toThrow(/need a loss/);
    await refused({ loss: y, upstream: input('v', [3]), gradients: [x] }).toThrow(
      /must be an input of f32 in the shape/,
    );
    await refused({ loss: argMax(y), gradients: [x] }).toThrow(/argMax \(prediction\) has no derivative/);
  });

  it('reading what is not an output', async () => {
    const x = input('x', [4]);
    const middle = relu(x);
    const y = affine(middle, [2], [0]);
    const graph = await compile(gpu(), { outputs: [y] });
    graph.write(x, new Float32Array(4));
    await expect(graph.run([middle])).rejects.toThrow(/relu is no output of this graph\. Name it in/);
    await expect(graph.readGradient(x)).rejects.toThrow(/was not asked for/);
    expect(() => graph.write(y, new Float32Array(4))).toThrow(/is no input/);
    expect(() => graph.write(x, new Float32Array(5))).toThrow(
      /takes a Float32Array of length 4; got Float32Array of length 5/,
    );
    graph.destroy();
  });
});

describe('what the benchmarks ask a compiled graph', () => {
  it('the least transient memory is what lives at one time, and the forward dispatches come first', async () => {
    const x = input('x', [2, 3]);
    const w = new Parameter('w', [4, 3], normals(12));
    const logits = linear(relu(relu(relu(x))), w);
    const loss = softmaxCrossEntropy(logits, input('labels', [2], 'u32'));
    const forward = await compile(gpu(), { outputs: [affine(logits, [2], [1])] });
    // Two relus of 24 bytes at a time; the logits' 32 bytes beside the last relu's 24 are the most.
    expect(forward.memory.leastTransient).toBe(56);
    expect(forward.memory.transient).toBeGreaterThanOrEqual(56);
    expect(forward.forwardDispatches).toBe(forward.dispatches.length);
    const training = await compile(gpu(), { loss, update: true });
    expect(
      training.dispatches.slice(0, training.forwardDispatches).every(({ label }) => !/back|sgdm/.test(label)),
    ).toBe(true);
    expect(training.dispatches.slice(training.forwardDispatches).map(({ label }) => label)).toEqual([
      expect.stringMatching(/^contraction .* \+ sgdm$/),
    ]);
    forward.destroy();
    training.destroy();
  });

  it('the least is what a network has, not what our kernels pack, pad or transform', async () => {
    const x = input('x', [2, 16, 24, 24]);
    const w = new Parameter('w', [16, 16, 3, 3], normals(16 * 16 * 9));
    const convolved = conv2d(x, w, undefined, { pads: [1, 1, 1, 1] });
    const start = gpu().memory().live;
    const graph = await compile(gpu(), { outputs: [lrn(convolved, { size: 3 })] });
    const { memory } = graph;
    expect(memory.leastTransient).toBe(convolved.bytes);
    // On rasterisers, the weight in panels or tiles for all runs, and the image in a frame of zeros or in tiles.
    const copies = isRasteriser();
    expect([memory.packed >= w.bytes, memory.transient > convolved.bytes]).toEqual([copies, copies]);
    const { parameters, momentum, pinned, packed, transient } = memory;
    expect(gpu().memory().live - start).toBeGreaterThanOrEqual(parameters + momentum + pinned + packed + transient);
    free(graph, [w]);
  });
});
