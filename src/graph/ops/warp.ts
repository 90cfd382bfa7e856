/** From resident 8-bit images to the network's input: the augmentation warp as an operation of the graph. */
import { augmentWarp, type Normalisation, normalisationParams } from '../../kernels/augment/augment.ts';
import { apply, refuse, shapeText } from '../operation.ts';
import type { Tensor } from '../tensor.ts';
import { rows, windows } from '../windows.ts';

export interface WarpOptions extends Normalisation {
  /** height, width of the output */
  readonly size: readonly [number, number];
  readonly channels: 1 | 3;
  /** 0..255, what lies outside the image */
  readonly fill: number;
  readonly name?: string;
}

/**
 * @param images [count, height, width] of u32, one RGBA pixel a word
 * @param transforms [N, 6]: xin = a xout + b yout + c, yin = d xout + e yout + f for each image of the batch
 * @returns [N, channels, height, width], image n being images[n] warped, then (value * scale - mean) / std
 */
export function warp(images: Tensor, transforms: Tensor, options: WarpOptions): Tensor {
  const { size, channels, fill, name = 'warp' } = options;
  const [batch, height, width] = images.shape;
  if (images.type !== 'u32' || images.shape.length !== 3 || transforms.size !== 6 * batch) {
    refuse(
      name,
      `images ${shapeText(images.shape)}, transforms ${shapeText(transforms.shape)}`,
      'Give [N, H, W] and [N, 6].',
    );
  }
  const order = Uint32Array.from({ length: batch }, (_, i) => i);
  const imageBytes = 4 * height * width;
  const outputBytes = 4 * channels * size[0] * size[1];
  const params = {
    channels,
    height,
    width,
    out_height: size[0],
    out_width: size[1],
    fill,
    ...normalisationParams(options),
  };
  return apply(
    {
      name: 'warp',
      forward(emit) {
        const source = emit.constant('order of the batch', new Float32Array(order.buffer));
        for (const window of windows(emit.gpu, batch, [imageBytes, outputBytes], `${name}: one image`)) {
          emit.run(
            augmentWarp,
            { ...params, batch: window.count },
            {
              images: rows(emit.value(images), imageBytes, window),
              // Indices count from the window's own first image.
              source: rows(source, 4, { first: 0, count: window.count }),
              transform: rows(emit.value(transforms), 24, window),
              y: rows(emit.value(emit.output), outputBytes, window),
            },
          );
        }
      },
      backward: null,
    },
    [images, transforms],
    [batch, channels, ...size],
    name,
  );
}
