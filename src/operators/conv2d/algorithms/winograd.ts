/**
 * Convolutions by tiles, as dispatches: ../../../kernels/conv2d/winograd/plan.ts says which, and in what order. Some images
 * at a time, so that panels and sums stay small beside activations. With strides, images and filters go to their phases
 * first, and gradients come back from them.
 */
import { type Precision, Storage, type View } from '../../../gpu/storage.ts';
import {
  type Destination,
  derivativeBefore,
  epiloguesOf,
  type ForwardEmitter,
  type Run,
} from '../../../graph/operation.ts';
import type { Tensor } from '../../../graph/tensor.ts';
import { rows, type Window } from '../../../graph/windows.ts';
import { contraction } from '../../../kernels/contraction/contraction.ts';
import { contractionSum, splitDepth } from '../../../kernels/contraction/split.ts';
import { conv2dPhases, conv2dPhasesBackward, phasesSize, planPhases } from '../../../kernels/conv2d/phases/phases.ts';
import type { Conv2dShape, Direction } from '../../../kernels/conv2d/shape.ts';
import { winogradFilter } from '../../../kernels/conv2d/winograd/filter.ts';
import { winogradFilterGradient } from '../../../kernels/conv2d/winograd/filter-gradient.ts';
import { winogradGradient } from '../../../kernels/conv2d/winograd/gradient.ts';
import { winogradImage } from '../../../kernels/conv2d/winograd/image.ts';
import { winogradOutput } from '../../../kernels/conv2d/winograd/output.ts';
import {
  hasStrides,
  imagesAtATime,
  type Products,
  planTilesFilterGradient,
  planTilesForward,
  planTilesInputGradient,
  type TilePlan,
  tilesFit,
  tilesToLeave,
  tilesWork,
  unstrided,
} from '../../../kernels/conv2d/winograd/plan.ts';
import type { Epilogues } from '../../../kernels/epilogue.ts';
import { packedGemmBatch } from '../../../kernels/gemm/packed.ts';
import { HELD } from '../../../kernels/nan.ts';
import { emitContraction } from '../../algorithms/contraction.ts';
import {
  bytesOf,
  type Convolution,
  type ConvolutionAlgorithm,
  inEachDirection,
  type Operands,
  operandOf,
} from './convolution.ts';

/** How many images at a time, where somebody asked for a number. */
type Asked = number | undefined;

function* imageWindows(
  { gpu }: ForwardEmitter,
  shape: Conv2dShape,
  direction: Direction,
  asked: Asked,
): Generator<Window> {
  const most = imagesAtATime(gpu, shape, direction, asked);
  for (let first = 0; first < shape.batch; first += most) yield { first, count: Math.min(most, shape.batch - first) };
}

/** Memory that lives from the kernel that writes it to the one that reads it. */
const between = (emit: ForwardEmitter, what: string, bytes: number, precision: Precision): View =>
  new Storage(`${emit.output.name} ${what}`, bytes, { precision }).view();

/** Panels and sums of a storage of images of so many bytes each. */
interface Images {
  readonly storage: Storage;
  readonly bytes: number;
}

/** The images that tiles read: x itself, or its phases. */
function imagesOf(emit: ForwardEmitter, shape: Conv2dShape, x: View): View {
  if (!hasStrides(shape)) return x;
  const { image } = planPhases(shape);
  const phases = between(emit, 'phases', 4 * phasesSize(image), emit.gpu.precision);
  emit.run(conv2dPhases, image, { x, phases });
  return phases;
}

/** The filters that tiles read: the weight itself, or its phases. */
function filtersOf(emit: ForwardEmitter, shape: Conv2dShape, weight: Tensor): View {
  const w = emit.value(weight).view();
  if (!hasStrides(shape)) return w;
  const { filter } = planPhases(shape);
  const make = (run: Run, phases: View) => run(conv2dPhases, filter, { x: w, phases });
  return emit.prepared(weight, 'phases', 4 * phasesSize(filter), make, w.storage.precision);
}

/** Sums that are stored as halves: those that halves do not hold become NaN, which loss scaling finds. */
const HELD_SUMS: Epilogues = { map: { name: 'held', wgsl: HELD, derivativeOf: 'input' } };

/** sums = rows times columns, at every place: in the parts that its work is counted by (`tilesWork`). */
function emitProducts(emit: ForwardEmitter, { by, params }: Products, a: View, b: View, sums: View): void {
  if (by === 'packed') emit.run(packedGemmBatch, params, { a, b, c: sums });
  else {
    const epilogues = sums.storage.precision === 'f16' ? HELD_SUMS : undefined;
    emitContraction(emit, params, { a, b, c: sums, epilogues }, splitDepth(emit.gpu, params));
  }
}

/** y = x * w + bias, and the ReLU that follows. */
function emitTilesForward(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  weight: Tensor,
  { x, y, bias, tiles }: { readonly x: Images; readonly y: Images; readonly bias?: View; readonly tiles?: Storage },
  asked: Asked,
): void {
  const tiled = unstrided(shape);
  for (const images of imageWindows(emit, tiled, 'forward', asked)) {
    const batch = images.count;
    const applied = epiloguesOf(emit);
    const { relu, epilogues } = applied;
    const plan = planTilesForward(emit.gpu, { ...tiled, batch }, { hasBias: bias !== undefined, relu });
    const image = imagesOf(emit, { ...shape, batch }, rows(x.storage, x.bytes, images));
    const aux = operandOf(applied, shape, images, { first: 0, count: shape.filters });
    const views = { w: filtersOf(emit, shape, weight), bias, x: image, tiles: tiles?.view(), aux };
    emitTiles(emit, plan, weight, { ...views, y: rows(y.storage, y.bytes, images) }, epilogues);
  }
}

/** dx from dy, or the gradient of the argument of the map before: then without strides. */
function emitTilesInputGradient(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  weight: Tensor,
  { dy, dx }: { readonly dy: Images; readonly dx: Images },
  asked: Asked,
): void {
  const { relu, epilogues, operand } = derivativeBefore(emit);
  const tiled = unstrided(shape);
  for (const images of imageWindows(emit, tiled, 'input gradient', asked)) {
    const batch = images.count;
    const plan = planTilesInputGradient(emit.gpu, { ...tiled, batch }, relu);
    const to = rows(dx.storage, dx.bytes, images);
    const { image } = planPhases({ ...shape, batch });
    const phases = hasStrides(shape) ? between(emit, 'phases', 4 * phasesSize(image), emit.gpu.precision) : undefined;
    emitTiles(
      emit,
      plan,
      weight,
      {
        w: filtersOf(emit, shape, weight),
        x: rows(dy.storage, dy.bytes, images),
        aux: operand && rows(operand, dx.bytes, images),
        y: phases ?? to,
      },
      epilogues,
    );
    if (phases !== undefined) emit.run(conv2dPhasesBackward, image, { phases, dx: to });
  }
}

interface TileViews {
  readonly w: View;
  readonly x: View;
  /** where tiles are to stay */
  readonly tiles?: View;
  readonly bias?: View;
  readonly aux?: View;
  readonly y: View;
}

function emitTiles(
  emit: ForwardEmitter,
  plan: TilePlan,
  weight: Tensor,
  { w, x, tiles, bias, aux, y }: TileViews,
  epilogues: Epilogues,
): void {
  const turned = plan.filter.flip === 1 ? ', turned' : '';
  const filters = emit.prepared(
    weight,
    `transformed${turned}, by ${plan.filter.tile}`,
    plan.bytes.filter,
    (run, panels) => run(winogradFilter, plan.filter, { w, panels }),
    plan.precision,
  );
  const panels = tiles ?? between(emit, 'tiles', plan.bytes.image, plan.precision);
  emit.run(winogradImage, plan.image, { x, panels });
  const sums = between(emit, 'sums', plan.bytes.sums, plan.precision);
  // A row of sums is of a tile where panels are multiplied, of a filter where matrices are.
  const [of, by] = plan.product.by === 'packed' ? [panels, filters] : [filters, panels];
  emitProducts(emit, plan.product, of, by, sums);
  emit.run(winogradOutput, plan.output, { sums, bias: bias ?? sums, aux: aux ?? sums, y }, epilogues);
}

/** dw from x and dy. */
function emitTilesFilterGradient(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  { x, dy, dw, tiles }: { readonly x: Images; readonly dy: Images; readonly dw: Destination; readonly tiles?: Storage },
  asked: Asked,
): void {
  const tiled = unstrided(shape);
  const { filter } = planPhases(shape);
  const phases = hasStrides(shape) ? between(emit, 'phases of dw', 4 * phasesSize(filter), 'f32') : undefined;
  const windows = [...imageWindows(emit, tiled, 'filter gradient', asked)];
  // Back from phases it is whole again.
  const to = dw(windows.length === 1 || phases !== undefined);
  const { view, update } = to(bytesOf(shape).filter, { first: 0, count: shape.filters });
  const last = phases === undefined ? { dw: view, epilogues: { update } } : { dw: phases, epilogues: {} };
  for (const images of windows) {
    const batch = images.count;
    const plan = planTilesFilterGradient(emit.gpu, { ...tiled, batch }, images.first > 0);
    const panels = tiles?.view() ?? between(emit, 'tiles', plan.bytes.image, plan.precision);
    if (tiles === undefined) {
      const image = imagesOf(emit, { ...shape, batch }, rows(x.storage, x.bytes, images));
      emit.run(winogradImage, plan.image, { x: image, panels });
    }
    const gradients = between(emit, 'gradient tiles', plan.bytes.gradient, plan.precision);
    emit.run(winogradGradient, plan.gradient, { dy: rows(dy.storage, dy.bytes, images), panels: gradients });
    const sums = between(emit, 'sums', plan.bytes.sums, plan.precision);
    emitProducts(emit, plan.product, gradients, panels, sums);
    emit.run(winogradFilterGradient, plan.output, { sums, dw: last.dw }, last.epilogues);
  }
  if (phases !== undefined) emit.run(conv2dPhasesBackward, filter, { phases, dx: view }, { update });
}

const emits: {
  [D in Direction]: (emit: ForwardEmitter, problem: Convolution, operands: Operands[D], asked: Asked) => void;
} = {
  forward(emit, { shape }, { x, weight, bias, y, tiles }, asked) {
    const { image, output } = bytesOf(shape);
    const views = {
      x: { storage: x, bytes: image },
      y: { storage: y, bytes: output },
      bias: bias && emit.value(bias).view(),
      tiles,
    };
    emitTilesForward(emit, shape, weight, views, asked);
  },
  'input gradient'(emit, { shape }, { dy, weight, dx }, asked) {
    const { image, output } = bytesOf(shape);
    const views = {
      dy: { storage: dy, bytes: output },
      dx: { storage: dx, bytes: image },
    };
    emitTilesInputGradient(emit, shape, weight, views, asked);
  },
  'filter gradient'(emit, { shape }, { x, dy, dw, tiles }, asked) {
    const { image, output } = bytesOf(shape);
    const views = { x: { storage: x, bytes: image }, dy: { storage: dy, bytes: output }, dw, tiles };
    emitTilesFilterGradient(emit, shape, views, asked);
  },
};

/** All that they run; on GPUs the products are contractions. */
const productKernels = [packedGemmBatch, contraction, contractionSum];
const phasesKernels = [conv2dPhases, conv2dPhasesBackward];
const correlation = [winogradFilter, winogradImage, winogradOutput];
const kernels = {
  forward: [...correlation, ...productKernels, ...phasesKernels],
  'input gradient': [...correlation, ...productKernels, ...phasesKernels],
  'filter gradient': [winogradImage, winogradGradient, winogradFilterGradient, ...productKernels, ...phasesKernels],
};

/** @param asked images at a time, for those who measure; where it is left out, what is kept between kernels stays small */
export const winogradAtATime = <D extends Direction>(direction: D, asked?: number): ConvolutionAlgorithm<D> => ({
  name: asked === undefined ? 'winograd' : `winograd-${asked}-at-a-time`,
  how: 'minimal filtering: tiles of outputs by fewer products; strides by phases (space-to-depth)',
  kernels: kernels[direction],
  // Where the gradient comes back from phases, no ReLU before can be applied to it.
  obstacle(adapter, { shape, differentiates }) {
    const tiled = unstrided(shape);
    if (!tilesFit(adapter, tiled, direction)) return 'no tile fits the kernel, its dilations or the limits';
    if (direction === 'input gradient' && differentiates && hasStrides(shape)) {
      return 'it applies no derivative before an input gradient with strides';
    }
    const most = imagesAtATime(adapter, tiled, direction);
    const images = asked === undefined ? undefined : imagesAtATime(adapter, tiled, direction, asked);
    return images === undefined || (images === asked && images !== most)
      ? undefined
      : `winograd takes ${most} images at a time, and ${images} of ${asked} are possible`;
  },
  ...(asked === undefined && { leaves: (adapter, { shape }) => tilesToLeave(adapter, shape), takesTiles: true }),
  work: (adapter, { shape, tilesLeft: left }) => tilesWork(adapter, shape, direction, { asked, left }),
  emit: (emit, problem, operands) => emits[direction](emit, problem, operands, asked),
});

export const winograd = inEachDirection((direction) => winogradAtATime(direction));
