/** Every algorithm of a product of matrices gives it and its gradients, in windows too; what is forced is used or told. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/device.ts';
import { type CompiledGraph, compile } from '../../src/graph/compile.ts';
import { input } from '../../src/graph/tensor.ts';
import type { KernelDispatch } from '../../src/kernels/kernel.ts';
import { decisionsIn } from '../../src/operators/algorithms/algorithm.ts';
import { matMulDecisions, selectMatMul } from '../../src/operators/mat-mul/algorithms/index.ts';
import type { Products, Result } from '../../src/operators/mat-mul/algorithms/products.ts';
import { matMul } from '../../src/operators/mat-mul/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const devices = {
  whole: useGpu(),
  'in windows': useGpu({ limits: { maxBinding: 4096 } }),
  'planned for as a GPU': useGpu({ kind: 'hardware' }),
};
type Device = keyof typeof devices;
const CLOSE = { absolute: 2e-4, relative: 2e-4 };
type Drawn = Omit<Products, 'name'>;

/** In float64: all three results, each [product, row, column]. */
function expected({ products, m, k, p }: Drawn, a: Float32Array, b: Float32Array, dy: Float32Array) {
  const sums = (
    rows: number,
    columns: number,
    inner: number,
    term: (e: number, i: number, j: number, l: number) => number,
  ) =>
    Float64Array.from({ length: products * rows * columns }, (_, at) => {
      const [e, i, j] = [Math.floor(at / rows / columns), Math.floor(at / columns) % rows, at % columns];
      let sum = 0;
      for (let l = 0; l < inner; l++) sum += term(e, i, j, l);
      return sum;
    });
  return {
    forward: sums(m, p, k, (e, i, j, l) => a[(e * m + i) * k + l] * b[(e * k + l) * p + j]),
    'left gradient': sums(m, k, p, (e, i, j, l) => dy[(e * m + i) * p + l] * b[(e * k + j) * p + l]),
    'right gradient': sums(k, p, m, (e, i, j, l) => a[(e * m + l) * k + i] * dy[(e * m + l) * p + j]),
  } satisfies Record<Result, Float64Array>;
}

/** Runs a product with an algorithm forced and compares; how many kernels ran for the result, by name. */
async function check(gpu: Gpu, result: Result, name: string, drawn: Drawn): Promise<string[]> {
  const { products, m, k, p } = drawn;
  const random = new Random(testSeed);
  const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());
  const [a, b] = [input('a', [products, m, k]), input('b', [products, k, p])];
  const y = matMul(a, b);
  const dy = input('dy', y.shape);
  const [as, bs, dys] = [a, b, dy].map(({ size }) => normals(size));
  const { purpose } = matMulDecisions[result];
  let graph: CompiledGraph | undefined;
  gpu.algorithms.set(purpose, name);
  try {
    let compiled: Promise<CompiledGraph> | undefined;
    const gradients = { forward: [], 'left gradient': [a], 'right gradient': [b] }[result];
    const made = decisionsIn(gpu, () => {
      compiled = compile(gpu, result === 'forward' ? { outputs: [y] } : { loss: y, upstream: dy, gradients });
    });
    graph = await compiled!;
    const own = made.find(({ decision }) => decision.purpose === purpose)!;
    expect(own.problem).toMatchObject(drawn);
    expect(own.selected).toMatchObject({ by: 'force', algorithm: { name } });
    graph.write(a, as);
    graph.write(b, bs);
    if (result !== 'forward') graph.write(dy, dys);
    await graph.run();
    const found = await (result === 'forward' ? graph.read(y) : graph.readGradient(result === 'left gradient' ? a : b));
    expectClose(found, expected(drawn, as, bs, dys)[result], CLOSE);
    // Behind the plain forward pass, where that is not what was forced.
    const ran = graph.dispatches.slice(result === 'forward' ? 0 : graph.forwardDispatches) as KernelDispatch[];
    return ran.map(({ kernel }) => kernel.name);
  } finally {
    gpu.algorithms.delete(purpose);
    graph?.destroy();
  }
}

const results = Object.keys(matMulDecisions) as Result[];
const drawn: Drawn = { products: 5, m: 19, k: 37, p: 11 };
/** Sums that are long, and few, are worth parts. */
const long: { readonly [R in Result]: Drawn } = {
  forward: { products: 2, m: 3, k: 2048, p: 5 },
  'left gradient': { products: 2, m: 3, k: 5, p: 2048 },
  'right gradient': { products: 2, m: 2048, k: 3, p: 5 },
};

describe.each(results)('%s', (result) => {
  it.each(Object.keys(devices) as Device[])('as the operands lie, %s', async (device) => {
    const ran = await check(devices[device](), result, 'gemm', drawn);
    // Five of 19 x 37 values: one binding of 4096 bytes holds one.
    expect(ran).toEqual(Array.from({ length: device === 'in windows' ? 5 : 1 }, () => 'contraction'));
  });

  it.each(['gemm-in-parts', 'gemm-in-4-parts'])('%s', async (name) => {
    const ran = await check(devices['planned for as a GPU'](), result, name, long[result]);
    expect(ran).toEqual(['contraction', 'contraction/sum']);
  });

  it('packed, each of several products', async () => {
    if (devices.whole().kind === 'hardware') return;
    const ran = await check(devices.whole(), result, 'gemm-packed', drawn);
    expect(ran.filter((name) => name === 'gemm/packed').length).toBe(5);
    expect(ran.filter((name) => name === 'gemm/pack').length).toBe(10);
  });
});

it('packs large products on lavapipe, and leaves small ones as they lie', () => {
  const lavapipe = { ...devices.whole(), kind: 'software', subgroupWidth: 8 } as never;
  const chosen = (problem: Drawn) => selectMatMul(lavapipe, 'forward', { name: 'y', ...problem }).algorithm.name;
  expect(chosen({ products: 1, m: 512, k: 512, p: 512 })).toBe('gemm-packed');
  expect(chosen({ products: 100, m: 8, k: 8, p: 8 })).toBe('gemm');
});

it('what is forced and does not compute the case is told with its reason; an unknown name is refused', () => {
  const notices: string[] = [];
  const forcing = (name: string): Gpu =>
    Object.create(devices['in windows'](), {
      algorithms: { value: new Map([['matMul', name]]) },
      notice: { value: (text: string) => notices.push(text) },
    });
  const problem = { name: 'y', products: 1, m: 16, k: 48, p: 16 };
  expect(selectMatMul(forcing('gemm-packed'), 'forward', problem).algorithm.name).toBe('gemm');
  expect(notices).toEqual([
    expect.stringContaining('matMul forward: gemm-packed is asked for, but the adapter has no texts for packed'),
  ]);
  expect(() => selectMatMul(forcing('vectors'), 'forward', problem)).toThrow(
    "matMul has no algorithm 'vectors'. It has gemm, gemm-in-parts, gemm-packed",
  );
});
