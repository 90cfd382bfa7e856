/** Convolution as an operation of the graph; the mathematics stands in ../../kernels/conv2d/conv2d.ts. */
import { Storage, type View } from '../../gpu/storage.ts';
import { biasGradient } from '../../kernels/bias/bias.ts';
import { conv2dFilterGradient, conv2dForward, conv2dInputGradient } from '../../kernels/conv2d/conv2d.ts';
import { type Conv2dShape, checkConv2d, conv2dOutput } from '../../kernels/conv2d/shape.ts';
import { conv2dStripsFilterGradient } from '../../kernels/conv2d/strips/filter-gradient.ts';
import { conv2dStrips } from '../../kernels/conv2d/strips/forward.ts';
import { conv2dPad } from '../../kernels/conv2d/strips/pad.ts';
import {
  type Padded,
  paddedImageBytes,
  planFilterGradient,
  planForward,
  planInputGradient,
  type StripPlan,
  stripsPay,
} from '../../kernels/conv2d/strips/plan.ts';
import { hasStrides, tilesPay } from '../../kernels/conv2d/winograd/plan.ts';
import { packPanels } from '../../kernels/panels/pack.ts';
import { RELU } from '../../kernels/relu/relu.ts';
import { apply, expect4d, type ForwardEmitter, refuse, shapeText } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';
import { emitContraction } from './contraction.ts';
import { emitTilesFilterGradient, emitTilesForward, emitTilesInputGradient } from './winograd.ts';

export interface Conv2dOptions {
  /** rows, columns. Default 1, 1 */
  readonly strides?: readonly [number, number];
  /** top, left, bottom, right. Default 0 */
  readonly pads?: readonly [number, number, number, number];
  readonly dilations?: readonly [number, number];
  readonly groups?: number;
  readonly name?: string;
}

/**
 * y [N, F, H', W'] = x [N, C, H, W] convolved with weight [F, C / groups, kh, kw], plus bias [F] where given. ONNX Conv.
 * @throws FrostlineError when shapes do not fit or nothing is left of the image
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | undefined, options: Conv2dOptions = {}): Tensor {
  const { strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, name = 'conv2d' } = options;
  const [batch, channels, height, width] = expect4d(name, x);
  const [filters, perGroup, kh, kw] = expect4d(name, weight);
  if (perGroup * groups !== channels) {
    refuse(
      name,
      `weight ${weight.name} ${shapeText(weight.shape)} in ${groups} groups reads ${perGroup * groups} channels; ` +
        `${x.name} ${shapeText(x.shape)} has ${channels}`,
      'The weight must be [filters, channels / groups, kh, kw].',
    );
  }
  if (bias !== undefined && bias.size !== filters) {
    refuse(name, `bias ${bias.name} has ${bias.size} values for ${filters} filters`, 'Give one value a filter.');
  }
  const shape: Conv2dShape = {
    batch,
    channels,
    height,
    width,
    filters,
    kernel: [kh, kw],
    strides,
    pads,
    dilations,
    groups,
  };
  checkConv2d(shape);
  const [outHeight, outWidth] = conv2dOutput(shape);
  const plane = outHeight * outWidth;
  const imageBytes = 4 * channels * height * width;
  const outputBytes = 4 * filters * plane;
  const filterBytes = 4 * perGroup * kh * kw;

  /** Windows of images; within each, windows of filters where the weight passes the limit (then without groups). */
  function eachWindow(
    emit: ForwardEmitter,
    visit: (part: Conv2dShape, images: { first: number; count: number }, at: { first: number; count: number }) => void,
  ): void {
    const filterWindows = windows(emit.gpu, filters, [filterBytes], `${name}: one filter`);
    if (filterWindows.length > 1 && groups > 1) {
      refuse(
        name,
        `weight ${weight.name} of ${weight.bytes} bytes in ${groups} groups passes one binding`,
        'Split it.',
      );
    }
    const paddedBytes = stripsPay(emit.gpu, shape) ? paddedImageBytes(shape) : 0;
    for (const images of windows(emit.gpu, batch, [imageBytes, outputBytes, paddedBytes], `${name}: one image`)) {
      for (const at of filterWindows) visit({ ...shape, batch: images.count, filters: at.count }, images, at);
    }
  }

  /** What the strides over items of y (or dy) are when only some filters are worked on. */
  const whole = filters * plane;
  const outputs = (
    storage: ReturnType<ForwardEmitter['value']>,
    images: { first: number; count: number },
    at: { first: number; count: number },
  ) =>
    storage.view(
      images.first * outputBytes + 4 * at.first * plane,
      (images.count - 1) * outputBytes + 4 * at.count * plane,
    );

  return apply(
    {
      name: 'conv2d',
      fusesRelu: true,
      // Not where the gradient comes back from phases.
      appliesReluBefore: (gpu) => !(hasStrides(shape) && tilesPay(gpu, shape, 'input gradient')),
      forward(emit) {
        if (tilesPay(emit.gpu, shape, 'forward')) {
          emitTilesForward(emit, shape, weight, {
            x: { storage: emit.value(x), bytes: imageBytes },
            y: { storage: emit.value(emit.output), bytes: outputBytes },
            bias: bias === undefined ? undefined : emit.value(bias).view(),
          });
          return;
        }
        eachWindow(emit, (part, images, at) => {
          const w = rows(emit.value(weight), filterBytes, at);
          const image = rows(emit.value(x), imageBytes, images);
          const b = bias === undefined ? w : rows(emit.value(bias), 4, at);
          const y = outputs(emit.value(emit.output), images, at);
          if (at.count === filters && stripsPay(emit.gpu, part)) {
            const relu = emit.relu ? RELU.after : RELU.none;
            const plan = planForward(emit.gpu, part, { hasBias: bias !== undefined, relu });
            emitStrips(emit, plan, weight, { image, w, bias: b, gate: b, y });
          } else {
            const params = {
              ...conv2dForward(part, bias !== undefined),
              c_item: whole,
              relu: emit.relu ? RELU.after : RELU.none,
            };
            emitContraction(emit, params, { a: w, b: image, bias: b, c: y });
          }
        });
      },
      backward(emit) {
        const dy = emit.outputGradient;
        let dx = emit.gradient(0);
        let dw = emit.gradient(1);
        const db = bias === undefined ? undefined : emit.gradient(2);
        const gradients = { storage: dy, bytes: outputBytes };
        if (dx !== undefined && tilesPay(emit.gpu, shape, 'input gradient')) {
          const image = (storage: Storage) => ({ storage, bytes: imageBytes });
          const gate = emit.reluBefore ? image(emit.value(x)) : undefined;
          emitTilesInputGradient(emit, shape, weight, { dy: gradients, dx: image(dx), gate });
          dx = undefined;
        }
        if (dw !== undefined && tilesPay(emit.gpu, shape, 'filter gradient')) {
          const images = { storage: emit.value(x), bytes: imageBytes };
          emitTilesFilterGradient(emit, shape, { x: images, dy: gradients, dw: dw.view() });
          dw = undefined;
        }
        eachWindow(emit, (part, images, at) => {
          const dyView = outputs(dy, images, at);
          const inStrips = at.count === filters && stripsPay(emit.gpu, part);
          if (dx !== undefined) {
            const w = rows(emit.value(weight), filterBytes, at);
            const y = rows(dx, imageBytes, images);
            const relu = emit.reluBefore ? RELU.before : RELU.none;
            const gate = emit.reluBefore ? rows(emit.value(x), imageBytes, images) : w;
            if (inStrips && strides.every((stride) => stride === 1)) {
              const plan = planInputGradient(emit.gpu, part, relu);
              emitStrips(emit, plan, weight, { image: dyView, w, bias: w, gate, y });
            } else {
              const params = { ...conv2dInputGradient(part), b_item: whole, accumulate: at.first > 0 ? 1 : 0, relu };
              emitContraction(emit, params, { a: w, b: dyView, gate, c: y });
            }
          }
          if (dw !== undefined) {
            const image = rows(emit.value(x), imageBytes, images);
            const y = rows(dw, filterBytes, at);
            if (inStrips) {
              const strips = planFilterGradient(part, images.first > 0);
              emit.run(conv2dStripsFilterGradient, strips.run, {
                dy: emitPad(emit, strips.padDy, dyView),
                x: emitPad(emit, strips.padX, image),
                dw: y,
              });
              return;
            }
            const params = { ...conv2dFilterGradient(part, images.first > 0), a_r: whole };
            emitContraction(emit, params, { a: dyView, b: image, c: y });
          }
        });
        if (db !== undefined) emitBiasGradient(emit, { dy, db, batch, channels: filters, plane, name });
      },
    },
    bias === undefined ? [x, weight] : [x, weight, bias],
    [batch, filters, outHeight, outWidth],
    name,
  );
}

/** The view in a frame of zeros, in memory that lives until its reader has run. */
function emitPad(emit: ForwardEmitter, { params, bytes }: Padded, x: View): View {
  const images = new Storage(`${emit.output.name} padded`, bytes).view();
  emit.run(conv2dPad, params, { x, y: images });
  return images;
}

function emitStrips(
  emit: ForwardEmitter,
  { pad, pack, run }: StripPlan,
  weight: Tensor,
  { image, w, bias, gate, y }: Readonly<Record<'image' | 'w' | 'bias' | 'gate' | 'y', View>>,
): void {
  const turned = pack.params.flip === 1 ? ', turned' : '';
  const panels = emit.prepared(weight, `panels of ${run.tile}${turned}`, pack.bytes, (run, to) =>
    run(packPanels, pack.params, { w, panels: to }),
  );
  emit.run(conv2dStrips, run, { w: panels, x: emitPad(emit, pad, image), bias, gate, y });
}

/** db[c] = sum over items and places of dy, in windows of items. */
export function emitBiasGradient(
  emit: ForwardEmitter,
  {
    dy,
    db,
    batch,
    channels,
    plane,
    name,
  }: {
    dy: ReturnType<ForwardEmitter['value']>;
    db: ReturnType<ForwardEmitter['value']>;
    batch: number;
    channels: number;
    plane: number;
    name: string;
  },
): void {
  const itemBytes = 4 * channels * plane;
  for (const items of windows(emit.gpu, batch, [itemBytes], `${name}: one item`)) {
    emit.run(
      biasGradient,
      { batch: items.count, channels, plane, accumulate: items.first > 0 ? 1 : 0 },
      { dy: rows(dy, itemBytes, items), db: db.view() },
    );
  }
}
