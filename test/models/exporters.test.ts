/** What exporters write in place of what they were given: the same numbers as onnxruntime's, at drawn shapes. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/models/import-onnx.ts';
import { declaredImageSize } from '../../src/models/inputs.ts';
import { imageShape } from '../../src/models/network.ts';
import type { Attribute, OnnxModel } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { Random } from '../../src/random.ts';
import { drawn, expectAsOnnxruntime } from '../support/as-onnxruntime.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed } from '../support/gpu.ts';
import { hasOnnxruntime, openOnnxruntime } from '../support/onnxruntime.ts';
import { callingFunctions, functionStep as step, withFunctions } from './function-graphs.ts';
import { interpret } from './interpret.ts';
import { float, GraphBuilder, int, ints } from './zoo-graphs.ts';

interface Drawn {
  readonly model: OnnxModel;
  readonly dims: readonly number[];
}
/** A model of drawn sizes, and its input's shape. */
type Draw = (g: GraphBuilder, size: (low: number, high: number) => number) => Drawn;

const image = (dims: readonly number[], g: GraphBuilder, opset = 17): Drawn => ({
  model: g.model(opset, { name: 'x', dims: ['N', ...dims.slice(1)] }, 'y'),
  dims,
});

/** The kinds of the network's nodes, after its numbers were those of onnxruntime. */
async function kindsOf(draw: Draw, rounds = 3): Promise<string[]> {
  let kinds: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const seed = testSeed + round;
    const random = new Random(seed);
    const { model, dims } = draw(new GraphBuilder(seed), (low, high) => low + random.integer(high - low + 1));
    const network = await expectAsOnnxruntime(model, dims, seed);
    kinds = network.nodes.map(({ op }) => op.kind);
  }
  return kinds;
}

const conv = (g: GraphBuilder, x: string, channels: number, y = 'conv') =>
  g.node('Conv', [x, g.weight('w', 5, channels, 3, 3), g.weight('b', 5)], y, { pads: ints(1, 1, 1, 1) });

describe.skipIf(!hasOnnxruntime)('as onnxruntime computes it (needs onnxruntime-node)', () => {
  it('images laid NHWC, told by the graph: also where their height, or all sizes, are 3', async () => {
    const nhwc: Draw = (g, size) => {
      const [h, w] = [size(3, 7), size(3, 7)];
      const scaled = g.node('Sub', [g.node('Mul', ['x', g.floats('s', [], [0.5])], 's1'), g.weight('mean', 3)], 's2');
      conv(g, g.node('Transpose', [scaled], 't', { perm: ints(0, 3, 1, 2) }), 3, 'y');
      return image([2, h, w, 3], g);
    };
    expect(await kindsOf(nhwc)).toContain('conv2d');
    const { model } = nhwc(new GraphBuilder(1), () => 3);
    const [input] = importOnnx(model).inputs;
    expect([input.layout, imageShape(input)]).toEqual(['NHWC', [3, 3, 3]]);
    const sized = nhwc(new GraphBuilder(1), (low) => low + 2).model;
    expect(declaredImageSize(sized)).toEqual([5, 5]);
    expect(importOnnx(sized, { inputSize: [9, 4] }).inputs[0].shape).toEqual([9, 4, 3]);
  });

  it('one channel, moved by a Reshape', async () => {
    const draw: Draw = (g, size) => {
      const [h, w] = [size(3, 7), size(3, 7)];
      conv(g, g.node('Reshape', ['x', g.integers('to', -1, 1, h, w)], 'r'), 1, 'y');
      return image([2, h, w, 1], g);
    };
    await kindsOf(draw);
    expect(importOnnx(draw(new GraphBuilder(1), (low) => low).model).inputs[0].layout).toBe('NHWC');
  });

  it('images laid NCHW whose width is 3', () => {
    const g = new GraphBuilder(1);
    conv(g, 'x', 4, 'y');
    expect(importOnnx(image([1, 4, 5, 3], g).model).inputs[0].layout).toBeUndefined();
  });

  it.each(['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin'])(
    '%s over any dimensions of an item',
    async (opType) => {
      const old = opType === 'ReduceSum' ? 12 : 17;
      for (const axes of [[2, 3], [-1, -2], [1], [3, 1], [1, 2, 3], [-3]]) {
        for (const [keepdims, opset] of [
          [0, old],
          [1, 18],
        ]) {
          const draw: Draw = (g, size) => {
            const attributes: Record<string, Attribute> = { keepdims: int(keepdims) };
            const operands = ['x'];
            if (opset === 18) operands.push(g.integers('axes', ...axes));
            else attributes['axes'] = ints(...axes);
            g.node(opType, operands, 'y', attributes);
            return image([size(1, 3), size(1, 4), size(1, 5), size(2, 5)], g, opset);
          };
          await kindsOf(draw, 1);
        }
      }
    },
  );

  it('a head by ReduceMean is a global average pool', async () => {
    const kinds = await kindsOf((g, size) => {
      const channels = size(1, 6);
      const pooled = g.node('ReduceMean', [g.node('Relu', ['x'], 'r')], 'm', { axes: ints(2, 3), keepdims: int(0) });
      g.node('Gemm', [pooled, g.weight('w', 4, channels)], 'y', { transB: int(1) });
      return image([2, channels, size(2, 6), size(2, 6)], g);
    });
    expect(kinds).toEqual(['relu', 'globalAveragePool', 'flatten', 'linear']);
  });

  /** nn.LocalResponseNorm as PyTorch's exporters take it apart. */
  const torchLrn =
    (windows: (size: (low: number, high: number) => number) => number): Draw =>
    (g, size) => {
      const [c, h, w, n] = [size(3, 9), size(1, 5), size(1, 5), windows(size)];
      const [before, behind] = [Math.floor(n / 2), Math.floor((n - 1) / 2)];
      const squared = g.node('Mul', ['x', 'x'], 'sq');
      const wide = g.node('Unsqueeze', [squared, g.integers('one', 1)], 'wide');
      const pads = g.integers('pads', 0, 0, before, 0, 0, 0, 0, behind, 0, 0);
      const padded = g.node('Pad', [wide, pads], 'padded');
      const mean = g.node('AveragePool', [padded], 'mean', { kernel_shape: ints(n, 1, 1), strides: ints(1, 1, 1) });
      const flat = g.node('Squeeze', [mean, 'one'], 'flat');
      const scaled = g.node('Mul', [flat, g.floats('alpha', [], [0.3])], 'scaled');
      const shifted = g.node('Add', [scaled, g.floats('k', [], [1.5])], 'shifted');
      g.node('Div', ['x', g.node('Pow', [shifted, g.floats('beta', [], [0.6])], 'power')], 'y');
      return image([2, c, h, w], g);
    };

  it('LRN as PyTorch takes it apart, of odd windows', async () => {
    expect(await kindsOf(torchLrn((size) => 2 * size(0, 2) + 1))).toEqual(['lrn']);
  });

  it('LRN of an even window lies elsewhere, and is refused rather than taken for another', () => {
    const { model } = torchLrn(() => 4)(new GraphBuilder(1), (low) => low);
    expect(() => importOnnx(model)).toThrow(/AveragePool node that makes 'mean'/);
  });

  it('an average over padding that is no LRN', () => {
    const { model } = torchLrn(() => 3)(new GraphBuilder(1), (low) => low);
    const { initializers } = model.graph;
    const other = new GraphBuilder();
    other.integers('pads', 0, 0, 2, 0, 0, 0, 0, 0, 0, 0);
    const moved = new Map([...initializers, ...other.initializers]);
    expect(() => importOnnx({ ...model, graph: { ...model.graph, initializers: moved } })).toThrow(
      /AveragePool node that makes 'mean'/,
    );
  });

  it('bounds by Max and Min, squares by Pow, means and sums of several', async () => {
    const kinds = await kindsOf((g, size) => {
      const low = g.node('Max', [g.floats('low', [], [-0.5]), 'x'], 'm');
      const clipped = g.node('Min', [low, g.floats('high', [1], [1.25])], 'n');
      const square = g.node('Pow', [clipped, g.floats('two', [], [2])], 'p');
      const mean = g.node('Mean', [square, 'x', low], 'mean');
      g.node('Sum', [mean, 'x', clipped, square], 'y');
      return image([2, size(1, 4), size(1, 5), size(1, 5)], g);
    });
    expect(kinds.filter((kind) => kind === 'clip')).toHaveLength(2);
  });

  it("TensorFlow's leaky ReLU, SiLU, and hard swish in three spellings", async () => {
    const after =
      (build: (g: GraphBuilder) => void): Draw =>
      (g, size) => {
        build(g);
        return image([2, size(1, 4), size(1, 5), size(1, 5)], g);
      };
    const leaky = after((g) => g.node('Max', [g.node('Mul', [g.floats('a', [], [0.2]), 'x'], 'm'), 'x'], 'y'));
    expect(await kindsOf(leaky, 1)).toEqual(['leakyRelu']);
    expect(
      await kindsOf(
        after((g) => g.node('Mul', [g.node('Sigmoid', ['x'], 's'), 'x'], 'y')),
        1,
      ),
    ).toEqual(['silu']);
    const gate = (g: GraphBuilder) => {
      const shifted = g.node('Add', ['x', g.floats('three', [], [3])], 'a');
      return g.node('Clip', [shifted, g.floats('low', [], [0]), g.floats('six', [], [6])], 'c');
    };
    const swishes = [
      (g: GraphBuilder) => g.node('Mul', ['x', g.node('HardSigmoid', ['x'], 'h', { alpha: float(1 / 6) })], 'y'),
      (g: GraphBuilder) => g.node('Mul', ['x', g.node('Div', [gate(g), 'six'], 'd')], 'y'),
      (g: GraphBuilder) => g.node('Div', [g.node('Mul', [gate(g), 'x'], 'd'), 'six'], 'y'),
    ];
    for (const swish of swishes)
      expect(
        await kindsOf(
          after((g) => swish(g)),
          1,
        ),
      ).toEqual(['hardSwish']);
  });

  it('weights behind constants: laid HWIO, normalised by their length, of shapes that are computed', async () => {
    const kinds = await kindsOf((g, size) => {
      const [channels, h, w] = [size(1, 4), size(3, 6), size(3, 6)];
      const kernel = g.node('Transpose', [g.weight('hwio', 3, 3, channels, 4)], 'oihw', { perm: ints(3, 2, 0, 1) });
      // Weight normalisation: g v / |v|.
      const length = g.node('ReduceL2', [kernel], 'length', { axes: ints(1, 2, 3) });
      const unit = g.node('Div', [kernel, length], 'unit');
      const weight = g.node('Mul', [unit, g.weight('g', 4, 1, 1, 1)], 'weight');
      const bias = g.node('Expand', [g.weight('b1', 1), g.node('Shape', [g.weight('four', 4)], 'shape')], 'bias');
      const y = g.node('Conv', ['x', weight, bias], 'conv');
      const shape = g.node('Shape', [y], 'batch');
      const rest = g.node(
        'Concat',
        [g.node('Slice', [shape, g.integers('from', 0), g.integers('to', 1)], 'n'), g.integers('minus', -1)],
        'flat',
        { axis: int(0) },
      );
      g.node('Reshape', [y, rest], 'y');
      return image([2, channels, h, w], g);
    });
    expect(kinds).toEqual(['conv2d', 'flatten']);
  });
});

describe('functions of a file', () => {
  it.skipIf(!hasOnnxruntime)('are what they are made of (needs onnxruntime-node)', async () => {
    const bytes = callingFunctions();
    const network = importOnnx(readModel(bytes));
    expect(network.nodes.map(({ op }) => op.kind)).toEqual(['conv2d', 'leakyRelu', 'conv2d', 'leakyRelu', 'add']);
    const x = drawn(new Random(testSeed), 2, 3, 7, 6);
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'frostline-functions-')), 'model.onnx');
    fs.writeFileSync(file, bytes);
    const loaded = await openOnnxruntime(file).finally(() => fs.rmSync(path.dirname(file), { recursive: true }));
    const expected = await loaded.run(new Map([['x', OnnxTensor.of('x', [2, 3, 7, 6], 'float32', x)]]));
    expectClose(interpret(network, { x }, 2)[0], expected.get('y')!.data);
    await loaded.release();
  });

  it('that call themselves, or are there twice, are refused by name', () => {
    const g = new GraphBuilder();
    g.node('F', ['x'], 'y', {}, 'call');
    const { graph, ...model } = g.model(17, { name: 'x', dims: ['N', 4] }, 'y');
    const called = { ...model, graph: { ...graph, nodes: [{ ...graph.nodes[0], domain: 'own' }] } };
    const f = (inner: string, domain: string) => ({
      ...{ name: 'F', inputs: ['a'], outputs: ['b'] },
      nodes: [step(inner, ['a'], ['b'], { domain })],
    });
    const read = (...given: object[]) => importOnnx(readModel(withFunctions(called, given)));
    expect(read(f('Relu', '')).nodes.map(({ op }) => op.kind)).toEqual(['relu']);
    expect(() => read(f('F', 'own'))).toThrow(/F.*calls a function that calls itself/);
    expect(() => read(f('Relu', ''), f('Tanh', ''))).toThrow(/'call' \(F\).*of which the model has several/);
    expect(() => read(f('Missing', 'own'))).toThrow(/unsupported operator own\.Missing/);
  });
});

describe('a part that is not needed', () => {
  /** Scores, and the label that sklearn's and Keras' exporters put beside. */
  function labelled(): OnnxModel {
    const g = new GraphBuilder(2);
    g.node('Softmax', [g.node('Gemm', ['x', g.weight('w', 6, 4)], 'g')], 'y');
    g.node('ArgMax', ['y'], 'label', { axis: int(1) });
    g.node('NonZero', ['x'], 'unused');
    const model = g.model(17, { name: 'x', dims: ['N', 6] }, 'y');
    const outputs = [{ name: 'label', dataType: 'int64' as const, dims: undefined }, ...model.graph.outputs];
    return { ...model, graph: { ...model.graph, outputs } };
  }

  it('is left out and told, or refused with what to type', () => {
    const network = importOnnx(labelled(), { outputs: 'possible' });
    expect(network.outputs).toEqual(['y']);
    expect(network.leftOut).toEqual([{ name: 'label', why: expect.stringMatching(/ArgMax node that makes 'label'/) }]);
    expect(network.nodes.map(({ op }) => op.kind)).toEqual(['linear', 'softmax']);
    expect(importOnnx(labelled(), { outputs: ['y'] }).leftOut).toBeUndefined();
    expect(() => importOnnx(labelled())).toThrow(
      /Output 'label' depends on it; ask for others alone: --outputs y \(In code: ImportOptions\.outputs\.\)$/,
    );
    expect(() => importOnnx(labelled(), { outputs: ['label'] })).toThrow(/unsupported operator ArgMax/);
    expect(() => importOnnx(labelled(), { outputs: ['z'] })).toThrow(/no output 'z'. Its outputs are label, y/);
  });

  it('of which nothing else is there is refused', () => {
    const g = new GraphBuilder();
    g.node('NonZero', ['x'], 'y');
    const model = g.model(17, { name: 'x', dims: ['N', 6] }, 'y');
    expect(() => importOnnx(model, { outputs: 'possible' })).toThrow(/unsupported operator NonZero/);
  });
});
