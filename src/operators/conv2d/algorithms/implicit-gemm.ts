/**
 * Convolution as the contraction (../../../kernels/contraction): no copy of anything is made. Computes every problem, in
 * windows of images and filters; on discrete GPUs also in parts of the sum.
 */
import { derivativeBefore, epiloguesOf, type ForwardEmitter } from '../../../graph/operation.ts';
import { rows } from '../../../graph/windows.ts';
import { type ContractionParams, contraction, depthOf } from '../../../kernels/contraction/contraction.ts';
import { contractionSum, depthInParts, fitsInParts, splitDepth } from '../../../kernels/contraction/split.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../../kernels/conv2d/conv2d.ts';
import type { Conv2dShape, Direction } from '../../../kernels/conv2d/shape.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { contractionWork, emitContraction } from '../../algorithms/contraction.ts';
import {
  bytesOf,
  type Convolution,
  type ConvolutionAlgorithm,
  filterWindows,
  imageWindows,
  inEachDirection,
  type Operands,
  operandOf,
  outputs,
} from './convolution.ts';

const paramsOf = (direction: Direction, shape: Conv2dShape): ContractionParams =>
  direction === 'forward'
    ? conv2dForward(shape, true)
    : direction === 'input gradient'
      ? conv2dInputGradient(shape)
      : conv2dFilterGradient(shape, false);

/** In parts of what depth. */
type Depth = (adapter: Capabilities, params: ContractionParams) => number;

const emits: {
  [D in Direction]: (emit: ForwardEmitter, problem: Convolution, operands: Operands[D], depth: Depth) => void;
} = {
  forward(emit, problem, { x, weight, bias, y }, depth) {
    const { shape } = problem;
    const bytes = bytesOf(shape);
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    for (const images of imageWindows(emit, problem)) {
      for (const at of filterWindows(emit, problem)) {
        const part = { ...shape, batch: images.count, filters: at.count };
        const params = { ...conv2dForward(part, bias !== undefined), c_item: shape.filters * bytes.plane, relu };
        const w = rows(emit.value(weight), bytes.filter, at);
        const views = { a: w, b: rows(x, bytes.image, images), bias: bias && rows(emit.value(bias), 4, at) };
        const c = outputs(y, shape, images, at);
        const aux = operandOf(applied, shape, images, at);
        emitContraction(emit, params, { ...views, c, aux, epilogues }, depth(emit.gpu, params));
      }
    }
  },
  'input gradient'(emit, problem, { dy, weight, dx }, depth) {
    const { shape } = problem;
    const { relu, epilogues, operand } = derivativeBefore(emit);
    const bytes = bytesOf(shape);
    for (const images of imageWindows(emit, problem)) {
      for (const at of filterWindows(emit, problem)) {
        const part = { ...shape, batch: images.count, filters: at.count };
        const params = {
          ...conv2dInputGradient(part),
          b_item: shape.filters * bytes.plane,
          accumulate: at.first > 0 ? 1 : 0,
          relu,
        };
        const views = { a: rows(emit.value(weight), bytes.filter, at), b: outputs(dy, shape, images, at) };
        const [c, aux] = [dx, operand].map((storage) => storage && rows(storage, bytes.image, images));
        emitContraction(emit, params, { ...views, c: c!, aux, epilogues }, depth(emit.gpu, params));
      }
    }
  },
  'filter gradient'(emit, problem, { x, dy, dw }, depth) {
    const { shape } = problem;
    const bytes = bytesOf(shape);
    const windows = imageWindows(emit, problem);
    const to = dw(windows.length === 1);
    for (const images of windows) {
      for (const at of filterWindows(emit, problem)) {
        const part = { ...shape, batch: images.count, filters: at.count };
        const params = { ...conv2dFilterGradient(part, images.first > 0), a_inner: shape.filters * bytes.plane };
        const { view: c, update } = to(bytes.filter, at);
        const views = { a: outputs(dy, shape, images, at), b: rows(x, bytes.image, images), c };
        emitContraction(emit, params, { ...views, epilogues: { update } }, depth(emit.gpu, params));
      }
    }
  },
};

export const implicitGemm = <D extends Direction>(direction: D): ConvolutionAlgorithm<D> => ({
  name: 'implicit-gemm',
  how: 'a product of matrices of which the matrix of windows is never stored: the contraction, on operands as they lie',
  kernels: [contraction],
  obstacle: () => undefined,
  work: (adapter, { shape }) => contractionWork(adapter, paramsOf(direction, shape), Number.POSITIVE_INFINITY),
  emit: (emit, problem, operands) => emits[direction](emit, problem, operands, () => Number.POSITIVE_INFINITY),
});

/** The same, its long sums in parts that are worked on side by side: as many as the estimate takes for best. */
const implicitGemmInSuchParts = <D extends Direction>(direction: D): ConvolutionAlgorithm<D> => ({
  name: 'implicit-gemm-in-parts',
  how: 'as implicit-gemm, long sums in parts that are worked on side by side (split-K)',
  obstacle(adapter, { shape }) {
    const params = paramsOf(direction, shape);
    return splitDepth(adapter, params) < depthOf(params) ? undefined : 'its sums are not worth parts';
  },
  ...inParts(direction, splitDepth),
});

/** The same in so many parts, for those who measure. */
export const implicitGemmInSomeParts = <D extends Direction>(direction: D, parts: number): ConvolutionAlgorithm<D> => ({
  name: `implicit-gemm-in-${parts}-parts`,
  how: `as implicit-gemm, long sums in ${parts} parts`,
  obstacle(adapter, { shape }) {
    const params = paramsOf(direction, shape);
    if (splitDepth(adapter, params) === depthOf(params)) return 'its sums are not worth parts';
    return fitsInParts(adapter, params, parts) ? undefined : `${parts} parts are too short, or their sums too large`;
  },
  ...inParts(direction, (_, params) => depthInParts(params, parts)),
});

const inParts = <D extends Direction>(direction: D, depth: Depth) =>
  ({
    kernels: [contraction, contractionSum],
    work(adapter, { shape }) {
      const params = paramsOf(direction, shape);
      return contractionWork(adapter, params, depth(adapter, params));
    },
    emit: (emit, problem, operands) => emits[direction](emit, problem, operands, depth),
  }) satisfies Partial<ConvolutionAlgorithm<D>>;

export const implicitGemmInParts = inEachDirection(implicitGemmInSuchParts);
