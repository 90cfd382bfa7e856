/**
 * Convolutions of stride 1 by tiles, as dispatches: ../../kernels/conv2d/winograd/plan.ts says which, and in what order.
 * Some images at a time, so that panels and sums stay small beside activations.
 */
import { Storage, type View } from '../../gpu/storage.ts';
import type { Conv2dShape, Direction } from '../../kernels/conv2d/shape.ts';
import { winogradFilter } from '../../kernels/conv2d/winograd/filter.ts';
import { winogradFilterGradient } from '../../kernels/conv2d/winograd/filter-gradient.ts';
import { winogradGradient } from '../../kernels/conv2d/winograd/gradient.ts';
import { winogradImage } from '../../kernels/conv2d/winograd/image.ts';
import { winogradOutput } from '../../kernels/conv2d/winograd/output.ts';
import {
  imagesAtATime,
  planTilesFilterGradient,
  planTilesForward,
  planTilesInputGradient,
  type TilePlan,
} from '../../kernels/conv2d/winograd/plan.ts';
import { panelBatch } from '../../kernels/gemm/panels.ts';
import type { ForwardEmitter } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, type Window } from '../windows.ts';

function* imageWindows({ gpu }: ForwardEmitter, shape: Conv2dShape, direction: Direction): Generator<Window> {
  const most = imagesAtATime(gpu, shape, direction);
  for (let first = 0; first < shape.batch; first += most) yield { first, count: Math.min(most, shape.batch - first) };
}

/** Memory that lives from the kernel that writes it to the one that reads it. */
const between = (emit: ForwardEmitter, what: string, bytes: number): View =>
  new Storage(`${emit.output.name} ${what}`, bytes).view();

/** Panels and sums of a storage of images of so many bytes each. */
interface Images {
  readonly storage: Storage;
  readonly bytes: number;
}

/** y = x * w + bias, and the ReLU that follows. */
export function emitTilesForward(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  weight: Tensor,
  { x, y, bias }: { readonly x: Images; readonly y: Images; readonly bias?: View },
): void {
  for (const images of imageWindows(emit, shape, 'forward')) {
    const part = { ...shape, batch: images.count };
    const plan = planTilesForward(emit.gpu, part, { hasBias: bias !== undefined, relu: emit.relu });
    emitTiles(emit, plan, weight, bias, rows(x.storage, x.bytes, images), rows(y.storage, y.bytes, images));
  }
}

/** dx from dy. */
export function emitTilesInputGradient(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  weight: Tensor,
  { dy, dx }: { readonly dy: Images; readonly dx: Images },
): void {
  for (const images of imageWindows(emit, shape, 'input gradient')) {
    const plan = planTilesInputGradient(emit.gpu, { ...shape, batch: images.count });
    emitTiles(emit, plan, weight, undefined, rows(dy.storage, dy.bytes, images), rows(dx.storage, dx.bytes, images));
  }
}

function emitTiles(
  emit: ForwardEmitter,
  plan: TilePlan,
  weight: Tensor,
  bias: View | undefined,
  x: View,
  y: View,
): void {
  const w = emit.value(weight).view();
  const turned = plan.filter.flip === 1 ? ', turned' : '';
  const filters = emit.prepared(weight, `transformed${turned}`, plan.bytes.filter, (run, panels) =>
    run(winogradFilter, plan.filter, { w, panels }),
  );
  const panels = between(emit, 'tiles', plan.bytes.image);
  emit.run(winogradImage, plan.image, { x, panels });
  const sums = between(emit, 'sums', plan.bytes.sums);
  emit.run(panelBatch, plan.product, { a: panels, b: filters, c: sums });
  emit.run(winogradOutput, plan.output, { sums, bias: bias ?? sums, y });
}

/** dw from x and dy. */
export function emitTilesFilterGradient(
  emit: ForwardEmitter,
  shape: Conv2dShape,
  { x, dy, dw }: { readonly x: Images; readonly dy: Images; readonly dw: View },
): void {
  for (const images of imageWindows(emit, shape, 'filter gradient')) {
    const plan = planTilesFilterGradient(emit.gpu, { ...shape, batch: images.count }, images.first > 0);
    const panels = between(emit, 'tiles', plan.bytes.image);
    emit.run(winogradImage, plan.image, { x: rows(x.storage, x.bytes, images), panels });
    const gradients = between(emit, 'gradient tiles', plan.bytes.gradient);
    emit.run(winogradGradient, plan.gradient, { dy: rows(dy.storage, dy.bytes, images), panels: gradients });
    const sums = between(emit, 'sums', plan.bytes.sums);
    emit.run(panelBatch, plan.product, { a: gradients, b: panels, c: sums });
    emit.run(winogradFilterGradient, plan.output, { sums, dw });
  }
}
