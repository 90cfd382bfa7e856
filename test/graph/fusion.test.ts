/** What the compiler saves: passes over memory for a ReLU, and packing of weights that stay as they are. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input, Parameter, type Tensor } from '../../src/graph/tensor.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { flatten } from '../../src/operators/reshape/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const gpu = useGpu();
const random = new Random(testSeed);
const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());
const kernelsOf = (graph: { dispatches: readonly { label: string }[] }) => graph.dispatches.map(({ label }) => label);

/** More than 64 columns, so that packing pays where strips do. */
const SHAPE = [2, 3, 9, 9] as const;

function smallNetwork(mask = 1) {
  const x = input('x', SHAPE);
  const filters = new Parameter('filters', [5, 3, 3, 3], normals(135), { mask });
  const bias = new Parameter('bias', [5], normals(5), { mask });
  const convolved = conv2d(x, filters, bias, { pads: [1, 1, 1, 1] });
  return { x, filters, bias, convolved, active: relu(convolved) };
}

async function outputsOf(outputs: readonly Tensor[], x: Tensor, values: Float32Array<ArrayBuffer>) {
  const graph = await compile(gpu(), { outputs });
  graph.write(x, values);
  const buffers = await graph.run(outputs);
  const kernels = kernelsOf(graph);
  graph.destroy();
  return { values: buffers.map((buffer) => new Float32Array(buffer)), kernels };
}

describe('a ReLU after a convolution or a fully connected layer', () => {
  it('is applied where the argument is made, with the same bits', async () => {
    const { x, convolved, active } = smallNetwork();
    const weight = new Parameter('weight', [7, 405], normals(7 * 405));
    const hidden = linear(flatten(active), weight);
    const end = relu(hidden);
    const values = normals(x.size);
    const fused = await outputsOf([end], x, values);
    expect(fused.kernels.filter((label) => label.startsWith('relu'))).toEqual([]);
    // Who reads the arguments makes them be written.
    const apart = await outputsOf([end, convolved, hidden], x, values);
    expect(apart.kernels.filter((label) => label.startsWith('relu'))).toHaveLength(2);
    expect(fused.values[0]).toEqual(apart.values[0]);
    expect(fused.values[0]).toEqual(apart.values[2].map((value) => Math.max(value, 0)));
    expect(Math.min(...apart.values[2])).toBeLessThan(0);
  });

  it('is applied apart where another operation reads the argument', async () => {
    const { x, convolved, active } = smallNetwork();
    const weight = new Parameter('weight', [2, 405], normals(810));
    const [a, b] = [linear(flatten(active), weight), linear(flatten(convolved), weight)];
    const { kernels } = await outputsOf([a, b], x, normals(x.size));
    expect(kernels.filter((label) => label.startsWith('relu'))).toHaveLength(1);
  });

  it('has the same gradients', async () => {
    const { x, filters, convolved, active } = smallNetwork();
    const v = input('v', active.shape);
    const [values, upstream] = [normals(x.size), normals(active.size)];
    const gradients = async (outputs: readonly Tensor[]) => {
      const graph = await compile(gpu(), { loss: active, upstream: v, outputs, gradients: [x, filters] });
      graph.write(x, values);
      graph.write(v, upstream);
      await graph.run();
      const found = [await graph.readGradient(x), await graph.readGradient(filters)];
      const kernels = kernelsOf(graph);
      graph.destroy();
      return { found, kernels };
    };
    const fused = await gradients([]);
    const apart = await gradients([convolved]);
    expect(fused.kernels).not.toContainEqual(expect.stringContaining('relu/forward'));
    expect(apart.kernels).toContainEqual(expect.stringContaining('relu/forward'));
    expect(fused.found).toEqual(apart.found);
  });
});

describe('a weight that a graph does not train', () => {
  const steps = { learningRate: 0.1, momentum: 0, weightDecay: 0, step: 0, seed: 0 };

  it('is packed once, not in every run', async () => {
    const { x, active } = smallNetwork(0);
    const graph = await compile(gpu(), { outputs: [active] });
    const kernels = kernelsOf(graph);
    if (kernels.some((label) => label.startsWith('conv2d/direct'))) {
      expect(kernels.filter((label) => label.startsWith('gemm/pack'))).toEqual([]);
    }
    graph.write(x, normals(x.size));
    const [first] = await graph.run([active]);
    const [second] = await graph.run([active]);
    expect(new Float32Array(second)).toEqual(new Float32Array(first));
    graph.destroy();
  });

  it('is packed in every run where the copies are large beside all parameters', async () => {
    // 9 MiB of weights; tiles' panels hold 36 values for each nine.
    const x = input('x', [2, 512, 12, 12]);
    const weight = new Parameter('weight', [512, 512, 3, 3], normals(512 * 512 * 9));
    const y = conv2d(x, weight, undefined, { pads: [1, 1, 1, 1] });
    const graph = await compile(gpu(), { outputs: [y] });
    expect(graph.memory.packed).toBeLessThanOrEqual(2 ** 24);
    if (kernelsOf(graph).some((label) => label.startsWith('conv2d/winograd-image'))) {
      expect(kernelsOf(graph).filter((label) => label.startsWith('conv2d/winograd-filter'))).toHaveLength(1);
    }
    const values = normals(x.size);
    graph.write(x, values);
    for (const filter of [0, 511]) {
      const [found] = await graph.run([y]);
      const w = await weight.read(gpu());
      let sum = 0;
      for (let c = 0; c < 512; c++)
        for (let t = 0; t < 9; t++) {
          sum += w[(filter * 512 + c) * 9 + t] * values[(c * 12 + 4 + Math.floor(t / 3)) * 12 + 6 + (t % 3)];
        }
      // The output at line 5, column 7.
      expect(new Float32Array(found)[(filter * 12 + 5) * 12 + 7]).toBeCloseTo(sum, 2);
      weight.reset(gpu(), normals(weight.size));
    }
    graph.destroy();
    weight.release(gpu());
  });

  it('is packed anew when its values are set, and when another graph has trained it', async () => {
    const { x, filters, bias, active } = smallNetwork();
    const weight = new Parameter('weight', [2, 405], normals(810));
    const labels = input('labels', [2], 'u32');
    const loss = softmaxCrossEntropy(linear(flatten(active), weight), labels);
    const [inference, training] = [
      await compile(gpu(), { outputs: [active] }),
      await compile(gpu(), { loss, update: true }),
    ];
    const values = normals(x.size);
    inference.write(x, values);
    training.write(x, values);
    training.write(labels, Uint32Array.of(0, 1));
    training.setStep(steps);
    /** relu(conv(x, w) + b) in double precision, with the values that the parameters have now */
    const expected = async () => {
      const [w, b] = [await filters.read(gpu()), await bias.read(gpu())];
      return Float64Array.from({ length: active.size }, (_, i) => {
        const [ox, oy, f, n] = [i % 9, Math.floor(i / 9) % 9, Math.floor(i / 81) % 5, Math.floor(i / 405)];
        let sum = b[f];
        for (let c = 0; c < 3; c++)
          for (let ky = 0; ky < 3; ky++)
            for (let kx = 0; kx < 3; kx++) {
              const [iy, ix] = [oy + ky - 1, ox + kx - 1];
              if (iy < 0 || iy >= 9 || ix < 0 || ix >= 9) continue;
              sum += w[((f * 3 + c) * 3 + ky) * 3 + kx] * values[((n * 3 + c) * 9 + iy) * 9 + ix];
            }
        return Math.max(sum, 0);
      });
    };
    const check = async () => {
      const [found] = await inference.run([active]);
      expectClose(new Float32Array(found), await expected(), { absolute: 1e-5, relative: 1e-5 });
    };
    await check();
    filters.reset(gpu(), normals(filters.size));
    await check();
    const before = await filters.read(gpu());
    await training.run();
    expect(await filters.read(gpu())).not.toEqual(before);
    await check();
    inference.destroy();
    training.destroy();
  });
});
