/** An operator of another package, of exports alone: a map of single values from WGSL to ONNX, and one of two outputs. */
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  buildNetwork,
  checkKernelCases,
  checkMutations,
  compile,
  conv2d,
  defineMap,
  defineOperator,
  drawKernelCases,
  exportOnnx,
  flatWindows,
  gradcheck,
  importOnnx,
  input,
  mapFamily,
  mapValues,
  type OnnxModel,
  onnxField,
  Parameter,
  Random,
  refuse,
  rows,
  sameInOnnx,
  type Tensor,
  windows,
  withOperators,
} from '../../src/index.ts';
import { useGpu } from '../support/gpu.ts';

const gpu = useGpu();

const name = 'test/scaled-tanh';
/** y = a tanh(x), the derivative from y: a - y^2 / a. */
const tanhMap = defineMap({
  name,
  constants: { a: 'f32' },
  value: ({ a }) => `${a} * tanh(clamp(value, -15.0, 15.0))`,
  derivative: ({ a }) => `gradient * (${a} - value * value / ${a})`,
  derivativeOf: 'output',
});
const scaledTanh = (x: Tensor, a: number, name = 'scaledTanh') =>
  mapValues(x, { operation: 'scaledTanh', name, params: { a }, ...tanhMap, epilogue: tanhMap.epilogue({ a }) });

const operator = defineOperator<{ readonly a: number }>()({
  kind: 'test:scaledTanh',
  formula: 'y = a tanh(x)',
  attributes: { a: { doc: 'the bound', wrong: (a) => (Number(a) > 0 ? undefined : 'A number above 0 is expected') } },
  parameters: {},
  inputs: 1,
  outputs: 1,
  shape: ({ inputs: [x] }) => (x.shape.length === 1 ? [x.shape] : refuse(`reads '${x.name}'`, 'Flatten it first.')),
  build: ({ inputs: [x], attributes: { a }, name }) => [scaledTanh(x, a, name)],
  reference: ({ values: [x], attributes: { a } }) => [Float64Array.from(x, (v) => a * Math.tanh(v))],
  folds: 'reference',
  onnx: sameInOnnx('test:scaledTanh', 'com.test.ScaledTanh', { a: onnxField('bound', 'float', 1) }),
  kernels: [tanhMap.forward, tanhMap.backward],
  checks: () => Promise.reject(new Error('no checks')),
  numbered: 'always',
  detail: ({ a }) => [`bound ${a}`],
});

const model = (dims: readonly number[]): OnnxModel => ({
  irVersion: 7,
  opsets: new Map([
    ['', 13],
    ['com.test', 1],
  ]),
  producer: '',
  producerVersion: '',
  metadata: new Map(),
  graph: {
    name: 'test',
    nodes: [
      {
        name: 'n',
        opType: 'ScaledTanh',
        domain: 'com.test',
        inputs: ['x'],
        outputs: ['y'],
        attributes: new Map([['bound', { type: 'float', value: 2 }]]),
      },
    ],
    initializers: new Map(),
    inputs: [{ name: 'x', dataType: 'float32', dims: ['N', ...dims] }],
    outputs: [{ name: 'y', dataType: 'float32', dims: undefined }],
    sparseInitializers: [],
  },
});

describe('a map of another package', () => {
  const family = mapFamily({
    name,
    kernels: tanhMap,
    derivativeOf: 'output',
    constants: { a: 2 },
    value: (x) => 2 * Math.tanh(x),
    slope: (y) => 2 - (y * y) / 2,
    // Wide: tanh may be off by 1e-5 of 1, however small it is. The faults below are larger.
    units: { value: (x) => 2 ** 14 / Math.min(1, Math.abs(Math.tanh(x)) || 1), slope: () => 16 },
    slopeSize: (y) => 2 + (y * y) / 2,
    scale: () => 4,
  });
  const cases = [
    ...family.examples(new Random(1)),
    ...[1, 2, 3].flatMap((seed) => drawKernelCases(family, seed)),
  ].filter(({ inputs }) => Object.values(inputs).every((values) => values.every(Number.isFinite)));

  it('is held to float64, and its faults are noticed', async () => {
    const findings = await checkKernelCases(gpu(), cases);
    expect(findings.flatMap(({ problem }) => problem ?? [])).toEqual([]);
    const outcomes = await checkMutations(gpu(), cases, {
      [`${name}/forward`]: [{ name: 'the constant left out', find: 'p.a * tanh', replace: 'tanh' }],
      [`${name}/backward`]: [{ name: 'a sign', find: 'p.a - value', replace: 'p.a + value' }],
    });
    expect(outcomes.length).toBeGreaterThan(10);
    expect(outcomes.filter(({ caughtBy }) => caughtBy === undefined)).toEqual([]);
  });

  it('has a right derivative, alone and applied by the convolution before it', async () => {
    const random = new Random(2);
    const values = (length: number) => Float32Array.from({ length }, () => random.normal());
    const weight = new Parameter('w', [2, 1, 3, 3], values(18));
    const y = scaledTanh(conv2d(input('x', [1, 1, 4, 4]), weight, undefined), 2);
    const graph = await compile(gpu(), { outputs: [y] });
    expect(graph.dispatches.map(({ label }) => label)).toEqual([expect.stringContaining(`+ ${name} 2`)]);
    graph.destroy();
    weight.release(gpu());
    const report = await gradcheck(gpu(), ({ x, w }) => scaledTanh(conv2d(x, w, undefined), 2), {
      x: { shape: [1, 1, 4, 4], values: values(16) },
      w: { shape: [2, 1, 3, 3], values: values(18) },
    });
    expect(report.passed).toBe(true);
  });

  it('is read from a domain of its own, and written to it again', async () => {
    const operators = withOperators({ operators: [operator] });
    const network = importOnnx(model([3]), { operators });
    expect(network.nodes.map(({ op }) => op)).toEqual([{ kind: 'test:scaledTanh', a: 2 }]);
    const written = exportOnnx(network);
    expect(written.graph.nodes).toMatchObject([{ opType: 'ScaledTanh', domain: 'com.test' }]);
    expect(importOnnx(written, { operators }).nodes).toEqual(network.nodes);
    const { inputs, outputs } = buildNetwork(network, { batch: 1, parameters: new Map() });
    const graph = await compile(gpu(), { outputs });
    graph.write(inputs.get('x')!, Float32Array.of(0, 1, -20));
    await graph.run();
    const found = await graph.read(outputs[0]);
    for (const [i, expected] of [0, 2 * Math.tanh(1), -2].entries()) expect(found[i]).toBeCloseTo(expected, 2);
    graph.destroy();
  });

  it('refuses shapes in its own words, with the layer before them', () => {
    const operators = withOperators({ operators: [operator] });
    expect(() => importOnnx(model([3, 2, 2]), { operators })).toThrow(/'n'.* reads 'x'\. Flatten it first\./);
  });
});

describe('several outputs', () => {
  it('are made where somebody reads them', async () => {
    const both = (x: Tensor) =>
      applyAll(
        {
          name: 'both',
          forward({ gpu, value, output, part, run }) {
            for (const window of flatWindows(gpu, x.size)) {
              const at = rows(value(x), 4, window);
              run(tanhMap.forward, { count: window.count, a: 1 }, { x: at, y: rows(value(output), 4, window) });
              const second = part(1);
              if (second) run(tanhMap.forward, { count: window.count, a: 3 }, { x: at, y: rows(second, 4, window) });
            }
          },
          backward: null,
        },
        [x],
        [{ shape: x.shape }, { shape: x.shape }],
      );
    const x = input('x', [2, 3]);
    const outputs = both(x);
    const graph = await compile(gpu(), { outputs: [...outputs] });
    graph.write(x, Float32Array.of(0, 20, -20, 20, -20, 0));
    await graph.run();
    const near = async (tensor: Tensor) => [...(await graph.read(tensor))].map((v) => Math.round(100 * v) / 100 + 0);
    expect(await near(outputs[0])).toEqual([0, 1, -1, 1, -1, 0]);
    expect(await near(outputs[1])).toEqual([0, 3, -3, 3, -3, 0]);
    graph.destroy();
  });
});

describe('windows', () => {
  const limits = { maxBinding: 1024, offsetAlignment: 256 };

  it('cover all rows once, each within a binding less what alignment may add', () => {
    // 768 bytes: 12 rows of 64.
    expect(windows({ limits }, 30, [16, 64], 'a row')).toEqual([
      { first: 0, count: 12 },
      { first: 12, count: 12 },
      { first: 24, count: 6 },
    ]);
    expect(flatWindows({ limits }, 200)).toEqual([
      { first: 0, count: 192 },
      { first: 192, count: 8 },
    ]);
  });

  it('refuse a row that no binding holds', () => {
    expect(() => windows({ limits }, 2, [800], 'mine: a row')).toThrow(
      /mine: a row takes 800 bytes; one binding of the adapter holds 1024/,
    );
  });

  it('are places in a storage', () => {
    const storage = gpu().storage('own', 64);
    expect(rows(storage, 16, { first: 1, count: 2 })).toMatchObject({ offset: 16, bytes: 32 });
    gpu().release(storage.buffer!);
  });
});
