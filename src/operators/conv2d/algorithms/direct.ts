/** Direct convolution of padded images, with packed weights: ../../../kernels/conv2d/direct. */
import { Storage, type View } from '../../../gpu/storage.ts';
import { derivativeBefore, epiloguesOf, type ForwardEmitter } from '../../../graph/operation.ts';
import type { Tensor } from '../../../graph/tensor.ts';
import { rows } from '../../../graph/windows.ts';
import { conv2dDirectFilterGradient } from '../../../kernels/conv2d/direct/filter-gradient.ts';
import { conv2dDirect } from '../../../kernels/conv2d/direct/forward.ts';
import { conv2dPad } from '../../../kernels/conv2d/direct/pad.ts';
import {
  type DirectPlan,
  directFits,
  directInstructions,
  type Padded,
  paddedImageBytes,
  planFilterGradient,
  planForward,
  planInputGradient,
} from '../../../kernels/conv2d/direct/plan.ts';
import type { Conv2dShape, Direction } from '../../../kernels/conv2d/shape.ts';
import type { Epilogues } from '../../../kernels/epilogue.ts';
import { packMatrix } from '../../../kernels/gemm/pack.ts';
import type { Capabilities } from '../../../kernels/kernel.ts';
import { RELU } from '../../../kernels/relu/rule.ts';
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

/**
 * Instructions for one that the kernels' estimates count, by the taps of a line (of one tap, loads are most), and beside
 * these for each line that is padded, value that is packed and sum that is written. From the times of direct convolutions on lavapipe, of layers drawn by
 * `frostline bench selection` with `--seed 3` to 5, beside those of the other algorithms.
 */
const DIRECT_UNIT = { oneTap: 1.3, several: 0.9 } as const;
const PAD = 500;
const PACK = 120;
const WRITE = { output: 20, filter: 200 } as const;

const emits: { [D in Direction]: (emit: ForwardEmitter, problem: Convolution, operands: Operands[D]) => void } = {
  forward(emit, problem, { x, weight, bias, y }) {
    const { shape } = problem;
    const bytes = bytesOf(shape);
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const all = { first: 0, count: shape.filters };
    const w = emit.value(weight).view();
    const b = bias === undefined ? w : emit.value(bias).view();
    for (const images of imageWindows(emit, problem, paddedImageBytes(shape))) {
      const plan = planForward(emit.gpu, { ...shape, batch: images.count }, { hasBias: bias !== undefined, relu });
      const aux = operandOf(applied, shape, images, all) ?? b;
      const views = { image: rows(x, bytes.image, images), w, bias: b, aux, y: rows(y, bytes.output, images) };
      emitDirect(emit, plan, weight, views, epilogues);
    }
  },
  'input gradient'(emit, problem, { dy, weight, dx }) {
    const { shape } = problem;
    const { relu, epilogues, operand } = derivativeBefore(emit);
    const bytes = bytesOf(shape);
    const w = emit.value(weight).view();
    for (const images of imageWindows(emit, problem, paddedImageBytes(shape))) {
      const plan = planInputGradient(emit.gpu, { ...shape, batch: images.count }, relu);
      const aux = operand === undefined ? w : rows(operand, bytes.image, images);
      const image = rows(dy, bytes.output, images);
      emitDirect(emit, plan, weight, { image, w, bias: w, aux, y: rows(dx, bytes.image, images) }, epilogues);
    }
  },
  'filter gradient'(emit, problem, { x, dy, dw }) {
    const { shape } = problem;
    const all = { first: 0, count: shape.filters };
    const windows = imageWindows(emit, problem, paddedImageBytes(shape));
    const { view, update } = dw(windows.length === 1)(bytesOf(shape).filter, all);
    for (const images of windows) {
      const plan = planFilterGradient({ ...shape, batch: images.count }, images.first > 0);
      const views = {
        dy: emitPad(emit, plan.padDy, outputs(dy, shape, images, all)),
        x: emitPad(emit, plan.padX, rows(x, bytesOf(shape).image, images)),
        dw: view,
      };
      emit.run(conv2dDirectFilterGradient, plan.run, views, { update });
    }
  },
};

/** The view in a frame of zeros, in memory that lives until its reader has run. */
function emitPad(emit: ForwardEmitter, { params, bytes }: Padded, x: View): View {
  const images = new Storage(`${emit.output.name} padded`, bytes).view();
  emit.run(conv2dPad, params, { x, y: images });
  return images;
}

function emitDirect(
  emit: ForwardEmitter,
  { pad, pack, run }: DirectPlan,
  weight: Tensor,
  { image, w, bias, aux, y }: Readonly<Record<'image' | 'w' | 'bias' | 'aux' | 'y', View>>,
  epilogues: Epilogues,
): void {
  const turned = pack.params.flip === 1 ? ', turned' : '';
  const panels = emit.prepared(weight, `panels of ${run.tile}${turned}`, pack.bytes, (run, to) =>
    run(packMatrix, pack.params, { w, panels: to }),
  );
  emit.run(conv2dDirect, run, { w: panels, x: emitPad(emit, pad, image), bias, aux, y }, epilogues);
}

/** Of all of the batch. */
function instructionsOf(adapter: Capabilities, shape: Conv2dShape, direction: Direction): number {
  const lines = ({ params }: Padded) => params.items * params.out_height;
  const unit = shape.kernel[1] === 1 ? DIRECT_UNIT.oneTap : DIRECT_UNIT.several;
  const counted = unit * directInstructions(adapter, shape, direction);
  if (direction === 'filter gradient') {
    const { padX, padDy } = planFilterGradient(shape, false);
    const values = (shape.filters * bytesOf(shape).filter) / 4;
    return counted + PAD * (lines(padX) + lines(padDy)) + WRITE.filter * values;
  }
  const { pad, pack, run } = planOf(adapter, shape, direction);
  const outputs = run.items * run.groups * run.rows * run.lines * run.width;
  return counted + PAD * lines(pad) + (PACK * pack.bytes) / 4 + WRITE.output * outputs;
}

const planOf = (adapter: Capabilities, shape: Conv2dShape, direction: 'forward' | 'input gradient') =>
  direction === 'forward'
    ? planForward(adapter, shape, { hasBias: true, relu: RELU.none })
    : planInputGradient(adapter, shape);

/** Padded images and packed weights of all of the batch. */
function moved(adapter: Capabilities, shape: Conv2dShape, direction: Direction): number {
  if (direction === 'filter gradient') {
    const { padX, padDy } = planFilterGradient(shape, false);
    return padX.bytes + padDy.bytes;
  }
  const { pad, pack } = planOf(adapter, shape, direction);
  return pad.bytes + pack.bytes;
}

export const direct = inEachDirection(
  <D extends Direction>(direction: D): ConvolutionAlgorithm<D> => ({
    name: 'direct',
    how: 'as the definition has it, on padded images and packed weights, a strip of an output row in the registers of a thread',
    kernels:
      direction === 'filter gradient' ? [conv2dPad, conv2dDirectFilterGradient] : [conv2dPad, packMatrix, conv2dDirect],
    obstacle(adapter, { shape }) {
      if (adapter.precision === 'f16') return 'it has no text for half precision';
      if (!directFits(adapter, shape)) return 'the shape does not fit its registers, or the adapter has no subgroups';
      // Packing takes all filters as one matrix.
      if (shape.filters * bytesOf(shape).filter > adapter.limits.maxBinding - adapter.limits.offsetAlignment) {
        return 'the weight is larger than a binding';
      }
      return direction === 'input gradient' && shape.strides.some((stride) => stride !== 1)
        ? 'its input gradient has strides of 1 alone'
        : undefined;
    },
    work: (adapter, problem) => ({
      instructions: instructionsOf(adapter, problem.shape, direction),
      movedBytes: moved(adapter, problem.shape, direction),
      dispatches: 3,
    }),
    emit: (emit, problem, operands) => emits[direction](emit, problem, operands),
  }),
);
