/** What would be silent or obscure: each is refused, with the thing, the value and the remedy. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { affineSample } from '../../src/graph/ops/affine-sample.ts';
import { argMax, softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { affine } from '../../src/operators/affine/graph.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { dropout } from '../../src/operators/dropout/graph.ts';
import { elu } from '../../src/operators/elu/graph.ts';
import { leakyRelu } from '../../src/operators/leaky-relu/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { lrn } from '../../src/operators/lrn/graph.ts';
import { pad } from '../../src/operators/pad/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { flatten } from '../../src/operators/reshape/graph.ts';
import { logSoftmax, softmax } from '../../src/operators/softmax/graph.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

async function trained() {
  const x = input('x', [2, 3]);
  const labels = input('labels', [2], 'u32');
  const weight = new Parameter('weight', [2, 3], new Float32Array(6).fill(0.1));
  const loss = softmaxCrossEntropy(linear(x, weight), labels);
  const step = await compile(gpu(), { loss, update: true });
  step.write(x, new Float32Array(6));
  step.write(labels, new Uint32Array(2));
  return { x, labels, weight, loss, step };
}

const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 0, step: 0, seed: 1 };

describe('values of another type or number', () => {
  it.each([
    [
      'an f32 array for u32 labels',
      'labels',
      new Float32Array(2),
      /labels \[2\] takes a Uint32Array of length 2; got Float32Array of length 2/,
    ],
    [
      'half as many float64',
      'x',
      new Float64Array(3),
      /x \[2, 3\] takes a Float32Array of length 6; got Float64Array of length 3/,
    ],
    ['i32 labels', 'labels', new Int32Array(2), /got Int32Array/],
    ['bytes', 'x', new Uint8Array(24), /got Uint8Array of length 24/],
    ['a list', 'x', [1, 2, 3, 4, 5, 6], /typed array or a GPUBuffer; got Array of length 6/],
    ['nothing', 'x', undefined, /got undefined/],
    ['too few', 'x', new Float32Array(5), /of length 6; got Float32Array of length 5/],
  ] as const)('%s', async (_, name, values, message) => {
    const graph = await trained();
    expect(() => graph.step.write(graph[name], values as never)).toThrow(message);
    graph.step.destroy();
  });

  it('a GPUBuffer of another device, or a destroyed one, and the graph goes on', async () => {
    const x = input('x', [2]);
    const y = relu(x);
    const graph = await compile(gpu(), { outputs: [y] });
    const other = await Gpu.open();
    const foreign = other.device.createBuffer({ label: 'foreign', size: 16, usage: 0x4 });
    const gone = gpu().device.createBuffer({ label: 'gone', size: 16, usage: 0x4 });
    gone.destroy();
    for (const [buffer, label] of [
      [foreign, 'foreign'],
      [gone, 'gone'],
    ] as const) {
      for (const wanted of [[], [y]]) {
        graph.write(x, buffer);
        await expect(graph.run(wanted)).rejects.toThrow(
          new RegExp(`x: the GPUBuffer "${label}" cannot be copied: it is of another device, or destroyed. Give one`),
        );
      }
    }
    graph.write(x, Float32Array.of(-1, 2));
    const [values] = await graph.run([y]);
    expect([...new Float32Array(values)]).toEqual([0, 2]);
    graph.destroy();
    other.destroy();
  });

  it('of a parameter', () => {
    const listed = () => [1, 2] as never;
    expect(() => new Parameter('w', [2], listed())).toThrow(/w \[2\] takes a Float32Array of length 2; got Array/);
    const parameter = new Parameter('w', [2], listed);
    expect(() => parameter.place(gpu())).toThrow(/Parameter w \[2\] takes a Float32Array of length 2; got Array/);
    expect(() => parameter.reset(gpu(), new Float64Array(2) as never)).toThrow(/got Float64Array of length 2/);
  });

  it('of shared memory are copied, which Dawn does not take', async () => {
    const x = input('x', [2]);
    const y = relu(x);
    const graph = await compile(gpu(), { outputs: [y] });
    const values = new Float32Array(new SharedArrayBuffer(8));
    values.set([-1, 2]);
    graph.write(x, values as never);
    await graph.run();
    expect([...(await graph.read(y))]).toEqual([0, 2]);
    graph.destroy();
  });

  it('a label of no class, and an image that there is not', async () => {
    const graph = await trained();
    const last = graph.labels.size - 1;
    const labels = new Uint32Array(graph.labels.size);
    labels[last] = 2 ** 31;
    expect(() => graph.step.write(graph.labels, labels)).toThrow(
      /labels: value 1 is 2147483648, but .* from 0 to \d+\. /,
    );
    graph.step.destroy();
    const [images, source, transforms] = [
      input('images', [3, 2, 2], 'u32'),
      input('source', [2], 'u32'),
      input('t', [2, 6]),
    ];
    const sampled = affineSample(images, source, transforms, {
      size: [2, 2],
      channels: 1,
      fill: 0,
      channelOrder: 'rgb',
      scale: 1,
      mean: [0],
      std: [1],
    });
    const sampling = await compile(gpu(), { outputs: [sampled] });
    const none = (below: number) => new RegExp(`value 1 is 3, .* from 0 to ${below - 1}\\. Write`);
    sampling.write(source, Uint32Array.of(0, 2));
    expect(() => sampling.write(source, Uint32Array.of(0, 3))).toThrow(none(3));
    sampling.destroy();
  });

  it('an element type that is none', () => {
    expect(() => input('x', [1], 'float32' as never)).toThrow(/element type is float32; there are f32 and u32/);
  });
});

describe('rates', () => {
  it('are asked for where a graph trains or draws', async () => {
    const { step } = await trained();
    await expect(step.run()).rejects.toThrow(/Call setStep/);
    step.setStep(rates);
    await step.run();
    step.destroy();
    const x = input('x', [4]);
    const drawing = await compile(gpu(), { outputs: [dropout(x, 0.5)], training: true });
    await expect(drawing.run()).rejects.toThrow(/Call setStep/);
    drawing.destroy();
  });

  it('are not where it does neither', async () => {
    const x = input('x', [4]);
    const graph = await compile(gpu(), { outputs: [relu(x)] });
    graph.write(x, new Float32Array(4));
    await graph.run();
    graph.destroy();
  });

  it('and values of every input that a run reads', async () => {
    const [x, upstream] = [input('x', [4]), input('upstream', [4])];
    const y = relu(x);
    const graph = await compile(gpu(), { loss: y, upstream, gradients: [x] });
    await expect(graph.run()).rejects.toThrow(/x was never written. Call write\(x, values\) before run\(\)/);
    graph.write(x, new Float32Array(4));
    await expect(graph.run()).rejects.toThrow(/upstream was never written/);
    graph.write(upstream, new Float32Array(4));
    await graph.run();
    graph.destroy();
  });

  it('are refused as parts that are none', async () => {
    const { step, weight } = await trained();
    expect(() => step.writeValues([6 as never])).toThrow(/part 0, of weight, is 6. Give the 24 bytes that readValues/);
    expect(() => step.writeValues([new ArrayBuffer(7)])).toThrow(/part 0, of weight, is an ArrayBuffer of 7 bytes/);
    expect([...(await weight.read(gpu()))]).toEqual(Array(6).fill(Math.fround(0.1)));
    step.destroy();
  });

  it('of a parameter are exported as they are, or not at all', () => {
    const network = alexnetSmall({ classes: 2 });
    for (const values of [Float64Array.of(1.5, 2.5), Uint32Array.of(1, 2)]) {
      expect(() => exportOnnx(network, new Map([['fc8.bias', values as never]]))).toThrow(
        /parameter 'fc8.bias' is given (Float64|Uint32)Array.*Give a Float32Array/,
      );
    }
  });

  it('of integers are not read as numbers with a point', async () => {
    const x = input('x', [2, 3]);
    const best = argMax(x);
    const graph = await compile(gpu(), { outputs: [best] });
    graph.write(x, Float32Array.of(0, 0, 1, 1, 0, 0));
    const [bytes] = await graph.run([best]);
    expect([...new Uint32Array(bytes)]).toEqual([2, 0]);
    await expect(graph.read(best)).rejects.toThrow(/holds integers. Take them of run/);
    graph.destroy();
  });

  it.each([
    ['learningRate', undefined, /learningRate is undefined/],
    ['momentum', Number.NaN, /momentum is NaN/],
    ['weightDecay', Number.POSITIVE_INFINITY, /weightDecay is Infinity/],
    ['seed', 1.5, /seed is 1.5/],
    ['seed', 2 ** 32, /seed is 4294967296/],
    ['step', -1, /step is -1/],
    ['updates', 0.5, /updates is 0.5/],
    ['secondMomentum', 1, /secondMomentum is 1; give a number between 0 and 1/],
    ['epsilon', 0, /epsilon is 0; give a number between 0 and 1/],
    ['learningRate', -0.1, /learningRate is -0.1; give a number of 0 or more/],
    ['learning_rate', 0.1, /setStep has no option 'learning_rate'. It has learningRate, momentum/],
  ])('%s of %s is refused', async (name, value, message) => {
    const { step } = await trained();
    expect(() => step.setStep({ ...rates, [name]: value })).toThrow(message);
    step.destroy();
  });
});

it('an optimizer that is none, and a smoothing that leaves no label', async () => {
  const { loss, step, labels, weight, x } = await trained();
  step.destroy();
  await expect(compile(gpu(), { loss, update: 'rmsprop' as never })).rejects.toThrow(/no optimizer 'rmsprop'/);
  for (const labelSmoothing of [-0.1, 1, Number.NaN]) {
    const smoothed = () => softmaxCrossEntropy(linear(x, weight), labels, undefined, 'loss', { labelSmoothing });
    expect(smoothed).toThrow(/labelSmoothing is .* Give a number from 0 to below 1/);
  }
});

describe('a parameter', () => {
  const made = (options: object) => () => new Parameter('w', [2], new Float32Array(2), options);

  it.each([
    ['a mask below 0', { mask: -1 }, /mask of w holds -1. Use 0 \(frozen\)/],
    ['a mask that is no number', { mask: Number.NaN }, /mask of w holds NaN/],
    ['a list for a mask', { mask: [1, 0] }, /mask of w \[2\] is Array of length 2. Give one number, or a Float32Array/],
    ['a mask of another length', { mask: new Float32Array(3) }, /is Float32Array of length 3.* of length 2/],
    ['a decay factor below 0', { decayFactor: -1 }, /decay factor of w is -1. Give a number of 0 or more/],
    ['an option that there is not', { maks: 0 }, /w has no option 'maks'. It has mask, decayFactor/],
  ])('with %s', (_, options, message) => {
    expect(made(options)).toThrow(message);
  });

  it('that was released under a graph, or lives elsewhere', async () => {
    const { step, weight } = await trained();
    step.setStep(rates);
    weight.release(gpu());
    await expect(step.run()).rejects.toThrow(/weight was released after the graph was compiled. Compile it again/);
    weight.place(gpu());
    await expect(step.run()).rejects.toThrow(/weight was released/);
    const other = await Gpu.open();
    expect(() => weight.release(other)).toThrow(/weight lives on another device/);
    other.destroy();
    step.destroy();
    weight.release(gpu());
  });
});

describe('options and tensors that are none', () => {
  const image = input('image', [1, 3, 8, 8]);
  const filters = input('filters', [4, 3, 3, 3]);

  it('of compile', async () => {
    const y = relu(input('x', [2]));
    const compiled = (options: object) => compile(gpu(), options);
    await expect(compiled({ output: [y] })).rejects.toThrow(/compile has no option 'output'. It has outputs, loss/);
    await expect(compiled({ outputs: y })).rejects.toThrow(/outputs holds Tensor. Give a list of tensors/);
    await expect(compiled({ outputs: [y, undefined] })).rejects.toThrow(/outputs holds undefined. Give a list/);
    await expect(compiled({ loss: 3, update: true })).rejects.toThrow(/loss is 3. Give a tensor/);
    await expect(compiled({})).rejects.toThrow(/nothing to compute. Give `outputs`, or a `loss`/);
  });

  it('of operations', () => {
    expect(() => relu(3 as never)).toThrow(/relu: x is 3. Give a tensor/);
    expect(() => conv2d(image, filters, undefined, { stride: [2, 2] } as never)).toThrow(
      /has an attribute 'stride'. Known are: strides/,
    );
    expect(() => conv2d(image, filters, undefined, { strides: 2 } as never)).toThrow(/strides 2. 2 numbers/);
    expect(() => conv2d(image, filters, { strides: [2, 2] } as never)).toThrow(/bias is Object.*before the options/);
    expect(() => relu(undefined as never)).toThrow(/relu: x is undefined. Give a tensor/);
    expect(() => linear(image, null as never)).toThrow(/linear: weight is null. Give a tensor/);
    const around = { before: [0, 0, 1, 1], after: [0, 0, 1, 1], fill: 1 };
    expect(() => pad(image, around as never)).toThrow(/has an attribute 'fill'/);
  });

  it('of runs, and the state of another graph', async () => {
    const { step, loss } = await trained();
    step.setStep(rates);
    await expect(step.run(loss as never)).rejects.toThrow(/run: Tensor is no list/);
    await expect(step.run([undefined as never])).rejects.toThrow(/undefined is no output of this graph/);
    expect(() => step.write('x' as never, new Float32Array(6))).toThrow(/'x' is no input of this graph/);
    const state = await step.readState();
    expect(() => step.writeState(state.slice(1))).toThrow(/parts are of 24 bytes; this graph's of 24,24/);
    expect(() => step.writeState(state.map((part) => new Float32Array(part)) as never)).toThrow(
      /Float32Array of length/,
    );
    step.destroy();
  });
});

describe('after destroy', () => {
  it('a graph does nothing, and its memory is freed once', async () => {
    const { step, x, weight, loss } = await trained();
    step.setStep(rates);
    step.destroy();
    const { live } = gpu().memory();
    step.destroy();
    expect(gpu().memory().live).toBe(live);
    await expect(step.run([loss])).rejects.toThrow(/destroyed. Compile it again/);
    expect(() => step.write(x, new Float32Array(6))).toThrow(/destroyed/);
    expect(() => step.setStep(rates)).toThrow(/destroyed/);
    await expect(step.read(loss)).rejects.toThrow(/destroyed/);
    await expect(step.readGradient(weight)).rejects.toThrow(/destroyed/);
    await expect(step.readState()).rejects.toThrow(/destroyed/);
    expect(() => step.writeValues([])).toThrow(/destroyed/);
    // Dawn would name a buffer, and the device would compute no more.
    expect(() => step.resetMomentum()).toThrow(/destroyed/);
    await gpu().idle();
  });

  it('a device is not probed, and its reading stays', async () => {
    const other = await Gpu.open();
    other.destroy();
    await expect(other.probe()).rejects.toThrow(/this device was destroyed. Open another/);
  });

  it('a device says so', async () => {
    const other = await Gpu.open();
    const x = input('x', [4]);
    const graph = await compile(other, { outputs: [relu(x)] });
    const storage = other.storage('s', 16);
    other.destroy();
    other.destroy();
    await expect(graph.run()).rejects.toThrow(/this device was destroyed. Open another/);
    await expect(other.read(storage)).rejects.toThrow(/destroyed/);
    expect(() => other.storage('t', 16)).toThrow(/destroyed/);
    await expect(compile(other, { outputs: [relu(input('z', [3]))] })).rejects.toThrow(/destroyed/);
    graph.destroy();
  });
});

describe('attributes beside those for which the formula holds', () => {
  const x = input('x', [1, 2, 3, 3]);
  it.each([
    ['ELU without a sign in what is below 0', () => elu(x, 0), /has alpha 0\. A number above 0 is expected/],
    ['ELU that turns what is below 0', () => elu(x, -1), /has alpha -1/],
    ['dropout of all', () => dropout(x, 1), /has ratio 1/],
    [
      'dropout of all in single precision',
      () => dropout(x, 1 - 1e-10),
      /ratio 0.9999999999.* single precision it is 1/,
    ],
    ['ELU of what is 0 in single precision', () => elu(x, 1e-46), /has alpha 1e-46.* in single precision it is 0/],
    [
      'a slope that is infinite there',
      () => leakyRelu(x, 1e40),
      /has slope 1e\+40.* in single precision it is Infinity/,
    ],
    ['LRN with roots of negative numbers', () => lrn(x, { size: 1, alpha: -1 }), /alpha -1. A number of 0 or more/],
    ['LRN that divides by 0 there', () => lrn(x, { size: 1, bias: 1e-46 }), /bias 1e-46.* single precision it is 0/],
    ['an affine map to infinity', () => affine(x, [1e40], [0]), /scale is Array.*of single precision/],
  ] as const)('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('what there is nothing to sum over, or no batch of', () => {
  const [row, single] = [input('row', [3]), input('single', [])];
  const labels = input('labels', [3], 'u32');
  it.each([
    [
      'softmax of single numbers',
      () => softmax(row),
      /\[\] over no dimension, where every result would be 1. Give \[N, classes\]/,
    ],
    ['logSoftmax of single numbers', () => logSoftmax(row), /over no dimension/],
    ['softmax over no axis', () => softmax(input('x', [2, 3]), 'softmax', [1, 1]), /\[3\] over no dimension/],
    ['the best of one class', () => argMax(row), /row has shape \[3\]. Give \[N, classes\]\./],
    ['the loss of one class', () => softmaxCrossEntropy(row, labels), /row has shape \[3\]. Give \[N, classes\]\./],
    [
      'softmax of a single number',
      () => softmax(single, 's', [1, 1]),
      /single has shape \[\], a single number. Give \[N, \.\.\.\]/,
    ],
    ['an affine map of one', () => affine(single, [2], [1]), /a single number/],
    ['a sum of two', () => add(single, single), /a single number/],
    ['a layer of one', () => linear(single, input('w', [1, 1])), /a single number/],
    ['flatten of one', () => flatten(single), /a single number/],
  ] as const)('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('maps of values need no batch', async () => {
    const y = relu(single);
    const graph = await compile(gpu(), { outputs: [y] });
    graph.write(single, Float32Array.of(-2));
    await graph.run();
    expect([...(await graph.read(y))]).toEqual([0]);
    graph.destroy();
  });
});

describe('normalisation of images', () => {
  const [images, source] = [input('images', [3, 2, 2], 'u32'), input('source', [2], 'u32')];
  const [zeros, ones] = [
    [0, 0, 0],
    [1, 1, 1],
  ];
  const options = { size: [2, 2], channels: 3, fill: 0, channelOrder: 'rgb', scale: 1, mean: zeros, std: ones };
  const sampled = (change: object) =>
    affineSample(images, source, input('t', [2, 6]), { ...options, ...change } as never);

  it.each([
    [{ mean: [0.5] }, /mean \[0.5\] of 3 channels. Give one a channel: 3 finite numbers/],
    [{ mean: [0, 0, 0, 0] }, /mean \[0, 0, 0, 0\] of 3 channels/],
    [{ mean: [0, Number.NaN, 0] }, /mean \[0, NaN, 0\]/],
    [{ mean: [0, 1e40, 0] }, /mean \[0, 1e\+40, 0\]/],
    [{ std: [1, 0, 1] }, /std \[1, 0, 1\] of 3 channels. Give one a channel: 3 numbers above 0/],
    [{ std: [1, -1, 1] }, /std \[1, -1, 1\]/],
    [{ std: [1, 1e-46, 1] }, /std \[1, 1e-46, 1\].*in single precision too/],
    [{ std: [] }, /std \[\] of 3 channels/],
    [{ std: 'no' }, /std is 'no'. Give a list of numbers/],
    [{ channels: 1 }, /mean \[0, 0, 0\] of 1 channels. Give one a channel: 1 finite numbers/],
    [{ scale: 0 }, /scale is 0. Give a number above 0/],
    [{ fill: 300 }, /fill is 300. Give a number from 0 to 255/],
  ])('%j is refused', (change, message) => {
    expect(() => sampled(change)).toThrow(message);
  });

  it('by a typed array is by its numbers', () => {
    expect(sampled({ mean: Float32Array.of(1, 2, 3) }).shape).toEqual([2, 3, 2, 2]);
  });

  it('is refused where a network is made with one that is none', () => {
    const preprocessing = { size: [64, 64], channelOrder: 'rgb', scale: 1, mean: zeros, std: ones } as const;
    const made = (change: object) => () => alexnetSmall({ preprocessing: { ...preprocessing, ...change } });
    expect(made({})).not.toThrow();
    for (const change of [
      { std: [0, 1, 1] },
      { mean: undefined },
      { scale: -1 },
      { size: [64] },
      { channelOrder: 'hsv' },
    ]) {
      expect(made(change)).toThrow(/preprocessing is Object. Give \{ size: \[height, width\], channelOrder/);
    }
  });
});
