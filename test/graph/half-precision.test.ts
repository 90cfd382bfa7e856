/**
 * Graphs of halves against the same arithmetic in float64, which rounds to a half wherever the device stores one; what
 * loss scaling does with an overflow; and what is refused.
 */
import { describe, expect, it } from 'vitest';
import { roundToHalf } from '../../src/check/half.ts';
import { Gpu } from '../../src/gpu/device.ts';
import { machines } from '../../src/gpu/machine.ts';
import { plannedGpu } from '../../src/gpu/planned.ts';
import { type CompiledGraph, compile, planGraph } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { FIRST_SCALE, VELOCITY_SCALE } from '../../src/kernels/loss-scale/state.ts';
import { modelTime } from '../../src/kernels/time-model.ts';
import { buildNetwork, parametersOf } from '../../src/models/build.ts';
import { alexnet, alexnetSmall, vgg16 } from '../../src/models/tables.ts';
import { batchNormalization } from '../../src/operators/batch-normalization/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { sigmoid } from '../../src/operators/sigmoid/graph.ts';
import { Random } from '../../src/random.ts';
import { testSeed, useGpu } from '../support/gpu.ts';
import { narrowResnet } from '../support/resnet.ts';

const gpu = useGpu({ precision: 'f16' });
const single = useGpu();

const [BATCH, INPUTS, HIDDEN, CLASSES] = [4, 8, 12, 3];
const RATES = { learningRate: 0.05, momentum: 0.9, weightDecay: 0.01 };

interface Values {
  readonly w1: Float32Array<ArrayBuffer>;
  readonly b1: Float32Array<ArrayBuffer>;
  readonly w2: Float32Array<ArrayBuffer>;
  readonly b2: Float32Array<ArrayBuffer>;
}

function drawValues(random: Random): Values {
  const normal = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random.normal());
  return {
    w1: normal(HIDDEN * INPUTS, 0.4),
    b1: normal(HIDDEN, 0.1),
    w2: normal(CLASSES * HIDDEN, 0.4),
    b2: normal(CLASSES, 0.1),
  };
}

/** x -> fc1 -> ReLU -> fc2 -> loss, with its parameters by name. */
async function perceptron(device: Gpu, values: Values) {
  const [x, labels] = [input('x', [BATCH, INPUTS]), input('labels', [BATCH], 'u32')];
  const parameters = {
    w1: new Parameter('w1', [HIDDEN, INPUTS], values.w1),
    b1: new Parameter('b1', [HIDDEN], values.b1, { decayFactor: 0 }),
    w2: new Parameter('w2', [CLASSES, HIDDEN], values.w2, { mask: 2 }),
    b2: new Parameter('b2', [CLASSES], values.b2, { decayFactor: 0 }),
  };
  const { w1, b1, w2, b2 } = parameters;
  const loss = softmaxCrossEntropy(linear(relu(linear(x, w1, b1)), w2, b2), labels);
  const graph = await compile(device, { loss, update: true });
  return { graph, x, labels, loss, parameters };
}

const DATA = (random: Random) => ({
  x: Float32Array.from({ length: BATCH * INPUTS }, () => random.normal()),
  labels: Uint32Array.from({ length: BATCH }, () => random.integer(CLASSES)),
});

/** The same training in float64; `half` rounds what the device stores as halves. */
function train(values: Values, { x, labels }: ReturnType<typeof DATA>, steps: number, half: (value: number) => number) {
  const copy = (from: ArrayLike<number>) => Float64Array.from(from);
  const p = { w1: copy(values.w1), b1: copy(values.b1), w2: copy(values.w2), b2: copy(values.b2) };
  const v = { w1: p.w1.map(() => 0), b1: p.b1.map(() => 0), w2: p.w2.map(() => 0), b2: p.b2.map(() => 0) };
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [w1, w2] = [p.w1.map(half), p.w2.map(half)];
    const dot = (row: (i: number) => number, count: number) => range(count).reduce((sum, i) => sum + row(i), 0);
    const h = range(BATCH * HIDDEN).map((at) => {
      const [n, o] = [Math.floor(at / HIDDEN), at % HIDDEN];
      return half(Math.max(p.b1[o] + dot((i) => x[n * INPUTS + i] * w1[o * INPUTS + i], INPUTS), 0));
    });
    const logits = range(BATCH * CLASSES).map((at) => {
      const [n, o] = [Math.floor(at / CLASSES), at % CLASSES];
      return half(p.b2[o] + dot((i) => h[n * HIDDEN + i] * w2[o * HIDDEN + i], HIDDEN));
    });
    const sums = range(BATCH).map((n) => dot((c) => Math.exp(logits[n * CLASSES + c]), CLASSES));
    losses.push(dot((n) => Math.log(sums[n]) - logits[n * CLASSES + labels[n]], BATCH) / BATCH);
    const S = FIRST_SCALE;
    const dy2 = logits.map((value, at) => {
      const [n, c] = [Math.floor(at / CLASSES), at % CLASSES];
      return half((S * (Math.exp(value) / sums[n] - (labels[n] === c ? 1 : 0))) / BATCH);
    });
    const dy1 = h.map((value, at) => {
      const [n, i] = [Math.floor(at / HIDDEN), at % HIDDEN];
      return half(value > 0 ? dot((o) => dy2[n * CLASSES + o] * w2[o * HIDDEN + i], CLASSES) : 0);
    });
    const update = (name: keyof typeof p, mask: number, decay: number, gradient: (i: number) => number) => {
      for (let i = 0; i < p[name].length; i++) {
        const g = gradient(i) / S + RATES.weightDecay * decay * p[name][i];
        const velocity = RATES.momentum * v[name][i] - RATES.learningRate * mask * g;
        v[name][i] = half(velocity * VELOCITY_SCALE) / VELOCITY_SCALE;
        p[name][i] += velocity;
      }
    };
    const weight = (dy: readonly number[], outputs: number, from: ArrayLike<number>, inputs: number) => (at: number) =>
      dot((n) => dy[n * outputs + Math.floor(at / inputs)] * from[n * inputs + (at % inputs)], BATCH);
    const bias = (dy: readonly number[], outputs: number) => (o: number) => dot((n) => dy[n * outputs + o], BATCH);
    update('w1', 1, 1, weight(dy1, HIDDEN, x, INPUTS));
    update('b1', 1, 0, bias(dy1, HIDDEN));
    update('w2', 2, 1, weight(dy2, CLASSES, h, HIDDEN));
    update('b2', 1, 0, bias(dy2, CLASSES));
  }
  return { losses, parameters: p };
}

const worst = (one: ArrayLike<number>, other: ArrayLike<number>) =>
  Math.max(...Array.from(one, (value, i) => Math.abs(value - other[i])));

const lossScale = async (graph: CompiledGraph) => Array.from(await graph.read(graph.lossScale!));

async function steps(made: Awaited<ReturnType<typeof perceptron>>, count: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < count; step++) {
    made.graph.setStep({ ...RATES, step, seed: 1 });
    losses.push(new Float32Array((await made.graph.run([made.loss]))[0])[0]);
  }
  return losses;
}

it(`trains as float64 does that rounds to halves where the device stores them (seed ${testSeed})`, async () => {
  const random = new Random(testSeed);
  const [values, data] = [drawValues(random), DATA(random)];
  const made = await perceptron(gpu(), values);
  made.graph.write(made.x, data.x);
  made.graph.write(made.labels, data.labels);
  const losses = await steps(made, 8);
  const rounded = train(values, data, 8, roundToHalf);
  const exact = train(values, data, 8, (value) => value);
  // Here and there a sum lies so near to the middle of two halves that the device rounds it to the other.
  expect(worst(losses, rounded.losses)).toBeLessThan(2 ** -10);
  for (const name of ['w1', 'b1', 'w2', 'b2'] as const) {
    const found = await made.parameters[name].read(gpu());
    const [toRounded, toExact] = [rounded, exact].map(({ parameters }) => worst(found, parameters[name]));
    expect(toRounded, name).toBeLessThan(3e-4);
    expect(toExact, name).toBeLessThan(5e-3);
    // The masters are no halves.
    expect(worst(found, found.map(roundToHalf)), name).toBeGreaterThan(0);
  }
  expect((await lossScale(made.graph)).slice(0, 3)).toEqual([FIRST_SCALE, 8, 0]);
  made.graph.destroy();
});

it('has as few passes as may wait for the checks: a bias is updated where it is summed, as its weight is', async () => {
  const made = await perceptron(gpu(), drawValues(new Random(testSeed)));
  const labels = made.graph.dispatches.slice(made.graph.forwardDispatches).map(({ label }) => label.split(' ')[0]);
  const after = labels.slice(labels.indexOf('loss-scale/next') + 1);
  expect(after.sort()).toEqual(['bias/gradient', 'bias/gradient', 'linear/update-scaled', 'linear/update-scaled']);
  expect(labels.filter((label) => /^(sgdm|cast|loss-scale)\//.test(label))).toEqual([
    'loss-scale/check',
    'loss-scale/next',
  ]);
  made.graph.destroy();
  for (const parameter of Object.values(made.parameters)) parameter.release(gpu());
});

it('an update by the scale itself, which the checks change, does not wait for them', async () => {
  const [w, b] = [new Parameter('w', [1, 8], new Float32Array(8)), new Parameter('b', [1], new Float32Array(1))];
  const graph = await compile(gpu(), { loss: linear(input('x', [1, 8]), w, b), update: true });
  const labels = graph.dispatches.map(({ label }) => label.split(' ')[0]);
  const after = labels.slice(labels.indexOf('loss-scale/next') + 1);
  expect(after.sort()).toEqual(['sgdm/scaled', 'sgdm/scaled-copied']);
  graph.destroy();
  for (const parameter of [w, b]) parameter.release(gpu());
});

it('skips a step whose gradients overflow, halves the scale, and goes on', async () => {
  const random = new Random(testSeed);
  const values = drawValues(random);
  // dy2 w2 is at least some 8192 / 4 / 4 * 100: more than a half holds, and less after some halvings.
  const large = { ...values, w2: values.w2.map((value) => (value < 0 ? -100 : 100)) };
  const made = await perceptron(gpu(), large);
  const data = DATA(random);
  made.graph.write(
    made.x,
    data.x.map((value) => value / 50),
  );
  made.graph.write(made.labels, data.labels);
  await steps(made, 1);
  expect((await lossScale(made.graph)).slice(0, 3)).toEqual([FIRST_SCALE / 2, 0, 1]);
  for (const [name, before] of Object.entries(large)) {
    expect(Array.from(await made.parameters[name as keyof Values].read(gpu())), name).toEqual(Array.from(before));
  }
  const state = await made.graph.readState();
  for (const part of state.slice(4, 8)) expect(new Uint16Array(part).every((bits) => bits === 0)).toBe(true);
  await steps(made, 6);
  const [scale, good, , , total] = await lossScale(made.graph);
  expect(total).toBeGreaterThan(1);
  expect(scale).toBe(FIRST_SCALE / 2 ** total);
  expect(good).toBe(7 - total);
  expect(worst(await made.parameters.w2.read(gpu()), large.w2)).toBeGreaterThan(0);
  made.graph.destroy();
});

it('goes on from a state in the same bits, after others have changed the values', async () => {
  const random = new Random(testSeed);
  const [values, data] = [drawValues(random), DATA(random)];
  const made = await perceptron(gpu(), values);
  made.graph.write(made.x, data.x);
  made.graph.write(made.labels, data.labels);
  await steps(made, 2);
  const state = await made.graph.readState();
  expect(state.map(({ byteLength }) => byteLength)).toEqual(made.graph.stateSizes);
  const once = await steps(made, 3);
  made.graph.writeState(state);
  expect(await steps(made, 3)).toEqual(once);
  made.graph.destroy();
});

it('halves of a weight follow what another graph trains', async () => {
  const values = drawValues(new Random(testSeed));
  const made = await perceptron(gpu(), values);
  const x = input('x', [BATCH, INPUTS]);
  const y = linear(x, made.parameters.w1, made.parameters.b1);
  const inference = await compile(gpu(), { outputs: [y] });
  const data = DATA(new Random(testSeed + 1));
  for (const [graph, at] of [
    [made.graph, made.x],
    [inference, x],
  ] as [CompiledGraph, Tensor][])
    graph.write(at, data.x);
  made.graph.write(made.labels, data.labels);
  const [before] = await inference.run([y]);
  await steps(made, 3);
  const [after] = await inference.run([y]);
  const [w, b] = [await made.parameters.w1.read(gpu()), await made.parameters.b1.read(gpu())];
  const expected = Array.from(new Float32Array(after), (_, at) => {
    const [n, o] = [Math.floor(at / HIDDEN), at % HIDDEN];
    let sum = b[o];
    for (let i = 0; i < INPUTS; i++) sum += data.x[n * INPUTS + i] * roundToHalf(w[o * INPUTS + i]);
    return sum;
  });
  expect(worst(new Float32Array(after), expected)).toBeLessThan(1e-5);
  expect(worst(new Float32Array(before), expected)).toBeGreaterThan(1e-3);
  for (const graph of [made.graph, inference]) graph.destroy();
});

const smallNet = () => alexnetSmall({ classes: 3, seed: 6, filters: [8, 12, 16, 16, 12], hidden: 32 });
const smallVgg = () => vgg16({ classes: 3, seed: 7, filters: [4, 6, 8, 8, 8], hidden: 24, size: 32 });

describe.each([
  ['alexnet-small', smallNet],
  ['narrow VGG', smallVgg],
  ['narrow ResNet', () => narrowResnet(6)],
] as const)('%s', (_, network) => {
  it.each(['software', 'hardware'] as const)('steps as in single precision, as planned for %s', async (kind) => {
    const [half, full] = await Promise.all([Gpu.open({ kind, precision: 'f16' }), Gpu.open({ kind })]);
    try {
      const [losses, exact] = [await lossesOf(half, network), await lossesOf(full, network)];
      for (const [i, loss] of losses.entries()) expect(Math.abs(loss - exact[i]), `step ${i}`).toBeLessThan(0.05);
      expect(losses).not.toEqual(exact);
    } finally {
      for (const device of [half, full]) device.destroy();
    }
  });
});

async function lossesOf(device: Gpu, made: () => ReturnType<typeof smallNet>): Promise<number[]> {
  const network = made();
  const random = new Random(testSeed);
  const [batch, steps] = [4, 6];
  const image = input('image', [batch, ...network.inputs[0].shape]);
  const labels = input('labels', [batch], 'u32');
  const { logits } = buildNetwork(network, { batch, parameters: parametersOf(network), image });
  const loss = softmaxCrossEntropy(logits, labels);
  const graph = await compile(device, { loss, update: true });
  graph.write(
    image,
    Float32Array.from({ length: image.size }, () => random.normal()),
  );
  graph.write(labels, Uint32Array.of(0, 1, 2, 1));
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    graph.setStep({ learningRate: 2e-3, momentum: 0.9, weightDecay: 5e-4, step, seed: 3 });
    losses.push(new Float32Array((await graph.run([loss]))[0])[0]);
  }
  graph.destroy();
  return losses;
}

describe('is refused by name', () => {
  it('on an adapter without shader-f16', async () => {
    await expect(Gpu.open({ adapter: 'embedded', precision: 'f16' })).rejects.toThrow(
      /has no shader-f16.*Leave --precision f16 out/,
    );
    await expect(Gpu.open({ precision: 'f8' as 'f16' })).rejects.toThrow(/no precision 'f8'/);
  });

  it('for what a kernel reads as single precision alone', async () => {
    const [x, ...others] = [[2, 3, 4, 4], [3], [3], [3], [3]].map((shape, i) => input(`${i}`, shape));
    const [scale, shift, mean, variance] = others;
    const normalized = batchNormalization(x, sigmoid(scale), shift, mean, variance);
    await expect(compile(gpu(), { outputs: [normalized] })).rejects.toThrow(
      /half precision has no text of batch-normalization\/coefficients for its scale, .* Use --precision f32/,
    );
  });

  it('for updates that would read scaled gradients, other optimizers and masks of elements', async () => {
    const values = drawValues(new Random(1));
    const [x, labels] = [input('x', [BATCH, INPUTS]), input('labels', [BATCH], 'u32')];
    const loss = (mask?: Float32Array<ArrayBuffer>) => {
      const w = new Parameter('w', [CLASSES, INPUTS], new Float32Array(CLASSES * INPUTS), { mask: mask ?? 1 });
      return { w, loss: softmaxCrossEntropy(linear(x, w), labels) };
    };
    const one = loss();
    await expect(compile(gpu(), { loss: one.loss, update: true, gradients: [one.w] })).rejects.toThrow(
      /scales the loss/,
    );
    await expect(compile(gpu(), { loss: loss().loss, update: 'adam' })).rejects.toThrow(/no update by adam/);
    const masked = loss(values.w1.slice(0, CLASSES * INPUTS).map((_, i) => i % 2));
    await expect(compile(gpu(), { loss: masked.loss, update: true })).rejects.toThrow(/as w has/);
  });
});

/** A step of a network at batch 10, as planned for an adapter: what it moves, and its time by the model. */
function planned(name: string, make: typeof alexnet, options: Parameters<typeof plannedGpu>[1]) {
  const { machine } = machines.find((one) => one.name === name)!;
  const network = make({ classes: 1000, seed: 1 });
  const labels = input('labels', [10], 'u32');
  const { logits } = buildNetwork(network, { batch: 10, parameters: parametersOf(network) });
  const adapter = plannedGpu(name, options);
  const { dispatches } = planGraph(adapter, { loss: softmaxCrossEntropy(logits, labels), update: true });
  const all = dispatches as KernelDispatch[];
  return {
    bytes: all.reduce((sum, { cost }) => sum + cost.bytes, 0),
    milliseconds: all.reduce((sum, one) => sum + modelTime(one, adapter, machine).milliseconds, 0),
  };
}

const IMPLICIT = { precision: 'f16', algorithms: { conv2d: 'implicit-gemm' } } as const;
/** Where single precision convolves without Winograd's tiles, halves save less. */
const SHARES: Readonly<Record<string, number>> = { 'rtx-4090': 0.7 };

describe.each(machines.map(({ name }) => name))('as planned for %s', (name) => {
  it("a step of AlexNet moves some 0.6 of single precision's bytes without Winograd's tiles", () => {
    const [single, half] = [{}, IMPLICIT].map((options) => planned(name, alexnet, options));
    expect(half.bytes / single.bytes).toBeLessThan(SHARES[name] ?? 0.6);
  });

  it.each([
    ['AlexNet', alexnet],
    ['VGG16', vgg16],
  ] as const)('a step of %s takes no longer by the model, and fewer bytes', (_, make) => {
    const [single, half] = (['f32', 'f16'] as const).map((precision) => planned(name, make, { precision }));
    expect(half.milliseconds / single.milliseconds).toBeLessThan(1);
    expect(half.bytes / single.bytes).toBeLessThan(1);
  });
});

it('single precision on the same device is what it was: no halves, no scale', async () => {
  const made = await perceptron(single(), drawValues(new Random(1)));
  expect(made.graph.lossScale).toBeUndefined();
  expect(made.graph.dispatches.some(({ source }) => source.includes('f16'))).toBe(false);
  made.graph.destroy();
});
