/**
 * An outsider's operators, as another package would write them: two outputs, state that training writes, a domain of
 * their own in ONNX, a pattern that becomes one; and what ours do with patterns and constants.
 */

import { describe, expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import { apply, applyAll } from '../../src/graph/operation.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { flatWindows, rows } from '../../src/graph/windows.ts';
import { addAccumulate } from '../../src/kernels/add/add.ts';
import { clipForward } from '../../src/kernels/clip/clip.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { reluMap } from '../../src/kernels/relu/relu.ts';
import { buildNetwork, parametersOf } from '../../src/models/build.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { importOnnx } from '../../src/models/import-onnx.ts';
import type { OnnxModel, OnnxNode } from '../../src/onnx/model.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { conv2d } from '../../src/operators/conv2d/graph.ts';
import { leakyRelu } from '../../src/operators/leaky-relu/graph.ts';
import { type AnyOperator, defineOperator, type None, number } from '../../src/operators/operator.ts';
import { type ForeignKind, type OurOp, operators, withOperators } from '../../src/operators/registry.ts';
import { node, type Rewrite } from '../../src/operators/rewrites/match.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const unchecked = () => Promise.reject(new Error('no checks'));

/** [max(x, 0), min(x, 0)]: two outputs of one operation. */
const halves = defineOperator<None>()({
  kind: 'test:halves',
  formula: 'positive = max(x, 0), negative = min(x, 0)',
  attributes: {},
  parameters: {},
  inputs: 1,
  outputs: 2,
  shape: ({ inputs: [x] }) => [x.shape, x.shape],
  build: ({ inputs: [x], name }) =>
    applyAll(
      {
        name: 'halves',
        forward(emit) {
          for (const window of flatWindows(emit.gpu, x.size)) {
            const at = rows(emit.value(x), 4, window);
            emit.run(reluMap.forward, { count: window.count }, { x: at, y: rows(emit.value(emit.output), 4, window) });
            const negative = emit.part(1);
            if (negative === undefined) continue;
            const bounds = { low: Number.NEGATIVE_INFINITY, high: 0 };
            emit.run(clipForward, { count: window.count, ...bounds }, { x: at, y: rows(negative, 4, window) });
          }
        },
        backward(emit) {
          const dx = emit.gradient(0);
          if (dx === undefined) return;
          for (const window of flatWindows(emit.gpu, x.size)) {
            const y = rows(emit.value(emit.output), 4, window);
            const to = rows(dx, 4, window);
            emit.run(
              reluMap.backward as Kernel,
              { count: window.count },
              { y, dy: rows(emit.outputGradient, 4, window), dx: to },
            );
            const dNegative = emit.partGradient(1);
            // Enough of a derivative for this test: that of the other half is added where it comes.
            if (dNegative) emit.run(addAccumulate, { count: window.count }, { a: rows(dNegative, 4, window), y: to });
          }
        },
      },
      [x],
      [
        { shape: x.shape, name },
        { shape: x.shape, name: `${name} negative` },
      ],
    ),
  reference: ({ values: [x] }) => [Array.from(x, (v) => Math.max(v, 0)), Array.from(x, (v) => Math.min(v, 0))],
  folds: 'reference',
  onnx: {
    reads: { 'test.Halves': ({ inputs }) => ({ op: { kind: 'test:halves' }, inputs: [inputs[0]] }) },
    write: ({ name, inputs, outputs }, to) => to.node('Halves', inputs, outputs, { name, domain: 'test' }),
  },
  kernels: [],
  checks: unchecked,
  numbered: 'always',
  detail: () => [],
});

/** y = x; the sum of all x that were seen in training is kept in a parameter: state, as running statistics are. */
const seen = defineOperator<{ readonly factor: number }>()<'test:seen', 'total'>({
  kind: 'test:seen',
  formula: 'y = x; total += x in training',
  attributes: { factor: number('not used') },
  parameters: { total: { kind: 'state' } },
  inputs: 1,
  outputs: 1,
  shape: ({ inputs: [x] }) => [x.shape],
  build: ({ inputs: [x], parameters: { total }, name }) => [
    apply(
      {
        name: 'seen',
        writes: [1],
        forward(emit) {
          const views = { x: emit.value(x).view(), y: emit.value(emit.output).view() };
          emit.run(reluMap.forward, { count: x.size }, views);
          const state = emit.state(1);
          if (state) emit.run(addAccumulate, { count: x.size }, { a: emit.value(x).view(), y: state.view() });
        },
        backward: (emit) => emit.passOn(0, emit.outputGradient),
      },
      [x, total!],
      x.shape,
      name,
    ),
  ],
  reference: ({ values: [x] }) => [x],
  folds: 'never',
  onnx: {
    reads: {
      'test.Seen': (one, around) => ({
        op: { kind: 'test:seen', factor: 1 },
        inputs: [one.inputs[0]],
        parameters: { total: { name: one.inputs[1], tensor: around.constants.tensor(one.inputs[1])! } },
      }),
    },
    write: ({ name, inputs, outputs, parameters: { total } }, to) =>
      to.node('Seen', [...inputs, total!.name], outputs, { name, domain: 'test' }),
  },
  kernels: [],
  checks: unchecked,
  numbered: 'always',
  detail: () => [],
});

const model = (
  nodes: readonly OnnxNode[],
  dims: readonly number[],
  initializers: readonly OnnxTensor[] = [],
  outputs = ['y'],
): OnnxModel => ({
  irVersion: 7,
  opsets: new Map([
    ['', 13],
    ['test', 1],
  ]),
  producer: '',
  producerVersion: '',
  metadata: new Map(),
  graph: {
    name: 'test',
    nodes,
    initializers: new Map(initializers.map((one) => [one.name, one])),
    inputs: [{ name: 'x', dataType: 'float32', dims: ['N', ...dims] }],
    outputs: outputs.map((name) => ({ name, dataType: 'float32' as const, dims: undefined })),
    sparseInitializers: [],
  },
});
const floats = (name: string, dims: readonly number[], ...values: number[]) =>
  OnnxTensor.of(name, dims, 'float32', Float32Array.from(values));

describe('an operator of another package', () => {
  const set = withOperators({ operators: [halves, seen] });

  it('has two outputs, through import, export, device and backward', async () => {
    const two: OnnxNode = { ...node('Halves', ['x'], 'p'), domain: 'test', outputs: ['p', 'n'] };
    const network = importOnnx(model([two, node('Sub', ['p', 'n'], 'y')], [3]), { operators: set });
    expect(network.nodes.map(({ op, outputs }) => [op.kind, ...outputs])).toEqual([
      ['test:halves', 'p', 'n'],
      ['subtract', 'y'],
    ]);
    const again = importOnnx(exportOnnx(network), { operators: set });
    expect(again.nodes).toEqual(network.nodes);
    const { inputs, outputs, values } = buildNetwork(again, { batch: 1, parameters: new Map() });
    const x = inputs.get('x')!;
    const upstream = input('v', [1, 3]);
    const graph = await compile(gpu(), { loss: outputs[0], upstream, outputs, gradients: [x] });
    graph.write(x, Float32Array.of(1, -2, 3));
    graph.write(upstream, Float32Array.of(1, 10, 100));
    await graph.run();
    expect([...(await graph.read(outputs[0]))]).toEqual([1, 2, 3]);
    // relu's share where x > 0; the other half's was added everywhere, with Sub's sign.
    expect([...(await graph.readGradient(x))]).toEqual([0, -10, 0]);
    graph.destroy();
    // The second alone: the first one's gradient is 0. The first alone: the second is not made.
    const alone = await compile(gpu(), { loss: values.get('n')!, upstream, outputs: [], gradients: [x] });
    alone.write(x, Float32Array.of(1, -2, 3));
    alone.write(upstream, Float32Array.of(1, 10, 100));
    await alone.run();
    expect([...(await alone.readGradient(x))]).toEqual([1, 10, 100]);
    alone.destroy();
    const first = await compile(gpu(), { outputs: [values.get('p')!] });
    expect(first.dispatches.map(({ label }) => label)).toEqual(['relu/forward plain']);
    first.destroy();
  });

  it('keeps state: training writes it, inference does not, no gradient reaches it', async () => {
    const one: OnnxNode = { ...node('Seen', ['x', 'total'], 'y'), domain: 'test' };
    const network = importOnnx(model([one], [2], [floats('total', [2], 0, 0)]), { operators: set });
    const parameters = parametersOf(network);
    const total = parameters.get('total')!;
    expect(total.trainable).toBe(false);
    const { inputs, outputs } = buildNetwork(network, { batch: 1, parameters });
    const [x] = inputs.values();
    for (const [training, expected] of [
      [true, [2, 4]],
      [false, [2, 4]],
    ] as const) {
      const graph = await compile(gpu(), { outputs, training });
      graph.write(x, Float32Array.of(1, 2));
      const before = total.version;
      await graph.run();
      await graph.run();
      expect([...(await total.read(gpu()))]).toEqual(expected);
      expect(total.version - before).toBe(training ? 2 : 1 - 1);
      graph.destroy();
    }
    const values = new Map([['total', await total.read(gpu())]]);
    expect([...exportOnnx(network, values).graph.initializers.get('total')!.toFloat32()]).toEqual([2, 4]);
    total.release(gpu());
  });

  it('needs a kind of its own and an operator of ONNX that nobody reads', () => {
    const as = (kind: string) => ({ ...halves, kind }) as AnyOperator & { kind: ForeignKind };
    expect(() => withOperators({ operators: [as('relu')] })).toThrow("'relu' must be 'package:word'");
    const thief = {
      ...halves,
      kind: 'test:thief' as const,
      onnx: { ...halves.onnx, reads: operators.relu.onnx.reads },
    };
    expect(() => withOperators({ operators: [thief as never] })).toThrow(
      "ONNX's Relu is read by relu and by test:thief",
    );
    expect(() => importOnnx(model([{ ...node('Halves', ['x'], 'y'), domain: 'test' }], [3]))).toThrow(
      /unsupported operator test\.Halves/,
    );
  });

  it('leaves unions of ours exhaustive', () => {
    const slope = (op: OurOp): number | undefined => (op.kind === 'leakyRelu' ? op.slope : undefined);
    expect(slope({ kind: 'leakyRelu', slope: 0.5 })).toBe(0.5);
    const apart: Extract<OurOp['kind'], ForeignKind> extends never ? true : false = true;
    expect(apart).toBe(true);
  });
});

describe('patterns and constants', () => {
  it("reads PyTorch's decomposed LRN as one", () => {
    const nodes = [
      node('Mul', ['x', 'x'], 'sq'),
      node('Unsqueeze', ['sq', 'axis'], 'five'),
      node('Pad', ['five', 'pads'], 'padded'),
      node('AveragePool', ['padded'], 'mean', new Map([['kernel_shape', { type: 'ints', value: [5, 1, 1] }]])),
      node('Squeeze', ['mean', 'axis'], 'four'),
      node('Mul', ['four', 'alpha'], 'scaled'),
      node('Add', ['scaled', 'k'], 'sum'),
      node('Pow', ['sum', 'beta'], 'power'),
      node('Div', ['x', 'power'], 'y'),
    ];
    const constants = [floats('alpha', [], 1e-4), floats('k', [], 2), floats('beta', [], 0.75)];
    const network = importOnnx(model(nodes, [8, 3, 3], constants));
    expect(network.nodes.map(({ op }) => op)).toEqual([
      { kind: 'lrn', size: 5, alpha: Math.fround(1e-4), beta: 0.75, bias: 2 },
    ]);
    // A value between that somebody else reads must be made: it is no LRN then.
    expect(() => importOnnx(model(nodes, [8, 3, 3], constants, ['y', 'sum']))).toThrow(/Unsqueeze|AveragePool|Pad/);
    // Nor is it with other amounts around the channels, or where the window makes larger steps.
    const amounts = (...values: number[]) =>
      OnnxTensor.of('pads', [values.length], 'int64', BigInt64Array.from(values.map(BigInt)));
    const symmetric = amounts(0, 0, 2, 0, 0, 0, 0, 2, 0, 0);
    expect(importOnnx(model(nodes, [8, 3, 3], [...constants, symmetric])).nodes).toEqual(network.nodes);
    const aside = amounts(0, 0, 4, 0, 0, 0, 0, 0, 0, 0);
    expect(() => importOnnx(model(nodes, [8, 3, 3], [...constants, aside]))).toThrow(/Unsqueeze|AveragePool|Pad/);
    const strided = nodes.map((one) =>
      one.opType === 'AveragePool'
        ? { ...one, attributes: new Map([...one.attributes, ['strides', { type: 'ints', value: [2, 1, 1] } as const]]) }
        : one,
    );
    expect(() => importOnnx(model(strided, [8, 3, 3], constants))).toThrow(/Unsqueeze|AveragePool|Pad/);
  });

  it('reads x Sigmoid(x) as an operator of another package', () => {
    const silu: Rewrite = {
      name: 'silu',
      pattern: { opType: 'Mul', commutes: true, inputs: ['x', { opType: 'Sigmoid', inputs: ['x'] }] },
      replace: ({ values, nodes: [last] }) => [
        { ...node('Silu', [values.get('x')!], last.outputs[0]), domain: 'test' },
      ],
    };
    const operator = {
      ...halves,
      kind: 'test:silu' as const,
      outputs: 1,
      onnx: {
        ...halves.onnx,
        reads: { 'test.Silu': (one: OnnxNode) => ({ op: { kind: 'test:silu' }, inputs: one.inputs }) },
      },
    };
    const set = withOperators({ operators: [operator], rewrites: [silu] });
    for (const operands of [
      ['x', 's'],
      ['s', 'x'],
    ]) {
      const nodes = [node('Sigmoid', ['x'], 's'), node('Mul', operands, 'y')];
      expect(importOnnx(model(nodes, [3]), { operators: set }).nodes.map(({ op }) => op.kind)).toEqual(['test:silu']);
    }
  });

  it('folds an operator of a constant by its reference', () => {
    const nodes = [
      node('LeakyRelu', ['c'], 'leaked', new Map([['alpha', { type: 'float', value: 0.5 }]])),
      node('Add', ['x', 'leaked'], 'y'),
    ];
    const network = importOnnx(model(nodes, [2, 1, 1], [floats('c', [2, 1, 1], -4, 3)]));
    expect(network.nodes.map(({ op }) => op)).toEqual([{ kind: 'affine', scale: [1], shift: [-2, 3] }]);
  });

  it('folds whatever depends on constants alone: several of them, broadcast, weights, images', () => {
    const last = (nodes: OnnxNode[], constants: OnnxTensor[], shape = [2, 1, 1]) =>
      importOnnx(model([...nodes, node('Add', ['x', 'c'], 'y')], shape, constants)).nodes.map(({ op }) => op);
    const shifted = (...shift: number[]) => [{ kind: 'affine', scale: [1], shift }];
    const pair = [floats('a', [2, 1, 1], 1, 2), floats('b', [1], 10)];
    expect(last([node('Mul', ['a', 'b'], 'c')], pair)).toEqual(shifted(10, 20));
    expect(last([node('Sub', ['b', 'a'], 'c')], pair)).toEqual(shifted(9, 8));
    const axis = new Map([['axis', { type: 'int', value: 0 } as const]]);
    const parts = [floats('a', [1, 1, 1], 3), floats('b', [1, 1, 1], 4)];
    expect(last([node('Concat', ['a', 'b'], 'c', axis)], parts)).toEqual(shifted(3, 4));
    const product = [floats('a', [1, 2], 1, 2), floats('b', [2, 2], 1, 2, 3, 4)];
    expect(last([node('MatMul', ['a', 'b'], 'c')], product, [2])).toEqual(shifted(7, 10));
    expect(last([node('Gemm', ['a', 'b'], 'c')], product, [2])).toEqual(shifted(7, 10));
    expect(last([node('Sigmoid', ['a'], 's'), node('Mul', ['a', 's'], 'c')], [floats('a', [1], 0)])).toEqual([
      { kind: 'affine', scale: [1], shift: [0] },
    ]);
    const image = [floats('a', [1, 2, 1, 2], 1, 3, 5, 9)];
    expect(last([node('GlobalAveragePool', ['a'], 'c')], image)).toEqual(shifted(2, 7));
    const long = floats('a', [1, 1, 2], 1, 2);
    const turned = new Map([['perm', { type: 'ints', value: [2, 0, 1] } as const]]);
    expect(last([node('Transpose', ['a'], 'c', turned)], [long])).toEqual(shifted(1, 2));
  });

  it('takes what is added to a product for its bias along the columns alone', () => {
    const read = (...dims: number[]) =>
      importOnnx(
        model(
          [node('MatMul', ['x', 'w'], 'p'), node('Add', ['p', 'b'], 'y')],
          [2, 2],
          [floats('w', [2, 2], 1, 2, 3, 4), floats('b', dims, 10, 20)],
        ),
      ).nodes;
    const [product, ...none] = read(2);
    expect([product.op.kind, product.parameters, none]).toEqual(['matMul', { weight: 'w', bias: 'b' }, []]);
    // One a row: as a bias it would be added to the columns.
    expect(read(2, 1).map(({ op, parameters }) => [op.kind, parameters['bias']])).toEqual([
      ['matMul', undefined],
      ['affine', undefined],
    ]);
  });

  it('reads x Sigmoid(x) as SiLU, and hard swish in each of its spellings', () => {
    const kinds = (...nodes: OnnxNode[]) =>
      importOnnx(
        model(nodes, [2, 1, 1], [floats('three', [], 3), floats('zero', [], 0), floats('six', [], 6)]),
      ).nodes.map(({ op }) => op.kind);
    const gate = (alpha: number) =>
      node('HardSigmoid', ['x'], 'g', new Map([['alpha', { type: 'float', value: Math.fround(alpha) }]]));
    const shifted = [node('Add', ['x', 'three'], 'a'), node('Clip', ['a', 'zero', 'six'], 'c')];
    expect(kinds(node('Sigmoid', ['x'], 's'), node('Mul', ['s', 'x'], 'y'))).toEqual(['silu']);
    expect(kinds(gate(1 / 6), node('Mul', ['x', 'g'], 'y'))).toEqual(['hardSwish']);
    expect(kinds(...shifted, node('Div', ['c', 'six'], 'd'), node('Mul', ['d', 'x'], 'y'))).toEqual(['hardSwish']);
    expect(kinds(...shifted, node('Mul', ['x', 'c'], 'm'), node('Div', ['m', 'six'], 'y'))).toEqual(['hardSwish']);
    // What others read between stays; another slope is another function.
    expect(kinds(node('Sigmoid', ['x'], 's'), node('Mul', ['x', 's'], 'm'), node('Add', ['m', 's'], 'y'))).toEqual([
      'sigmoid',
      'multiply',
      'add',
    ]);
    expect(() => kinds(gate(0.2), node('Mul', ['x', 'g'], 'y'))).toThrow(/unsupported operator HardSigmoid/);
  });
});

it('an epilogue that no kernel knows by code goes into the text of the convolution', async () => {
  const x = input('x', [2, 3, 9, 9]);
  const w = new Parameter(
    'w',
    [5, 3, 3, 3],
    Float32Array.from({ length: 135 }, (_, i) => Math.sin(i)),
  );
  const convolved = conv2d(x, w, undefined);
  const y = leakyRelu(convolved, 0.25);
  const values = Float32Array.from({ length: x.size }, (_, i) => Math.cos(i));
  const run = async (outputs: (typeof x)[]) => {
    const upstream = input('v', y.shape);
    const graph = await compile(gpu(), { loss: y, upstream, outputs, gradients: [w] });
    graph.write(x, values);
    graph.write(
      upstream,
      Float32Array.from({ length: y.size }, (_, i) => Math.sin(2 * i)),
    );
    await graph.run();
    const found = [await graph.read(y), await graph.readGradient(w)];
    const labels = graph.dispatches.map(({ label }) => label);
    graph.destroy();
    return { found, labels };
  };
  const fused = await run([y]);
  expect(fused.labels.filter((label) => label.startsWith('leaky-relu/forward'))).toEqual([]);
  expect(fused.labels.filter((label) => label.endsWith('+ leaky-relu 0.25'))).toHaveLength(1);
  const apart = await run([y, convolved]);
  expect(apart.labels.filter((label) => label.startsWith('leaky-relu/forward'))).toHaveLength(1);
  fused.found.forEach((one, i) => {
    expectClose(one, apart.found[i], { absolute: 1e-6, relative: 1e-6 });
  });
  w.release(gpu());
});
