/** Fully connected layers large enough that their products are worked on in panels, on the adapters where that pays. */
import { expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import { input, Parameter } from '../../src/graph/tensor.ts';
import { planPackedGemm } from '../../src/kernels/gemm/plan.ts';
import { linear } from '../../src/operators/linear/graph.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { testSeed, useGpu } from '../support/gpu.ts';

const random = new Random(testSeed);
const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());

/** c[i, j] = sum over k of a(i, k) b(k, j), in double precision */
const product = (
  rows: number,
  columns: number,
  inner: number,
  a: (i: number, k: number) => number,
  b: (k: number, j: number) => number,
) =>
  Float64Array.from({ length: rows * columns }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a(Math.floor(at / columns), k) * b(k, at % columns);
    return sum;
  });

const open = useGpu();
const packing = useGpu({ algorithms: { linear: 'gemm-packed' } });

// Tiles of sums are of 32 or of 64 rows: by those of 64, fewer hang over 144 outputs.
it.each([
  [211, 205, 237, 32],
  [300, 71, 144, 64],
])('forward and both gradients of a layer [%i, %i] -> %i', async (N, IN, OUT, tileRows) => {
  const gpu = packing();
  const shape = { m: N, n: OUT, k: IN, a: { row: IN, column: 1 }, b: { row: 1, column: IN }, cRow: OUT };
  if (gpu.kind !== 'hardware') expect(planPackedGemm(gpu, shape)?.run.tile_rows).toBe(tileRows);
  const x = input('x', [N, IN]);
  const weight = new Parameter('weight', [OUT, IN], normals(OUT * IN));
  const bias = new Parameter('bias', [OUT], normals(OUT));
  const v = input('v', [N, OUT]);
  const y = linear(x, weight, bias);
  const graph = await compile(gpu, { loss: y, upstream: v, outputs: [y], gradients: [x, weight, bias] });
  const [xs, vs] = [normals(x.size), normals(v.size)];
  graph.write(x, xs);
  graph.write(v, vs);
  const [found] = await graph.run([y]);
  const [w, b] = [await weight.read(gpu), await bias.read(gpu)];
  const tolerance = { absolute: 1e-3, relative: 1e-4 };
  const forward = product(
    N,
    OUT,
    IN,
    (n, i) => xs[n * IN + i],
    (i, o) => w[o * IN + i],
  ).map((value, at) => value + b[at % OUT]);
  expectClose(new Float32Array(found), forward, tolerance);
  const dx = product(
    N,
    IN,
    OUT,
    (n, o) => vs[n * OUT + o],
    (o, i) => w[o * IN + i],
  );
  expectClose(await graph.readGradient(x), dx, tolerance);
  const dw = product(
    OUT,
    IN,
    N,
    (o, n) => vs[n * OUT + o],
    (n, i) => xs[n * IN + i],
  );
  expectClose(await graph.readGradient(weight), dw, tolerance);
  graph.destroy();
});

it('packs a weight that does not change once, or in every run where asked to', async () => {
  const gpu = packing();
  const [n, k, m] = [300, 71, 144];
  const x = input('x', [n, k]);
  const weight = new Parameter('weight', [m, k], normals(m * k));
  const packs = async (keepPacked?: boolean) => {
    const graph = await compile(gpu, { outputs: [linear(x, weight)], keepPacked });
    graph.destroy();
    return graph.dispatches.filter(({ label }) => label.startsWith('gemm/pack ')).length;
  };
  // Of both operands; a hardware adapter packs none.
  const both = gpu.kind === 'hardware' ? 0 : 2;
  expect([await packs(), await packs(false)]).toEqual([both / 2, both]);
});

it('updates the weight of a large batch without a gradient in memory', async () => {
  const gpu = open();
  const [n, k, m] = [101, 72, 61];
  const x = input('x', [n, k]);
  const weight = new Parameter('weight', [m, k], normals(m * k));
  const upstream = input('upstream', [n, m]);
  const graph = await compile(gpu, { loss: linear(x, weight), upstream, update: true });
  const [xs, vs, before] = [normals(n * k), normals(n * m), await weight.read(gpu)];
  graph.write(x, xs);
  graph.write(upstream, vs);
  graph.setStep({ learningRate: 0.01, momentum: 0, weightDecay: 0, step: 0, seed: 1 });
  await graph.run();
  const dw = product(
    m,
    k,
    n,
    (o, item) => vs[item * m + o],
    (item, i) => xs[item * k + i],
  );
  const after = dw.map((gradient, at) => before[at] - 0.01 * gradient);
  expectClose(await weight.read(gpu), after, { absolute: 1e-5, relative: 1e-5 });
  if (gpu.kind !== 'hardware') expect(graph.dispatches.filter(({ label }) => label.startsWith('sgdm/'))).toEqual([]);
  graph.destroy();
});
