/** Every algorithm of the fully connected layer gives its results, forward, backward and updated, in windows too. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/device.ts';
import { type CompiledGraph, compile } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { decisionsIn, namesOf } from '../../src/operators/algorithms/algorithm.ts';
import { linearDecisions, selectLinear } from '../../src/operators/linear/algorithms/index.ts';
import type { Layer, Operands } from '../../src/operators/linear/algorithms/layer.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { relu } from '../../src/operators/relu/graph.ts';
import { refuseUnknownAlgorithms } from '../../src/operators/trials.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const devices = {
  whole: useGpu(),
  'in windows': useGpu({ limits: { maxBinding: 4096 } }),
  'planned for as a GPU': useGpu({ kind: 'hardware' }),
};
type Device = keyof typeof devices;

type Matrix = (i: number, j: number) => number;
/** c[i, j] = sum over k of a(i, k) b(k, j), in float64 */
const product = ([rows, inner, columns]: readonly [number, number, number], a: Matrix, b: Matrix) =>
  Float64Array.from({ length: rows * columns }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a(Math.floor(at / columns), k) * b(k, at % columns);
    return sum;
  });

interface Drawn extends Pick<Layer, 'batch' | 'inputs' | 'outputs' | 'differentiates'> {
  readonly seed: number;
}

const RATES = { learningRate: 0.1, momentum: 0.5, weightDecay: 0.25, step: 0, seed: 1 };
const CLOSE = { absolute: 2e-4, relative: 2e-4 };

/** Runs one layer with an algorithm forced and compares; nothing where it does not compute the case. */
async function check(gpu: Gpu, result: keyof Operands, name: string, drawn: Drawn): Promise<boolean> {
  const { batch, inputs, outputs, differentiates, seed } = drawn;
  const random = new Random(seed);
  const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());
  const updates = result === 'update' || result === 'backward';
  const [xs, ws, bs, dys] = [batch * inputs, outputs * inputs, outputs, batch * outputs].map(normals);
  const source = new Parameter('x', [batch, inputs], xs, { mask: 0 });
  const weight = new Parameter('weight', [outputs, inputs], ws, { mask: updates ? 2 : 0 });
  const bias = new Parameter('bias', [outputs], bs, { mask: 0 });
  const dy = input('dy', [batch, outputs]);
  const y = linear(differentiates ? relu(source) : source, weight, bias);
  const gradients = {
    forward: [],
    'input gradient': [source],
    'weight gradient': [weight],
    update: [],
    backward: [source],
  };
  const { purpose } = linearDecisions[result];
  let graph: CompiledGraph | undefined;
  gpu.algorithms.set(purpose, name);
  try {
    let compiled: Promise<CompiledGraph> | undefined;
    const options = { loss: y, upstream: dy, outputs: [y], gradients: gradients[result], update: updates };
    const made = decisionsIn(gpu, () => {
      compiled = compile(gpu, result === 'forward' ? { outputs: [y] } : options);
    });
    graph = await compiled!;
    const own = made.find(({ decision }) => decision.purpose === purpose)!;
    const isDifferentiated = differentiates && (result === 'input gradient' || result === 'backward');
    expect(own.problem, purpose).toMatchObject({ batch, inputs, outputs, ...(isDifferentiated && { differentiates }) });
    if (own.selected.by !== 'force') return false;
    // What is measured depends on the texts of these.
    const all = [...linearDecisions[result].algorithms, ...(linearDecisions[result].measured ?? [])];
    const declared = all.flatMap((one) => one.kernels.map((kernel) => kernel.name));
    const linearKernels = (graph.dispatches as KernelDispatch[]).map(({ kernel }) => kernel.name);
    expect(linearKernels.some((kernel) => declared.includes(kernel))).toBe(true);

    const x: Matrix = (n, i) => (differentiates ? Math.max(0, xs[n * inputs + i]) : xs[n * inputs + i]);
    const w: Matrix = (o, i) => ws[o * inputs + i];
    const g: Matrix = (n, o) => dys[n * outputs + o];
    if (result !== 'forward') graph.write(dy, dys);
    graph.setStep(RATES);
    await graph.run();
    if (result === 'forward') {
      const sums = product([batch, inputs, outputs], x, (i, o) => w(o, i));
      expectClose(
        await graph.read(y),
        sums.map((sum, at) => sum + bs[at % outputs]),
        CLOSE,
      );
    }
    if (result === 'input gradient' || result === 'backward') {
      // With the weight as it was before its update.
      const sums = product([batch, outputs, inputs], g, w);
      const expected = differentiates ? sums.map((sum, at) => (xs[at] > 0 ? sum : 0)) : sums;
      expectClose(await graph.readGradient(source), expected, CLOSE);
    }
    const dw = product([outputs, batch, inputs], (o, n) => g(n, o), x);
    if (result === 'weight gradient') expectClose(await graph.readGradient(weight), dw, CLOSE);
    if (updates) {
      const after = dw.map((sum, at) => ws[at] - 0.1 * 2 * (sum + 0.25 * ws[at]));
      expectClose(await weight.read(gpu), after, CLOSE);
    }
    return true;
  } finally {
    gpu.algorithms.delete(purpose);
    graph?.destroy();
    for (const parameter of [source, weight, bias]) parameter.release(gpu);
  }
}

/** By hand: of two parts, those that stand for all. */
const BACKWARD = ['gemm + update-by-gemm', 'gemm-packed + update-by-gemm-packed', 'vectors + update-fused', 'one-pass'];
const results = Object.keys(linearDecisions) as (keyof Operands)[];
const cases = results.flatMap((result) => {
  const { algorithms } = linearDecisions[result];
  const names = algorithms.map(({ name }) => name);
  return (result === 'backward' ? names.filter((name) => BACKWARD.includes(name)) : names).map((name) => ({
    result,
    name,
  }));
});

/** Sums in parts are for GPUs, packed operands for rasterisers; panels of a whole window do not fit a binding. */
const able = (name: string): Device[] =>
  name.includes('in-parts')
    ? ['planned for as a GPU']
    : name.includes('packed')
      ? ['whole']
      : ['whole', 'in windows', 'planned for as a GPU'];

describe.each(cases)('$result by $name', ({ result, name }) => {
  it.each(able(name))('%s', async (device) => {
    const random = new Random(testSeed);
    const choose = (low: number, high: number) => low + Math.floor(random.uniform() * (high - low + 1));
    let computed = 0;
    for (const [rest, differentiates] of [
      [0, true],
      [0, false],
      [1, true],
    ] as const) {
      const sizes = { batch: choose(1, 18), inputs: 4 * choose(1, 9) + rest, outputs: choose(1, 37) };
      // Sums that are long, and few, are worth parts.
      const inner = {
        forward: 'inputs',
        'input gradient': 'outputs',
        'weight gradient': 'batch',
        update: 'batch',
      } as const;
      const long = result !== 'backward' && { batch: 2, inputs: 4 + rest, outputs: 3, [inner[result]]: 2048 };
      const drawn = {
        ...sizes,
        ...(name.includes('in-parts') && long),
        differentiates,
        seed: choose(1, 1e9),
      };
      if (await check(devices[device](), result, name, drawn)) computed++;
    }
    expect(computed, `seed ${testSeed}`).toBeGreaterThan(0);
  });
});

describe('what is chosen on lavapipe', () => {
  const layer = { name: 'fc', inputs: 4096, outputs: 4096, hasBias: false, differentiates: false, weightLasts: false };
  const chosen = (result: keyof Operands, batch: number) =>
    selectLinear({ ...devices.whole(), kind: 'software', subgroupWidth: 8 } as never, result, { ...layer, batch })
      .algorithm.name;
  it('small batches in one pass, larger ones apart, the largest on packed operands', () => {
    expect([1, 10, 16].map((batch) => chosen('backward', batch))).toEqual(['one-pass', 'one-pass', 'one-pass']);
    expect(chosen('backward', 64)).toBe('vectors + update-fused');
    expect([1, 10, 64].map((batch) => chosen('forward', batch))).toEqual(['vectors', 'vectors', 'vectors']);
    expect(chosen('forward', 2048)).toBe('gemm-packed');
  });
});

it('names are told apart, and an unknown one is refused', () => {
  for (const result of results) {
    const { algorithms, measured = [] } = linearDecisions[result];
    const names = [...algorithms, ...measured].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
  expect(namesOf(linearDecisions.backward as never)).toEqual(
    expect.arrayContaining(['vectors', 'update-fused', 'one-pass', 'gemm-packed + update-by-gemm']),
  );
  const gpu = devices.whole();
  gpu.algorithms.set('linear', 'fft');
  try {
    const layer = {
      name: 'fc',
      batch: 1,
      inputs: 4,
      outputs: 1,
      hasBias: false,
      differentiates: false,
      weightLasts: false,
    };
    expect(() => selectLinear(gpu, 'forward', layer)).toThrow("linear has no algorithm 'fft'. It has gemm,");
    expect(() => refuseUnknownAlgorithms(gpu)).toThrow("linear has no algorithm 'fft'. It has gemm,");
    gpu.algorithms.set('linear', 'one-pass');
    expect(() => refuseUnknownAlgorithms(gpu)).not.toThrow();
    gpu.algorithms.set('liner', 'gemm');
    expect(() => refuseUnknownAlgorithms(gpu)).toThrow(
      "no algorithm is chosen for 'liner'. Give one of conv2d, linear, matMul, conv2d forward,",
    );
  } finally {
    gpu.algorithms.clear();
  }
});
