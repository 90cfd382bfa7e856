/**
 * A matrix product on the device, checked against one in double precision on the host, and timed: the quickest proof
 * that an adapter computes rightly, and what it is worth. Each variant that the adapter runs, in the configuration that
 * is estimated to be its best.
 */
import type { Gpu } from '../../gpu/device.ts';
import { type Dispatch, Program } from '../../gpu/program.ts';
import { Random } from '../../random.ts';
import { gemm } from '../gemm/gemm.ts';
import type { Configuration } from '../kernel.ts';
import { Bench } from '../run.ts';
import { type ContractionParams, contraction } from './contraction.ts';

export interface ProductCheck {
  readonly variant: string;
  readonly configuration: Configuration;
  /** The largest error against the host's product, and the largest that rounding can explain. */
  readonly error: number;
  readonly tolerance: number;
  readonly passed: boolean;
  /** Milliseconds of one product, the shortest of several runs, and what that makes. */
  readonly milliseconds: number;
  readonly gflops: number;
}

export interface MatrixProductReport {
  /** C = A B, all of them size x size. */
  readonly size: number;
  readonly checks: readonly ProductCheck[];
}

/** A run is long enough to be timed from this many milliseconds on. */
const LONG_ENOUGH = 30;
const RUNS = 5;

/** @param size rows and columns; one that suits the adapter's speed unless given */
export async function checkMatrixProduct(
  gpu: Gpu,
  size = gpu.kind === 'hardware' ? 1024 : gpu.kind === 'software' ? 384 : 256,
): Promise<MatrixProductReport> {
  const [a, b] = [1, 2].map((seed) => {
    const random = new Random(seed);
    return Float32Array.from({ length: size * size }, () => random.between(-1, 1));
  });
  const expected = productOf(a, b, size);
  // |error| <= k u sum of |a| |b| for a sum of k terms in any order (Higham 2002, 3.5), each at most 1 here; u = 2^-24.
  const tolerance = size * size * 2 ** -24;
  const params = gemm({
    m: size,
    n: size,
    k: size,
    a: { row: size, column: 1 },
    b: { row: size, column: 1 },
    cRow: size,
  });
  const checks: ProductCheck[] = [];
  for (const choice of bestOfEachVariant(gpu, params)) {
    const bench = new Bench(gpu);
    try {
      const c = bench.room('c', size * size);
      const unused = bench.put('unused', new Float32Array(1));
      const { vectors = [] } = contraction.variants.find(({ name }) => name === choice.variant)!;
      const [inA, inB] = [bench.put('a', a, vectors.includes('a')), bench.put('b', b, vectors.includes('b'))];
      const views = { a: inA, b: inB, bias: unused, aux: unused, c };
      const dispatch = contraction.dispatch(gpu, params, views, choice);
      const milliseconds = await time(gpu, dispatch);
      const actual = await bench.floats(c);
      const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0); // NaN stays
      checks.push({
        ...choice,
        error,
        tolerance,
        passed: error <= tolerance, // false for NaN
        milliseconds,
        gflops: contraction.cost(params).flops / milliseconds / 1e6,
      });
    } finally {
      bench.release();
    }
  }
  return { size, checks };
}

function bestOfEachVariant(gpu: Gpu, params: ContractionParams) {
  const choices = contraction.choices(gpu, params);
  return contraction.variants.flatMap((variant) => {
    const estimate = ({ configuration }: { configuration: Configuration }) =>
      variant.estimate?.(params, configuration, gpu) ?? 0;
    const own = choices.filter((choice) => choice.variant === variant.name);
    return own.length === 0 ? [] : [own.reduce((best, choice) => (estimate(choice) < estimate(best) ? choice : best))];
  });
}

/** Milliseconds of one dispatch by the host's clock. The first run, which compiles, does not count. */
async function time(gpu: Gpu, dispatch: Dispatch): Promise<number> {
  const once = await shortest(gpu, [dispatch], 2);
  const repeats = Math.min(200, Math.ceil(LONG_ENOUGH / once));
  return repeats === 1 ? once : (await shortest(gpu, Array(repeats).fill(dispatch), RUNS)) / repeats;
}

async function shortest(gpu: Gpu, dispatches: readonly Dispatch[], runs: number): Promise<number> {
  const program = await Program.prepare(gpu, dispatches);
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    program.submit();
    await gpu.idle();
    if (run > 0) least = Math.min(least, performance.now() - start);
  }
  program.destroy();
  return least;
}

function productOf(a: Float32Array, b: Float32Array, size: number): Float64Array {
  const c = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = c.subarray(i * size, (i + 1) * size);
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k];
      const line = b.subarray(k * size, (k + 1) * size);
      for (let j = 0; j < size; j++) row[j] += factor * line[j];
    }
  }
  return c;
}
