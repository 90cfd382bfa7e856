/**
 * The ways to work on a matrix product, or on several of one shape, C (+)= A B + bias with the strides of a `GemmShape`: by
 * the contraction on the operands as they lie, whole or in parts of the sum, and on packed operands. Operators make
 * algorithms of them.
 */
import { profileOf } from '../../gpu/machine.ts';
import { Storage, type View } from '../../gpu/storage.ts';
import type { ForwardEmitter } from '../../graph/operation.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { type ContractionParams, contraction, depthOf } from '../../kernels/contraction/contraction.ts';
import { contractionSum, depthInParts, fitsInParts, splitDepth } from '../../kernels/contraction/split.ts';
import { type GemmShape, gemm } from '../../kernels/gemm/gemm.ts';
import { packMatrix } from '../../kernels/gemm/pack.ts';
import { packedGemm, packedGemmTime, packedTilesOf } from '../../kernels/gemm/packed.ts';
import { type PackedGemmPlan, planPackedGemm } from '../../kernels/gemm/plan.ts';
import type { Capabilities } from '../../kernels/kernel.ts';
import type { Algorithm, Work } from './algorithm.ts';
import { type ContractionViews, contractionWork, emitContraction } from './contraction.ts';

export interface ProductMethod extends Pick<Algorithm<never, never>, 'name' | 'how' | 'kernels'> {
  /** As an algorithm's. */
  obstacle(adapter: Capabilities, shape: GemmShape): string | undefined;
  /** @param lasts what is packed of B is made once, not in each run */
  work(adapter: Capabilities, shape: GemmShape, lasts?: boolean): Work;
  /** @param weight the tensor that B is a part of, where it is a weight: what is packed of it may outlast a run */
  emit(emit: ForwardEmitter, shape: GemmShape, views: ContractionViews, weight?: Tensor): void;
}

/**
 * On a rasteriser in software, instructions for each value that is packed, and for each sum that is written: value by
 * value, out of an array. By least squares of the times of 120 products on lavapipe, of layers drawn by
 * `frostline bench selection --seed 3`.
 */
const PACK = 40;
const WRITE = 30;

/**
 * The share of memory's rate that the contraction reaches on a GPU. A thread of its tiles has 64 sums and what it multiplies
 * into them, so up to 128 registers of the 65,536 that a multiprocessor has: 512 threads at a time, of the 1024 that keep
 * enough bytes on their way to reach the whole rate (`resident` in ../../gpu/machine.ts). By that model, not measured.
 */
const REACH = 512 / 1024;

const countOf = ({ groups }: GemmShape) => groups?.count ?? 1;

/** By the contraction, its sum in parts of a depth. */
const inDepth = (depth: (adapter: Capabilities, params: ContractionParams) => number) =>
  ({
    work(adapter, shape) {
      const params = gemm(shape);
      const work = contractionWork(adapter, params, depth(adapter, params));
      return profileOf(adapter).unit === 'cycles'
        ? { ...work, streamedBytes: contraction.cost(params).bytes / REACH }
        : work;
    },
    emit(emit, shape, views) {
      const params = gemm(shape);
      emitContraction(emit, params, views, depth(emit.gpu, params));
    },
  }) satisfies Partial<ProductMethod>;

const inParts = (depth: (adapter: Capabilities, params: ContractionParams) => number) =>
  ({
    kernels: [contraction, contractionSum],
    ...inDepth(depth),
  }) satisfies Partial<ProductMethod>;

/** On the operands as they lie: computes every product. */
export const plainProduct: ProductMethod = {
  name: 'gemm',
  how: 'a product of matrices by the contraction, on operands as they lie',
  kernels: [contraction],
  obstacle: () => undefined,
  ...inDepth(() => Number.POSITIVE_INFINITY),
};

/** The same, its sum in as many parts as the estimate takes for best: split-K. */
export const productInParts: ProductMethod = {
  name: 'gemm-in-parts',
  how: 'as gemm, long sums in parts that are worked on side by side (split-K)',
  obstacle(adapter, shape) {
    const params = gemm(shape);
    return splitDepth(adapter, params) < depthOf(params) ? undefined : 'its sums are not worth parts';
  },
  ...inParts(splitDepth),
};

/** The same in so many parts, for those who measure. */
export const productInSomeParts = (parts: number): ProductMethod => ({
  name: `gemm-in-${parts}-parts`,
  how: `as gemm, long sums in ${parts} parts`,
  obstacle(adapter, shape) {
    const params = gemm(shape);
    if (splitDepth(adapter, params) === depthOf(params)) return 'its sums are not worth parts';
    return fitsInParts(adapter, params, parts) ? undefined : `${parts} parts are too short, or their sums too large`;
  },
  ...inParts((_, params) => depthInParts(params, parts)),
});

/** On operands that are packed into panels first; several products one after another. */
export const packedProduct: ProductMethod = {
  name: 'gemm-packed',
  how: 'a product of matrices on operands that are packed into panels first',
  kernels: [packedGemm, packMatrix],
  obstacle: (adapter, shape) =>
    planPackedGemm(adapter, shape) === undefined
      ? 'the adapter has no texts for packed operands, or they do not fit a binding'
      : undefined,
  work(adapter, shape, lasts = false) {
    const { run, a, b } = planPackedGemm(adapter, shape)!;
    const packed = a.bytes / 4 + (lasts ? 0 : b.bytes / 4);
    const count = countOf(shape);
    return {
      instructions: count * (packedGemmTime(run, adapter.subgroupWidth) + PACK * packed + WRITE * shape.m * shape.n),
      streamedBytes: count * packedGemm.cost(run).bytes,
      movedBytes: 0,
      dispatches: count * (lasts ? 2 : 3),
      workgroups: packedTilesOf(run),
    };
  },
  emit(emit, shape, views, weight) {
    const plan = planPackedGemm(emit.gpu, shape)!;
    const { a, b, c } = shape.groups ?? { a: 0, b: 0, c: 0 };
    for (let product = 0; product < countOf(shape); product++) {
      const own = { a: behind(views.a, product * a), b: behind(views.b, product * b), c: behind(views.c, product * c) };
      emitPacked(emit, plan, { ...views, ...own }, weight);
    }
  },
};

/** The view without its first values, so many. */
const behind = ({ storage, offset, bytes }: View, values: number): View => ({
  storage,
  offset: offset + 4 * values,
  bytes: bytes - 4 * values,
});

function emitPacked(emit: ForwardEmitter, plan: PackedGemmPlan, views: ContractionViews, weight?: Tensor): void {
  const { bias = views.a, aux = views.a } = views;
  const between = (bytes: number) => new Storage(`${emit.output.name} packed`, bytes).view();
  const a = between(plan.a.bytes);
  emit.run(packMatrix, plan.a.params, { w: views.a, panels: a });
  const packB = (run: ForwardEmitter['run'], panels: View) => run(packMatrix, plan.b.params, { w: views.b, panels });
  let b: View;
  if (weight === undefined) {
    b = between(plan.b.bytes);
    packB(emit.run, b);
  } else {
    const { row, tile } = plan.b.params;
    b = emit.prepared(weight, `panels of ${tile} by ${row} from ${views.b.offset}`, plan.b.bytes, packB);
  }
  emit.run(packedGemm, plan.run, { a, b, bias, aux, c: views.c }, views.epilogues);
}

/** All that an estimate tells apart, the plain one first. */
export const productMethods: readonly [ProductMethod, ...ProductMethod[]] = [
  plainProduct,
  productInParts,
  packedProduct,
];

/** More, which no estimate tells from `productInParts`. */
export const measuredProductMethods: readonly ProductMethod[] = [2, 4, 8, 16, 32, 64, 128].map(productInSomeParts);

/** One algorithm for each way to work on products, the plain one first. */
export function eachProductMethod<A>(make: (method: ProductMethod) => A): [A, ...A[]] {
  const [plain, ...others] = productMethods;
  return [make(plain), ...others.map(make)];
}

/** What an algorithm says of itself that works by one method on some products in turn. */
export const byProducts = <P>(
  method: ProductMethod,
  /** the first is the largest */
  shapesOf: (adapter: Capabilities, problem: P) => readonly GemmShape[],
  /** what is packed of B is made once, not in each run */
  lasts: (problem: P) => boolean = () => false,
): Omit<Algorithm<P, never>, 'emit'> => ({
  name: method.name,
  how: method.how,
  kernels: method.kernels,
  obstacle: (adapter, problem) => method.obstacle(adapter, shapesOf(adapter, problem)[0]),
  work: (adapter, problem) => shapesOf(adapter, problem).map((shape) => method.work(adapter, shape, lasts(problem))),
});
