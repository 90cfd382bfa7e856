/** What would be silent or obscure: each is refused, with the thing, the value and the remedy. */
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/device.ts';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { dropout } from '../../src/operators/dropout/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

async function trained() {
  const x = input('x', [2, 3]);
  const labels = input('labels', [2], 'u32');
  const weight = new Parameter('weight', [2, 3], new Float32Array(6).fill(0.1));
  const loss = softmaxCrossEntropy(linear(x, weight), labels);
  return { x, labels, weight, loss, step: await compile(gpu(), { loss, update: true }) };
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

  it('of a parameter', () => {
    const parameter = new Parameter('w', [2], [1, 2] as never);
    expect(() => parameter.place(gpu())).toThrow(/Parameter w \[2\] takes a Float32Array of length 2; got Array/);
    expect(() => parameter.reset(gpu(), new Float64Array(2) as never)).toThrow(/got Float64Array of length 2/);
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
    await graph.run();
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
    expect(smoothed).toThrow(/label smoothing of .* from 0 to below 1/);
  }
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
