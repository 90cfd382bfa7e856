/**
 * Convolutions of 3 x 3 taps and stride 1 by tiles of 2 x 2 outputs, one kernel each direction:
 * ../../../kernels/conv2d/winograd/fused/tile.ts says how. More products than ./winograd.ts, and nothing in memory between
 * kernels.
 */
import { profileOf } from '../../../gpu/machine.ts';
import { Storage } from '../../../gpu/storage.ts';
import { derivativeBefore, epiloguesOf, type ForwardEmitter } from '../../../graph/operation.ts';
import { rows } from '../../../graph/windows.ts';
import { contractionSum } from '../../../kernels/contraction/split.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../../kernels/conv2d/conv2d.ts';
import type { Conv2dShape, Direction } from '../../../kernels/conv2d/shape.ts';
import { fusedCorrelation } from '../../../kernels/conv2d/winograd/fused/correlation.ts';
import { fusedFilterGradient } from '../../../kernels/conv2d/winograd/fused/filter-gradient.ts';
import {
  fusedComputes,
  fusedParts,
  planFusedFilterGradient,
  planFusedForward,
  planFusedInputGradient,
} from '../../../kernels/conv2d/winograd/fused/plan.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { RELU } from '../../../kernels/relu/rule.ts';
import type { Work } from '../../algorithms/algorithm.ts';
import { contractionWork } from '../../algorithms/contraction.ts';
import {
  bytesOf,
  type Convolution,
  type ConvolutionAlgorithm,
  imageWindows,
  inEachDirection,
  type Operands,
  operandOf,
  outputs,
} from './convolution.ts';

const emits: {
  [D in Direction]: (emit: ForwardEmitter, problem: Convolution, operands: Operands[D]) => void;
} = {
  forward(emit, problem, { x, weight, bias, y }) {
    const { shape } = problem;
    const { image } = bytesOf(shape);
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const w = emit.value(weight).view();
    for (const images of imageWindows(emit, problem)) {
      const params = planFusedForward({ ...shape, batch: images.count }, { hasBias: bias !== undefined, relu });
      const all = { first: 0, count: shape.filters };
      const aux = operandOf(applied, shape, images, all) ?? w;
      const views = { w, x: rows(x, image, images), bias: bias ? emit.value(bias).view() : w, aux };
      emit.run(fusedCorrelation, params, { ...views, y: outputs(y, shape, images, all) }, epilogues);
    }
  },
  'input gradient'(emit, problem, { dy, weight, dx }) {
    const { shape } = problem;
    const { relu, epilogues, operand } = derivativeBefore(emit);
    const { image, output } = bytesOf(shape);
    const w = emit.value(weight).view();
    for (const images of imageWindows(emit, problem)) {
      const params = planFusedInputGradient({ ...shape, batch: images.count }, relu);
      const aux = operand ? rows(operand, image, images) : w;
      const views = { w, x: rows(dy, output, images), bias: w, aux };
      emit.run(fusedCorrelation, params, { ...views, y: rows(dx, image, images) }, epilogues);
    }
  },
  'filter gradient'(emit, problem, { x, dy, dw }) {
    const { shape } = problem;
    const { image, output, filter } = bytesOf(shape);
    const windows = imageWindows(emit, problem);
    const to = dw(windows.length === 1);
    const { view, update } = to(filter, { first: 0, count: shape.filters });
    for (const images of windows) {
      const part = { ...shape, batch: images.count };
      const { run, sum, bytes } = planFusedFilterGradient(part, images.first > 0, fusedParts(emit.gpu, part));
      const views = { dy: rows(dy, output, images), x: rows(x, image, images) };
      if (sum === undefined) {
        emit.run(fusedFilterGradient, run, { ...views, dw: view }, { update });
        continue;
      }
      const sums = new Storage(`${view.storage.label} in parts`, bytes).view();
      emit.run(fusedFilterGradient, run, { ...views, dw: sums });
      emit.run(contractionSum, sum, { sums, bias: sums, aux: sums, c: view }, { update });
    }
  },
};

const planOfGradient = (adapter: Capabilities, shape: Conv2dShape) =>
  planFusedFilterGradient(shape, false, fusedParts(adapter, shape));

const asContraction = {
  forward: (shape: Conv2dShape) => conv2dForward(shape, true),
  'input gradient': conv2dInputGradient,
  'filter gradient': (shape: Conv2dShape) => conv2dFilterGradient(shape, false),
};

/**
 * On a rasteriser in software: so many times as long as the contraction, whose threads do not wait for one another. On lavapipe
 * 1.1 to 2.1 times were measured, of 64 filters of 64 channels.
 */
const RASTERISED = 2;

/** What forward and the input gradient take, or the filter gradient and the pass over its parts. */
function workOf(adapter: Capabilities, shape: Conv2dShape, direction: Direction): Work[] {
  if (profileOf(adapter).unit !== 'cycles') {
    const work = contractionWork(adapter, asContraction[direction](shape), Number.POSITIVE_INFINITY);
    return [{ ...work, instructions: RASTERISED * work.instructions }];
  }
  const value = adapter.precision === 'f16' ? 2 : 4;
  if (direction === 'filter gradient') {
    const { run, sum } = planOfGradient(adapter, shape);
    const first = {
      instructions: fusedFilterGradient.time(adapter, run),
      streamedBytes: fusedFilterGradient.cost(run, { dy: value, x: value, dw: 4 }).bytes,
      movedBytes: 0,
      dispatches: 1,
    };
    const second = { instructions: 0, movedBytes: sum ? contractionSum.cost(sum).bytes : 0, dispatches: 1 };
    return sum === undefined ? [first] : [first, second];
  }
  const params =
    direction === 'forward'
      ? planFusedForward(shape, { hasBias: true, relu: RELU.none })
      : planFusedInputGradient(shape, RELU.none);
  const of = { w: value, x: value, bias: value, aux: value, y: value };
  return [
    {
      instructions: fusedCorrelation.time(adapter, params),
      streamedBytes: fusedCorrelation.cost(params, of).bytes,
      movedBytes: 0,
      dispatches: 1,
    },
  ];
}

export const winogradFused = inEachDirection(
  <D extends Direction>(direction: D): ConvolutionAlgorithm<D> => ({
    name: 'winograd-fused',
    how: 'minimal filtering in one kernel: tiles of 2 x 2 outputs of 3 x 3 taps, transformed on their way to workgroup memory',
    kernels: direction === 'filter gradient' ? [fusedFilterGradient, contractionSum] : [fusedCorrelation],
    obstacle({ limits }, { shape }) {
      if (!fusedComputes(shape)) return 'its text is of 3 x 3 taps, without strides and dilations';
      const weight = shape.filters * bytesOf(shape).filter;
      return weight <= limits.maxBinding - limits.offsetAlignment ? undefined : 'the weight passes one binding';
    },
    work: (adapter, { shape }) => workOf(adapter, shape, direction),
    emit: (emit, problem, operands) => emits[direction](emit, problem, operands),
  }),
);
