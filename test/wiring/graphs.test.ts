/** What runs of a graph share: weights that two operations read or two graphs use, copies of them, streams of draws. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { add } from '../../src/operators/arithmetic/graph.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { dropout } from '../../src/operators/dropout/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const random = new Random(testSeed);
const normals = (count: number, scale = 1) => Float32Array.from({ length: count }, () => scale * random.normal());
const rate = { learningRate: 0.1, momentum: 0, weightDecay: 0, step: 0, seed: 0 };

describe('a weight', () => {
  it.each([3, 8, 40])('that two layers read steps once, by the sum of their gradients (batch %i)', async (batch) => {
    const w = new Parameter('w', [8, 8], normals(64));
    const x = input('x', [batch, 8]);
    const y = linear(linear(x, w), w);
    const v = input('v', y.shape);
    const [before, xs, vs] = [await w.read(gpu()), normals(x.size), normals(v.size)];
    const gradientOnly = await compile(gpu(), { loss: y, upstream: v, gradients: [w] });
    const update = await compile(gpu(), { loss: y, upstream: v, update: true });
    for (const graph of [gradientOnly, update]) {
      graph.write(x, xs);
      graph.write(v, vs);
    }
    await gradientOnly.run();
    const gradient = await gradientOnly.readGradient(w);
    // Momentum and decay tell two steps from one: without them two steps by two gradients are one by their sum.
    update.setStep({ ...rate, momentum: 0.9, weightDecay: 0.05 });
    await update.run();
    const stepped = await w.read(gpu());
    expectClose(
      stepped,
      Array.from(gradient, (g, i) => before[i] - 0.1 * (g + 0.05 * before[i])),
      { absolute: 1e-4, relative: 1e-5 },
    );
    for (const graph of [gradientOnly, update]) graph.destroy();
    w.release(gpu());
  });

  /** Convolutions of which some algorithm keeps the weight in another layout. */
  const shapes = [
    { name: '3 x 3', x: [2, 32, 24, 24], w: [32, 32, 3, 3] },
    { name: '5 x 5', x: [2, 16, 20, 20], w: [32, 16, 5, 5] },
    { name: '1 x 1', x: [2, 64, 16, 16], w: [64, 64, 1, 1] },
  ];

  it.each(shapes)(
    'that is trained is used as it is, by its own graph and by another ($name)',
    async ({ x: xShape, w: wShape }) => {
      const x = input('x', xShape);
      const size = wShape.reduce((a, b) => a * b, 1);
      const w = new Parameter('w', wShape, normals(size, 0.1));
      const y = conv2d(x, w, undefined, {});
      const v = input('v', y.shape);
      // Opened before the training, as a test part's graph is.
      const inference = await compile(gpu(), { outputs: [y] });
      const training = await compile(gpu(), { loss: y, upstream: v, outputs: [y], update: true });
      const xs = normals(x.size);
      inference.write(x, xs);
      training.write(x, xs);
      training.write(v, normals(v.size));
      await inference.run();
      for (let step = 0; step < 2; step++) {
        training.setStep({ ...rate, learningRate: 0.01, step });
        await training.run();
      }
      // Forward with the weight of the second step, before the third changes it.
      const present = new Parameter('w', wShape, await w.read(gpu()));
      const fresh = conv2d(x, present, undefined, {});
      const expected = await valuesOf(fresh, x, xs);
      await inference.run();
      expectClose(await inference.read(y), expected, { absolute: 1e-3, relative: 1e-4 }, 'another graph');
      training.setStep({ ...rate, learningRate: 0.01, step: 2 });
      await training.run();
      expectClose(await training.read(y), expected, { absolute: 1e-3, relative: 1e-4 }, 'its own graph');
      // Written by hand, too.
      const again = normals(size, 0.1);
      w.reset(gpu(), again);
      await inference.run();
      const other = new Parameter('w', wShape, again);
      expectClose(await inference.read(y), await valuesOf(conv2d(x, other, undefined, {}), x, xs), {
        absolute: 1e-3,
        relative: 1e-4,
      });
      for (const graph of [inference, training]) graph.destroy();
      for (const parameter of [w, present, other]) parameter.release(gpu());
    },
  );

  it('of these shapes is kept in another layout in one of them at least, and in none where it is trained', async () => {
    let packed = 0;
    for (const { x: xShape, w: wShape } of shapes) {
      const w = new Parameter('w', wShape, normals(wShape.reduce((a, b) => a * b, 1)));
      const y = conv2d(input('x', xShape), w, undefined, {});
      const inference = await compile(gpu(), { outputs: [y] });
      const training = await compile(gpu(), { loss: y, upstream: input('v', y.shape), update: true });
      packed += inference.memory.packed;
      expect(training.memory.packed, 'made anew at every step, it would only take up memory').toBe(0);
      for (const graph of [inference, training]) graph.destroy();
      w.release(gpu());
    }
    expect(packed).toBeGreaterThan(0);
  });

  async function valuesOf(y: Tensor, x: Tensor, xs: Float32Array<ArrayBuffer>) {
    const graph = await compile(gpu(), { outputs: [y], keepPacked: false });
    graph.write(x, xs);
    await graph.run();
    const values = await graph.read(y);
    graph.destroy();
    return values;
  }
});

it('two dropouts draw masks of their own, the same in forward and backward', async () => {
  const x = input('x', [500]);
  const [one, other] = [dropout(x, 0.5), dropout(x, 0.5)];
  const y = add(one, other);
  const v = input('v', [500]);
  const graph = await compile(gpu(), { loss: y, upstream: v, outputs: [one, other], gradients: [x] });
  graph.write(x, new Float32Array(500).fill(1));
  graph.write(v, new Float32Array(500).fill(1));
  graph.setStep({ ...rate, seed: 3 });
  await graph.run();
  const [a, b, dx] = [await graph.read(one), await graph.read(other), await graph.readGradient(x)];
  const both = a.filter((value, i) => value !== 0 && b[i] !== 0).length;
  // A quarter of 500, within four standard deviations.
  expect(Math.abs(both - 125)).toBeLessThan(4 * Math.sqrt(500 * 0.25 * 0.75));
  expect(dx).toEqual(a.map((value, i) => value + b[i]));
  graph.destroy();
});
